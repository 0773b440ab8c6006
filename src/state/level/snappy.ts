/** # Snappy: the compression of LevelDB's blocks, backwards only (snappy/format_description.txt). */
import type { Bytes } from '../../base/bytes.ts';
import { Cursor } from './cursor.ts';

/** Content of a compressed block: literals, and copies of what was written before. RangeError if it makes no sense. */
export function unsnappy(bytes: Bytes): Bytes {
  const from = new Cursor(bytes, 0, bytes.length);
  const out = new Uint8Array(boundedLength(from.varint(), bytes.length));
  let at = 0;
  while (from.at < from.end) {
    const tag = from.byte();
    const { length, offset } = element(tag, from);
    if (at + length > out.length || offset > at) throw new RangeError('a snappy element leaves its block');
    if (offset === 0) {
      out.set(from.take(length), at);
    } else {
      // A copy may overlap what it writes: byte by byte.
      for (let i = 0; i < length; i++) out[at + i] = out[at + i - offset] as number;
    }
    at += length;
  }
  if (at !== out.length) throw new RangeError('a snappy block is cut off');
  return out;
}

/** Snappy gains at most a factor of 64: a larger promise is not allocated. */
function boundedLength(length: number, stored: number): number {
  if (length > 64 * stored) throw new RangeError('a snappy block promises too much');
  return length;
}

/** Length and distance of the next element; distance 0 is a literal. */
function element(tag: number, from: Cursor): { length: number; offset: number } {
  const kind = tag & 3;
  if (kind === 0) {
    const extra = (tag >> 2) - 59;
    return { length: (extra <= 0 ? tag >> 2 : little(from, extra)) + 1, offset: 0 };
  }
  if (kind === 1) return { length: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) | from.byte() || invalid() };
  return { length: (tag >> 2) + 1, offset: little(from, kind === 2 ? 2 : 4) || invalid() };
}

function little(from: Cursor, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value += from.byte() * 256 ** i;
  return value;
}

function invalid(): never {
  throw new RangeError('a snappy copy of nothing');
}
