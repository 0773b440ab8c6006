/**
 * # WriteQueue: records as they will be once everything queued is on disk.
 *
 * Always true: a read sees the last write, flushed or not; `take` hands over a batch that must be written whole, and
 * until `landed` says so its records are read from memory. At most MAX_QUEUED_BYTES wait.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { addChanges } from '../diff.ts';
import { StoreError } from '../errors.ts';
import type { ChangeSet } from '../view.ts';

/** A batch. */
export interface Writes {
  /** Records to put, or to delete where null, by key in string form (key.ts). */
  readonly records: ReadonlyMap<string, Bytes | null>;
  /** What happens to the settled state, by keys without their column. */
  readonly state: ChangeSet;
}

type Later = () => Bytes;

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
  private staged = new Map<string, Bytes | null | Later>();
  private flying: Writes['records'] | undefined;
  // Settled states are never read from records while the chain is open: they need no place in the map.
  private state: ChangeSet[] = [];
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
    if (staged !== undefined) return (typeof staged === 'function' ? staged() : staged) ?? undefined;
    const flying = this.flying?.get(key);
    if (flying !== undefined) return flying ?? undefined;
    return this.source.get(key);
  }

  put(key: string, value: Bytes): void {
    this.size += ENTRY_BYTES + value.length;
    this.staged.set(key, value);
  }

  /** A record that is encoded when its batch is taken: during sync most diffs are deleted before. */
  putLater(key: string, size: number, encode: Later): void {
    this.size += ENTRY_BYTES + size;
    this.staged.set(key, encode);
  }

  delete(key: string): void {
    this.size += ENTRY_BYTES;
    this.staged.set(key, null);
  }

  /** Changes the settled state, after all changes before. */
  change(changes: ChangeSet): void {
    this.size += sizeOf(changes);
    this.state.push(changes);
  }

  /** Throws StoreError `TooManyWrites` when the driver does not flush. */
  ensureRoom(): void {
    if (this.size > MAX_QUEUED_BYTES) throw new StoreError('TooManyWrites', `${this.size} bytes`);
  }

  /** The batch to write now. */
  take(): Writes {
    assert(this.flying === undefined, 'one batch flies at a time');
    for (const [key, value] of this.staged) if (typeof value === 'function') this.staged.set(key, value());
    const records = this.staged as Map<string, Bytes | null>;
    const writes = { records, state: merged(this.state) };
    this.flying = records;
    this.staged = new Map();
    this.state = [];
    this.size = 0;
    return writes;
  }

  /** The batch that was taken is on disk. */
  landed(): void {
    this.flying = undefined;
  }
}

/** Memory that a change set holds, roughly. */
export function sizeOf(changes: ChangeSet): number {
  let size = 0;
  for (const value of changes.values()) size += ENTRY_BYTES + (value?.length ?? 0);
  return size;
}

function merged(sequence: readonly ChangeSet[]): ChangeSet {
  if (sequence.length === 1) return sequence[0] as ChangeSet;
  const sum = new Map<string, Bytes | null>();
  for (const changes of sequence) addChanges(sum, changes);
  return sum;
}
