/**
 * # Journal: every batch has a number, and none is missing.
 *
 * Always true: the records of the last JOURNAL_BYTES of writes are numbered without a gap, and the newest one holds
 * the checksums of the records that every batch overwrites. LevelDB skips a damaged part of its log and replays what
 * follows: without numbers a batch in the middle would be gone and nobody the wiser.
 */
import { type Bytes, fromLittleEndian, littleEndian } from '../../base/bytes.ts';
import { AUX_KEY, HEAD_KEY } from '../chain/records.ts';
import type { RecordSource, Writes } from '../chain/write-queue.ts';
import { StoreError } from '../errors.ts';
import { bytesOf } from '../key.ts';
import { type Database, recordChecksum, WRITE_BUFFER_BYTES } from './database.ts';

const COLUMN = 'q';
const AFTER_COLUMN = 'r';
const RECORD_BYTES = 16;
/** Two logs may be replayed, each overshot by a batch. A batch has at least 200 bytes: at most 170,000 numbers. */
const JOURNAL_BYTES = 4 * WRITE_BUFFER_BYTES;

interface Entry {
  readonly batch: number;
  /** Bytes written before this batch, since the journal began. */
  readonly written: number;
}

export class Journal {
  private kept: Entry[];
  private first = 0;
  private last: number;
  private written: number;
  private sums: { head: number; aux: number };

  private constructor(kept: Entry[], written: number, sums: { head: number; aux: number }) {
    this.kept = kept;
    this.last = kept[kept.length - 1]?.batch ?? 0;
    this.written = written;
    this.sums = sums;
  }

  /** The journal of a new database. */
  static empty(): Journal {
    return new Journal([], 0, { head: 0, aux: 0 });
  }

  /** Reads the journal and checks it against the records and the last batch that was synced. */
  static async load(database: Database, synced: number): Promise<Journal> {
    const kept: Entry[] = [];
    let sums = { head: 0, aux: 0 };
    for await (const page of database.range(COLUMN, AFTER_COLUMN)) {
      for (const [key, value] of page) {
        const batch = Number(fromLittleEndian(bytesOf(key.slice(1)).reverse()));
        const before = kept[kept.length - 1]?.batch;
        if (before !== undefined && batch !== before + 1) throw lost(`batches ${before + 1} to ${batch - 1} are gone`);
        const view = new DataView(value.buffer, value.byteOffset, value.length);
        if (value.length !== RECORD_BYTES) throw lost(`the number of batch ${batch} is damaged`);
        kept.push({ batch, written: Number(view.getBigUint64(0, true)) });
        sums = { head: view.getUint32(8, true), aux: view.getUint32(12, true) };
      }
    }
    const last = kept[kept.length - 1];
    if (last === undefined || last.batch < synced)
      throw lost(`batch ${synced} was synced, ${last?.batch ?? 'none'} is there`);
    const found = { head: sumOf(HEAD_KEY, database), aux: sumOf(AUX_KEY, database) };
    if (found.head !== sums.head || found.aux !== sums.aux) throw lost(`the head is not that of batch ${last.batch}`);
    return new Journal(kept, last.written, sums);
  }

  /** Number of the newest batch. */
  get batch(): number {
    return this.last;
  }

  /** Adds the number of the next batch to it. */
  number(writes: Writes): Writes {
    const { records, state } = writes;
    const numbered = new Map(records);
    const batch = this.last + 1;
    this.sums = { head: nextSum(HEAD_KEY, records, this.sums.head), aux: nextSum(AUX_KEY, records, this.sums.aux) };
    const record = Buffer.alloc(RECORD_BYTES);
    record.writeBigUInt64LE(BigInt(this.written), 0);
    record.writeUInt32LE(this.sums.head, 8);
    record.writeUInt32LE(this.sums.aux, 12);
    numbered.set(keyOfBatch(batch), record);
    this.kept.push({ batch, written: this.written });
    this.last = batch;
    // The batch after the dropped one begins far enough back to hold all that a log may still replay.
    while (this.kept.length - this.first > 2 && this.isOld(this.kept[this.first + 1])) {
      numbered.set(keyOfBatch((this.kept[this.first] as Entry).batch), null);
      this.first++;
    }
    if (this.first > 1024) {
      this.kept = this.kept.slice(this.first);
      this.first = 0;
    }
    return { records: numbered, state };
  }

  /** Counts the bytes of a batch that was written. */
  wrote(bytes: number): void {
    this.written += bytes;
  }

  private isOld(entry: Entry | undefined): boolean {
    return entry !== undefined && this.written - entry.written > JOURNAL_BYTES;
  }
}

function keyOfBatch(batch: number): string {
  let key = COLUMN;
  for (const byte of littleEndian(BigInt(batch), 8).reverse()) key += String.fromCharCode(byte);
  return key;
}

function sumOf(key: string, records: RecordSource): number {
  const value = records.get(key);
  return value === undefined ? 0 : recordChecksum(bytesOf(key), value);
}

function nextSum(key: string, records: Writes['records'], before: number): number {
  const value: Bytes | null | undefined = records.get(key);
  return value === undefined || value === null ? before : recordChecksum(bytesOf(key), value);
}

function lost(what: string): StoreError {
  return new StoreError('CorruptDatabase', what);
}
