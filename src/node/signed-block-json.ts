/**
 * # Signed block as JSON: one block per line, in the shape of `chain_getBlock`: what `export-blocks` writes.
 *
 * Always true: what was written is read back to the same bytes; bytes are hex, and lists of numbers, as that method
 * gives them, are read as well.
 */
import { type Bytes, fromHex, toHex, utf8 } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import { DigestItem, POW_ENGINE } from '../primitives/digest.ts';
import { Header, headerJson } from '../primitives/header.ts';
import { GRANDPA_ENGINE } from '../primitives/justification.ts';

/** What a line that is no block is refused with; `message` says what is wrong. */
export class BlockJsonError extends Error {
  override readonly name = 'BlockJsonError';
}

export interface PlainBlock {
  /** SCALE of the sealed header. */
  readonly header: Bytes;
  /** With their length prefixes. */
  readonly extrinsics: readonly Bytes[];
  /** Of the seal; a block that was mined has one. */
  readonly opening: Bytes | undefined;
  /** What proves it final, where it is stored with it. */
  readonly justification: Bytes | undefined;
}

/** They mark the opening and the proof among the justifications. */
const POW = toHex(utf8(POW_ENGINE));
const GRANDPA = toHex(utf8(GRANDPA_ENGINE));

/** One line, without its end. */
export function encodeBlockJson({ header, extrinsics, opening, justification }: PlainBlock): string {
  // A block of a chain of slots has nothing to open.
  const proofs = [
    [POW, opening],
    [GRANDPA, justification],
  ] as const;
  const given = proofs.flatMap(([engine, bytes]) => (bytes?.length ? [[engine, toHex(bytes)]] : []));
  const justifications = given.length === 0 ? null : given;
  const block = { header: headerJson(Header.dec(header)), extrinsics: extrinsics.map(toHex) };
  return JSON.stringify({ block, justifications });
}

/** Reads a line. Throws BlockJsonError. */
export function decodeBlockJson(line: string): PlainBlock {
  const json = record(parsed(line), 'a block');
  const block = record(json.block, 'block');
  const header = record(block.header, 'block.header');
  const logs = list(record(header.digest, 'digest').logs, 'digest.logs');
  const justifications = json.justifications == null ? [] : list(json.justifications, 'justifications');
  const proofOf = (wanted: string): Bytes | undefined => {
    const found = justifications
      .map((one) => list(one, 'justification'))
      .find(([engine]) => toHex(bytesOf(engine, 'justification engine')) === wanted);
    return found === undefined ? undefined : bytesOf(found[1], 'justification');
  };
  try {
    return {
      header: Header.enc({
        parentHash: bytesOf(header.parentHash, 'parentHash'),
        number: numberOf(header.number),
        stateRoot: bytesOf(header.stateRoot, 'stateRoot'),
        extrinsicsRoot: bytesOf(header.extrinsicsRoot, 'extrinsicsRoot'),
        digest: logs.map((log) => DigestItem.dec(bytesOf(log, 'digest.logs'))),
      }),
      extrinsics: list(block.extrinsics, 'block.extrinsics').map((one) => bytesOf(one, 'extrinsic')),
      opening: proofOf(POW),
      justification: proofOf(GRANDPA),
    };
  } catch (error) {
    if (error instanceof CodecError) throw new BlockJsonError(`header: ${error.message}`);
    throw error;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new BlockJsonError('not JSON');
  }
}

function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new BlockJsonError(`${name}: not an object`);
}

function list(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new BlockJsonError(`${name}: not a list`);
}

function bytesOf(value: unknown, name: string): Bytes {
  if (typeof value === 'string' && /^0x([0-9a-f]{2})*$/.test(value)) return fromHex(value);
  const isBytes = Array.isArray(value) && value.every((one) => Number.isInteger(one) && one >= 0 && one <= 255);
  if (isBytes) return Uint8Array.from(value as number[]);
  throw new BlockJsonError(`${name}: neither hex nor a list of bytes`);
}

function numberOf(value: unknown): number {
  const number = Number(value);
  const isText = typeof value === 'number' || (typeof value === 'string' && /^(0x[0-9a-f]+|\d+)$/.test(value));
  if (isText && Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff) return number;
  throw new BlockJsonError('number: not a height');
}
