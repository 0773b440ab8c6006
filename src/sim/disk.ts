/**
 * # Disk: what of a node survives a crash: every batch that was synced, and of the rest as many as luck keeps.
 *
 * Always true: a batch is kept whole or not at all, and none is kept whose predecessor was lost, as in a log; a node
 * that reads its disk sees nothing else.
 */

import { firstBatch, type Genesis, statePages } from '../state/chain/load.ts';
import { type ChainParts, StoredChain } from '../state/chain/stored-chain.ts';
import { WriteQueue, type Writes } from '../state/chain/write-queue.ts';
import { apply, partsOf, type Records } from '../state/level/memory-store.ts';

export class Disk {
  /** Survives everything. */
  private readonly durable: Records = new Map();
  /** Written, and not yet synced. */
  private unsynced: Writes[] = [];

  constructor(genesis: Genesis) {
    for (const page of statePages(genesis.state)) apply(this.durable, page);
    apply(this.durable, firstBatch(genesis, new WriteQueue(new Map())));
  }

  /** How many batches a crash might lose. */
  get atRisk(): number {
    return this.unsynced.length;
  }

  write(batch: Writes): void {
    this.unsynced.push(batch);
  }

  /** The oldest `count` batches become durable. */
  sync(count: number): void {
    for (const batch of this.unsynced.splice(0, count)) apply(this.durable, batch);
  }

  /** The power goes: of what was not synced, the oldest `kept` batches happen to be there. */
  crash(kept: number): void {
    this.sync(kept);
    this.unsynced = [];
  }

  /** What a process that starts now reads; as well a backup. */
  read(): Records {
    return new Map(this.durable);
  }

  /** Somebody puts a backup in its place. */
  restore(backup: Records): void {
    this.unsynced = [];
    this.durable.clear();
    apply(this.durable, { records: backup, state: new Map() });
  }
}

/** The chain's store over a disk: reads see what was written, whether it will survive or not. */
export class DiskStore extends StoredChain {
  private readonly disk: Disk;
  private readonly seen: Records;

  private constructor(parts: ChainParts, queue: WriteQueue, disk: Disk, seen: Records) {
    super(parts, 256, queue);
    this.disk = disk;
    this.seen = seen;
  }

  /** Starts from what survived. */
  static open(disk: Disk): DiskStore {
    const seen = disk.read();
    const queue = new WriteQueue(seen);
    return new DiskStore(partsOf(seen, queue), queue, disk, seen);
  }

  /** Writes what is queued as one batch. */
  write(): void {
    if (this.queue.bytes === 0) return;
    const batch = this.takeBatch();
    apply(this.seen, batch);
    this.queue.landed();
    this.disk.write(batch);
  }
}
