/**
 * # Outbox: what is sent, and what of it waits for the disk.
 *
 * Always true: one sync at a time, which covers what was written when it began; what is sent while one is under way, or
 * behind what waits, leaves once all that was written by then is synced, in its order; where no sync was asked for it
 * leaves at once; a crash drops what waits. The watermark is a file of its own: it survives what becomes of the store,
 * once it is synced.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import type { Watermark } from '../consensus/finality/watermark.ts';
import type { Disk } from './disk.ts';
import type { SimNode } from './node.ts';

/** A disk takes this long to sync. */
const SYNC_MS = { least: 1, most: 25 };

export class Outbox {
  /** The last vote of each key, as the file holds it. */
  private readonly marks = new Map<string, Watermark>();
  /** What this process raised. */
  private readonly raised = new Map<string, Watermark>();
  private readonly node: SimNode;
  private readonly disk: Disk;
  /** Batches of this life, and what waits for which of them. */
  private written = 0;
  private synced = 0;
  private isSyncing = false;
  private readonly waiting: { readonly needs: number; readonly send: () => void }[] = [];

  constructor(node: SimNode, disk: Disk) {
    this.node = node;
    this.disk = disk;
  }

  /** The mark will be written with the next sync. */
  raise(mark: Watermark): void {
    this.raised.set(toHex(mark.id), mark);
  }

  /** The last vote of a key, as the process knows it. */
  mark(key: Bytes): Watermark | undefined {
    return this.raised.get(toHex(key)) ?? this.marks.get(toHex(key));
  }

  /** A batch was written; `sync`: what is sent from now on relies on it. */
  wrote(sync: boolean): void {
    this.written++;
    if (sync) this.sync();
  }

  /** Sends at once, or, while a sync is under way, once all that was written so far is synced. */
  once(send: () => void): void {
    const { node } = this;
    if (node.place.make.persists && this.written > this.synced && (this.isSyncing || this.waiting.length > 0)) {
      this.waiting.push({ needs: this.written, send });
      return;
    }
    this.send(send);
  }

  /** The process is gone. */
  clear(): void {
    this.written = 0;
    this.synced = 0;
    this.isSyncing = false;
    this.raised.clear();
    this.waiting.length = 0;
  }

  private sync(): void {
    if (this.isSyncing) return;
    this.isSyncing = true;
    const { node, disk } = this;
    const raised = [...this.raised];
    const { dice, observer } = node.place;
    const [covers, batches, final] = [this.written, disk.atRisk, node.machines.store.settled.number];
    node.later(dice.between(SYNC_MS.least, SYNC_MS.most), () =>
      node.guard(() => {
        this.isSyncing = false;
        disk.sync(batches);
        this.synced = covers;
        for (const [key, mark] of raised) this.marks.set(key, mark);
        observer.synced(node, final);
        node.point('synced');
        this.release();
        if (this.waiting.length > 0) this.sync();
      }),
    );
  }

  private release(): void {
    for (let next = this.waiting[0]; next !== undefined && next.needs <= this.synced; next = this.waiting[0]) {
      this.waiting.shift();
      this.send(next.send);
    }
  }

  private send(send: () => void): void {
    this.node.point('send');
    send();
    this.node.point('sent');
  }
}
