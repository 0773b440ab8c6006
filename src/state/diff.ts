/**
 * # Diff: a change set as one record: compact count, then key, 0 or 1, and value if 1, each behind its compact length.
 *
 * Keys stand whole and in the order of the change set: snappy shortens the 32 bytes that all accounts' keys share to
 * three, and not sorting halves the time.
 */
import type { Bytes } from '../base/bytes.ts';
import { Reader } from '../codec/index.ts';
import { keyOf } from './key.ts';
import type { ChangeSet } from './view.ts';

/** Lengths, a tag and room to spare for one entry, beside its key and value. */
const ENTRY_BYTES = 16;
const FIRST_CAPACITY = 4096;

/** The record of a change set. */
export function encodeDiff(changes: ChangeSet): Bytes {
  return encode(changes, (_, value) => value);
}

/** The record of what stood under the keys of a change set before it: values in key form, undefined if nothing. */
export function encodeUndo(changes: ChangeSet, before: (key: string) => string | undefined): Bytes {
  return encode(changes, (key) => before(key) ?? null);
}

/** The change set of a record; CodecError if it is none. */
export function decodeDiff(record: Bytes): Map<string, Bytes | null> {
  const from = new Reader(record);
  const changes = new Map<string, Bytes | null>();
  for (let left = from.length(2); left > 0; left--) {
    const key = keyOf(from.take(from.length(1)));
    const tag = from.u8();
    if (tag > 1) from.fail('option');
    changes.set(key, tag === 0 ? null : from.take(from.length(1)));
  }
  from.close();
  return changes;
}

/** Adds to `sum` what happens after it; later values win. */
export function addChanges(sum: Map<string, Bytes | null>, later: ChangeSet): void {
  for (const [key, value] of later) sum.set(key, value);
}

function encode(changes: ChangeSet, choose: (key: string, value: Bytes | null) => Bytes | string | null): Bytes {
  let out = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  let at = writeCompact(out, changes.size, 0);
  for (const [key, given] of changes) {
    const value = choose(key, given);
    const wanted = at + key.length + (value?.length ?? 0) + ENTRY_BYTES;
    if (wanted > out.length) {
      const larger = Buffer.allocUnsafeSlow(2 * wanted);
      larger.set(out.subarray(0, at));
      out = larger;
    }
    at = writeCompact(out, key.length, at);
    at += out.write(key, at, 'latin1');
    out[at++] = value === null ? 0 : 1;
    if (value === null) continue;
    at = writeCompact(out, value.length, at);
    if (typeof value === 'string') out.write(value, at, 'latin1');
    else out.set(value, at);
    at += value.length;
  }
  return new Uint8Array(out.buffer, out.byteOffset, at);
}

function writeCompact(out: Buffer, value: number, at: number): number {
  if (value < 0x40) return out.writeUInt8(value << 2, at);
  if (value < 0x4000) return out.writeUInt16LE((value << 2) | 1, at);
  return out.writeUInt32LE((value * 4 + 2) >>> 0, at);
}
