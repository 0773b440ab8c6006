/**
 * # WriteQueue: records as they will be once everything queued is on disk.
 *
 * Always true: a read sees the last write, flushed or not; `take` hands over a batch that must be written whole, and
 * until `landed` says so its records are read from memory. At most MAX_QUEUED_BYTES wait.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { StoreError } from '../errors.ts';

/** Records to put, or to delete where null, by key in string form (key.ts). */
export type Writes = ReadonlyMap<string, Bytes | null>;

/** Synchronous reads of what is on disk. Throws StoreError `CorruptDatabase` rather than return a damaged record. */
export interface RecordSource {
  get(key: string): Bytes | undefined;
}

/** The driver flushes every few blocks; a full block writes about 1 MiB. */
const MAX_QUEUED_BYTES = 512 * 1024 * 1024;
/** A Map entry and its key, beside the value. */
const ENTRY_BYTES = 128;

export class WriteQueue implements RecordSource {
  private readonly source: RecordSource;
  private staged = new Map<string, Bytes | null>();
  private flying: Writes | undefined;
  private size = 0;

  constructor(source: RecordSource) {
    this.source = source;
  }

  /** Bytes that wait for `take`. */
  get bytes(): number {
    return this.size;
  }

  get(key: string): Bytes | undefined {
    const staged = this.staged.get(key);
    if (staged !== undefined) return staged ?? undefined;
    const flying = this.flying?.get(key);
    if (flying !== undefined) return flying ?? undefined;
    return this.source.get(key);
  }

  put(key: string, value: Bytes): void {
    this.size += ENTRY_BYTES + value.length;
    this.staged.set(key, value);
  }

  delete(key: string): void {
    this.size += ENTRY_BYTES;
    this.staged.set(key, null);
  }

  /** Throws StoreError `TooManyWrites` when the driver does not flush. */
  ensureRoom(): void {
    if (this.size > MAX_QUEUED_BYTES) throw new StoreError('TooManyWrites', `${this.size} bytes`);
  }

  /** The batch to write now. */
  take(): Writes {
    assert(this.flying === undefined, 'one batch flies at a time');
    this.flying = this.staged;
    this.staged = new Map();
    this.size = 0;
    return this.flying;
  }

  /** The batch that was taken is on disk. */
  landed(): void {
    this.flying = undefined;
  }
}
