/** # MemoryStore: the chain of `--tmp` and of tests: the logic of the disk over a Map that dies with the process. */
import type { Bytes } from '../../base/bytes.ts';
import { firstBatch, type Genesis, loaded, readHead, statePages } from '../chain/load.ts';
import { COUNTED, heightKey, STATE_COLUMN } from '../chain/records.ts';
import { type ChainParts, type Pruning, StoredChain } from '../chain/stored-chain.ts';
import { Verification } from '../chain/verify.ts';
import { WriteQueue, type Writes } from '../chain/write-queue.ts';
import { bytesOf } from '../key.ts';
import type { Base, DurableStore } from '../store.ts';

/** Flushed records by key in string form. */
export type Records = Map<string, Bytes>;

export class MemoryStore extends StoredChain implements DurableStore {
  /** What a disk would hold now. */
  readonly records: Records;

  private constructor(parts: ChainParts, pruning: Pruning, queue: WriteQueue, records: Records) {
    super(parts, pruning, queue);
    this.records = records;
  }

  /** A new chain; with `base` it begins there in place of genesis. */
  static create(genesis: Genesis, pruning: Pruning = 256, base?: Base): MemoryStore {
    const records: Records = new Map();
    for (const page of statePages((base ?? genesis).state)) apply(records, page);
    apply(records, firstBatch(genesis, new WriteQueue(records), base));
    return MemoryStore.load(records, pruning);
  }

  /** The chain of records that another store flushed, checked as those of a disk would be. */
  static load(records: Records, pruning: Pruning = 256): MemoryStore {
    const queue = new WriteQueue(records);
    return new MemoryStore(partsOf(records, queue), pruning, queue, records);
  }

  flush(_sync: boolean): Promise<void> {
    if (this.queue.bytes > 0) {
      apply(this.records, this.takeBatch());
      this.queue.landed();
    }
    return Promise.resolve();
  }

  async verify(): Promise<void> {
    await this.flush(false);
    const verification = new Verification(true);
    for (const key of [...this.records.keys()].sort()) verification.add(key, this.records.get(key) as Bytes);
    verification.finish();
  }

  close(): Promise<void> {
    return this.flush(true);
  }
}

/** The chain that flushed records hold, checked as those of a disk would be. */
export function partsOf(records: Records, queue: WriteQueue): ChainParts {
  const head = readHead(records);
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
  const from = COUNTED.block + heightKey(head.settled.number);
  const state = sorted.filter(([key]) => key.startsWith(STATE_COLUMN));
  const blocks = sorted.filter(([key]) => key.startsWith(COUNTED.block) && key >= from);
  const entries = state.map(([key, value]): [Bytes, Bytes] => [bytesOf(key.slice(1)), value]);
  return loaded(head, { state: entries, blocks }, queue);
}

/** Writes a batch into records. */
export function apply(records: Records, writes: Writes): void {
  const state = [...writes.state].map(([key, value]) => [STATE_COLUMN + key, value] as const);
  for (const [key, value] of [...writes.records, ...state]) {
    if (value === null) records.delete(key);
    else records.set(key, value);
  }
}
