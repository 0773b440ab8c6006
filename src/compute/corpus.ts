/**
 * # Corpus: text cut into records of equal length, the last tenth of the files held out.
 *
 * Always true: no record occurs twice, and no training record touches a held-out file.
 */
import { type Bytes, compare, utf8 } from '../base/bytes.ts';

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Bytes;
}

export interface PackedCorpus {
  /** Training records, one after the other. */
  readonly train: Bytes;
  /** Held-out records, likewise. */
  readonly holdout: Bytes;
  readonly recordBytes: number;
  readonly nRecords: number;
  readonly nHoldout: number;
}

/** Why a corpus cannot be used; the caller names the flag. */
export class CorpusError extends Error {
  override readonly name = 'CorpusError';
}

/** A record is the model's tokens and, one byte later, its labels. */
export const RECORD_BYTES = 65;
const STRIDE = 64;
/** Fewer records and a fragment would see the same ones again and again (ECONOMY.md rule J: 64 batches). */
const MIN_RECORDS = 512;
/** 16,384 bytes: a second of every checker's core at each merge. More would cost more and tell little more. */
const MAX_HOLDOUT = 256;
/** 1 GB of text: beyond it the table of records seen outgrows a small machine. */
const MAX_RECORDS = 2 ** 24;

/**
 * Packs files (in byte order of their names) into records of 65 bytes at stride 64. The last tenth of the files by
 * count is held out, of a single file its last tenth by length. `batch`: both parts are cut to whole batches.
 */
export function packCorpus(files: readonly CorpusFile[], batch: number): PackedCorpus {
  const sorted = [...files].sort((a, b) => compare(utf8(a.name), utf8(b.name)));
  const [training, held] = sorted.length === 1 ? splitFile(sorted[0] as CorpusFile) : splitFiles(sorted);
  const seen = new Set<string>();
  // Held-out first: a record that stands in both would be trained on and tested on.
  const holdout = cut(held, seen).slice(0, MAX_HOLDOUT);
  const train = cut(training, seen);
  if (train.length < MIN_RECORDS || holdout.length < batch) {
    throw new CorpusError(`too little text: ${train.length} records to train on, at least ${MIN_RECORDS} are needed`);
  }
  holdout.length -= holdout.length % batch;
  return {
    train: joined(train),
    holdout: joined(holdout),
    recordBytes: RECORD_BYTES,
    nRecords: train.length,
    nHoldout: holdout.length,
  };
}

function splitFiles(files: readonly CorpusFile[]): [Bytes, Bytes] {
  const held = Math.max(1, Math.ceil(files.length / 10));
  const texts = files.map((file) => file.bytes);
  return [joined(texts.slice(0, files.length - held)), joined(texts.slice(files.length - held))];
}

function splitFile(file: CorpusFile): [Bytes, Bytes] {
  const at = Math.floor((file.bytes.length * 9) / 10);
  return [file.bytes.subarray(0, at), file.bytes.subarray(at)];
}

/** One after the other. Not by spreading arguments: a call takes about 10^5 of them, a corpus has more records. */
function joined(parts: readonly Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function cut(text: Bytes, seen: Set<string>): Bytes[] {
  const out: Bytes[] = [];
  for (let at = 0; at + RECORD_BYTES <= text.length; at += STRIDE) {
    const record = text.subarray(at, at + RECORD_BYTES);
    const key = String.fromCharCode(...record);
    if (seen.has(key)) continue;
    if (out.length === MAX_RECORDS) throw new CorpusError(`too much text: more than ${MAX_RECORDS} records`);
    seen.add(key);
    out.push(record);
  }
  return out;
}
