/**
 * # Spans: undo records of 64 and of 4,096 blocks as one, so that an archive finds an old state in few steps.
 *
 * Always true: a span at a height takes the state there back by its size, exactly as the single records would. Spans
 * only save time: where one is missing, or would be large, the smaller ones are used. Half a million blocks back are
 * 122 spans of the larger kind and at most 126 smaller records.
 */
import type { Bytes } from '../../base/bytes.ts';
import { addChanges, decodeDiff, encodeDiff } from '../diff.ts';
import { COUNTED, decoded, heightKey } from './records.ts';
import type { RecordSource } from './write-queue.ts';

const SMALL = 64;
const LARGE = SMALL * SMALL;
/** A span with more keys would cost more to make than it saves: making one takes at most about 60 ms. */
const MAX_KEYS = 50_000;

type Undo = Map<string, Bytes | null>;

/** Adds to `sum` the longest recorded step downward from a height that does not pass `lowest`; returns where it
ends. */
export function stepDown(sum: Undo, height: number, lowest: number, records: RecordSource): number | undefined {
  for (const size of [LARGE, SMALL, 1]) {
    if (height % size !== 0 || height - size < lowest) continue;
    const part = read(size, height, records);
    if (part === undefined) continue;
    addChanges(sum, part);
    return height - size;
  }
  return undefined;
}

/** The span records that end at a height that was just settled: key and value of each. */
export function spansAt(height: number, records: RecordSource): [string, Bytes][] {
  const small = height % SMALL === 0 ? joined(SMALL, 1, height, records) : undefined;
  if (small === undefined) return [];
  const spans: [string, Bytes][] = [[spanKey(SMALL, height), encodeDiff(small)]];
  const large = height % LARGE === 0 ? joined(LARGE, SMALL, height, records, small) : undefined;
  if (large !== undefined) spans.push([spanKey(LARGE, height), encodeDiff(large)]);
  return spans;
}

/** Keys of the spans that a height may have. */
export function spanKeysAt(height: number): string[] {
  return [SMALL, LARGE].filter((size) => height % size === 0).map((size) => spanKey(size, height));
}

/** Joins the pieces of a span, newest first, so that the oldest value wins; `newest` is the first piece, if at hand. */
function joined(size: number, piece: number, height: number, records: RecordSource, newest?: Undo): Undo | undefined {
  const sum: Undo = new Map(newest ?? []);
  const from = newest === undefined ? height : height - piece;
  for (let at = from; at > height - size; at -= piece) {
    const part = read(piece, at, records);
    if (part === undefined) return undefined;
    addChanges(sum, part);
    if (sum.size > MAX_KEYS) return undefined;
  }
  return sum;
}

function read(size: number, height: number, records: RecordSource): Undo | undefined {
  const key = size === 1 ? COUNTED.undo + heightKey(height) : spanKey(size, height);
  const record = records.get(key);
  return record === undefined ? undefined : decoded('undo', key, record, decodeDiff);
}

function spanKey(size: number, height: number): string {
  return COUNTED.span + heightKey(size) + heightKey(height);
}
