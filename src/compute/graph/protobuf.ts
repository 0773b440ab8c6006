/**
 * # Protobuf: the wire format, and nothing of any schema.
 *
 * Always true: a reader never looks outside the slice it was given and never allocates by a length it has not
 * checked against that slice; a writer produces one byte string for one sequence of calls.
 * Source: protobuf.dev/programming-guides/encoding (groups, wire types 3 and 4, are refused).
 */
import { type Bytes, fromUtf8, utf8 } from '../../base/bytes.ts';
import { GraphError } from './graph-error.ts';

const VARINT = 0;
const FIXED64 = 1;
export const DELIMITED = 2;
const FIXED32 = 5;

/** Reads the fields of one message, in the order in which they stand. */
export class ProtoReader {
  readonly #bytes: Bytes;
  readonly #view: DataView;
  #at: number;
  readonly #end: number;
  /** Field number of the field at hand; valid after `next` returned true. */
  field = 0;
  /** Wire type of the field at hand. */
  wire = 0;

  constructor(bytes: Bytes, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** Whether bytes are left, for packed fields that are read to their end. */
  get more(): boolean {
    return this.#at < this.#end;
  }

  /** Moves to the next field; false at the end of the message. The caller reads or skips every field. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const key = this.#varint();
    if (key > 0xffffffffn) throw malformed('field key');
    this.field = Number(key >> 3n);
    this.wire = Number(key & 7n);
    if (this.field === 0) throw malformed('field number 0');
    return true;
  }

  /** A signed 64-bit integer as a number; beyond 2^53 it is the nearest number, which no check of ours accepts. */
  int64(): number {
    this.#expect(VARINT);
    return this.bareInt64();
  }

  /** The same without a key: an element of a packed field. */
  bareInt64(): number {
    const first = this.#bytes[this.#at];
    if (first !== undefined && first < 0x80 && this.#at < this.#end) {
      this.#at++;
      return first;
    }
    return Number(BigInt.asIntN(64, this.#varint()));
  }

  /** An IEEE single. */
  float(): number {
    this.#expect(FIXED32);
    return this.bareFloat();
  }

  /** The same without a key: an element of a packed field. */
  bareFloat(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  /** A view of a length-delimited field; it lives as long as the file. */
  bytes(): Bytes {
    this.#expect(DELIMITED);
    const length = this.#varint();
    if (length > BigInt(this.#end - this.#at)) throw malformed('length beyond its message');
    const start = this.#take(Number(length));
    return this.#bytes.subarray(start, this.#at);
  }

  /** A string. Malformed UTF-8 is refused. */
  string(): string {
    const bytes = this.bytes();
    try {
      return fromUtf8(bytes);
    } catch (error) {
      if (error instanceof TypeError) throw malformed('a string is not UTF-8');
      throw error;
    }
  }

  /** A nested message. */
  message(): ProtoReader {
    return new ProtoReader(this.bytes());
  }

  /** Passes over the field at hand. */
  skip(): void {
    if (this.wire === VARINT) this.#varint();
    else if (this.wire === FIXED64) this.#take(8);
    else if (this.wire === DELIMITED) this.bytes();
    else if (this.wire === FIXED32) this.#take(4);
    else throw malformed(`wire type ${this.wire}`);
  }

  #expect(wire: number): void {
    if (this.wire !== wire) throw malformed(`field ${this.field} has wire type ${this.wire}`);
  }

  #take(size: number): number {
    const start = this.#at;
    if (size > this.#end - start) throw malformed('truncated');
    this.#at = start + size;
    return start;
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#take(1)] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed('varint longer than ten bytes');
  }
}

/** Writes fields in the order of the calls; a field that is not written is not there. */
export class ProtoWriter {
  #buffer = new Uint8Array(256);
  #size = 0;

  /** A signed 64-bit integer. */
  int64(field: number, value: number): void {
    this.#key(field, VARINT);
    this.#integer(value);
  }

  /** A packed list of signed 64-bit integers; nothing when it is empty. */
  int64s(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const inner = new ProtoWriter();
    for (const value of values) inner.#integer(value);
    this.bytes(field, inner.finish());
  }

  /** An IEEE single. */
  float(field: number, value: number): void {
    this.#key(field, FIXED32);
    this.#reserve(4);
    new DataView(this.#buffer.buffer).setFloat32(this.#size, value, true);
    this.#size += 4;
  }

  /** A packed list of IEEE singles; nothing when it is empty. */
  floats(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const data = new Uint8Array(4 * values.length);
    const view = new DataView(data.buffer);
    for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
    this.bytes(field, data);
  }

  /** A length-delimited field. */
  bytes(field: number, value: Bytes): void {
    this.#key(field, DELIMITED);
    this.#integer(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#size);
    this.#size += value.length;
  }

  /** A string. */
  string(field: number, value: string): void {
    this.bytes(field, utf8(value));
  }

  /** A nested message, written by `body`. */
  message(field: number, body: (inner: ProtoWriter) => void): void {
    const inner = new ProtoWriter();
    body(inner);
    this.bytes(field, inner.finish());
  }

  /** The bytes written so far. */
  finish(): Bytes {
    return this.#buffer.slice(0, this.#size);
  }

  #key(field: number, wire: number): void {
    this.#integer(field * 8 + wire);
  }

  #integer(value: number): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.#buffer[this.#size++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#size++] = Number(rest);
  }

  #reserve(extra: number): void {
    if (this.#size + extra <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#buffer.length, this.#size + extra));
    grown.set(this.#buffer.subarray(0, this.#size));
    this.#buffer = grown;
  }
}

function malformed(detail: string): GraphError {
  return new GraphError('MalformedProtobuf', detail);
}
