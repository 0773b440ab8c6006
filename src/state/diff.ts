/**
 * # Diff: a change set as one record, and change sets in sequence as one.
 *
 * Keys ascend and each gives only what differs from the one before: the 32 bytes that all accounts' keys share are
 * written once. Layout: count, then for each key: compact shared length, compact rest length, rest, and 0 or 1 and
 * the compact length and bytes of the value.
 */
import type { Bytes } from '../base/bytes.ts';
import { Reader } from '../codec/index.ts';
import { keyOf } from './key.ts';
import type { ChangeSet } from './view.ts';

/** The record of a change set. */
export function encodeDiff(changes: ChangeSet): Bytes {
  const keys = [...changes.keys()].sort();
  let capacity = 4;
  for (const key of keys) capacity += key.length + 13 + (changes.get(key)?.length ?? 0);
  const out = Buffer.allocUnsafeSlow(capacity);
  let at = writeCompact(out, keys.length, 0);
  let before = '';
  for (const key of keys) {
    const shared = sharedLength(before, key);
    at = writeCompact(out, shared, at);
    at = writeCompact(out, key.length - shared, at);
    at += out.write(shared === 0 ? key : key.slice(shared), at, 'latin1');
    const value = changes.get(key) ?? null;
    out[at++] = value === null ? 0 : 1;
    if (value !== null) {
      at = writeCompact(out, value.length, at);
      out.set(value, at);
      at += value.length;
    }
    before = key;
  }
  return new Uint8Array(out.buffer, 0, at);
}

/** The change set of a record; CodecError if it is none. */
export function decodeDiff(record: Bytes): Map<string, Bytes | null> {
  const from = new Reader(record);
  const changes = new Map<string, Bytes | null>();
  let before = '';
  for (let left = from.length(3); left > 0; left--) {
    const shared = from.compactU32();
    if (shared > before.length) from.fail('length');
    const rest = keyOf(from.take(from.length(1)));
    const key = before.slice(0, shared) + rest;
    const tag = from.u8();
    if (tag > 1) from.fail('option');
    changes.set(key, tag === 0 ? null : from.take(from.length(1)));
    before = key;
  }
  from.close();
  return changes;
}

/** Adds to `sum` what happens after it; later values win. */
export function addChanges(sum: Map<string, Bytes | null>, later: ChangeSet): void {
  for (const [key, value] of later) sum.set(key, value);
}

function sharedLength(a: string, b: string): number {
  const limit = Math.min(a.length, b.length);
  for (let i = 0; i < limit; i++) if (a.charCodeAt(i) !== b.charCodeAt(i)) return i;
  return limit;
}

function writeCompact(out: Buffer, value: number, at: number): number {
  if (value < 0x40) return out.writeUInt8(value << 2, at);
  if (value < 0x4000) return out.writeUInt16LE((value << 2) | 1, at);
  return out.writeUInt32LE((value * 4 + 2) >>> 0, at);
}
