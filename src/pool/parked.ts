/**
 * # Parked: bare extrinsics whose time has not come on our branch: a reveal whose claim went with a lost branch, or
 * one from a peer that is a block ahead of us.
 *
 * Always true: at most MAX_PARKED are kept, the oldest forgotten first, and none longer than PARKED_BLOCKS.
 */
import type { Bytes } from '../base/bytes.ts';

export const MAX_PARKED = 64;
/** As long as a bare judgement holds: after that its miner or checker has sent it again, or has no use for it. */
export const PARKED_BLOCKS = 64;

export interface ParkedExtrinsic {
  readonly key: string;
  readonly bytes: Bytes;
  /** The last block of ours at which it is tried. */
  readonly until: number;
}

export class Parked {
  private readonly byKey = new Map<string, ParkedExtrinsic>();

  get isEmpty(): boolean {
    return this.byKey.size === 0;
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  add(key: string, bytes: Bytes, best: number): void {
    if (this.byKey.has(key)) return;
    this.byKey.set(key, { key, bytes, until: best + PARKED_BLOCKS });
    const [oldest] = this.byKey.keys();
    if (this.byKey.size > MAX_PARKED && oldest !== undefined) this.byKey.delete(oldest);
  }

  remove(key: string): void {
    this.byKey.delete(key);
  }

  /** Everything that may be tried again, oldest first; what is too old is forgotten. */
  due(best: number): ParkedExtrinsic[] {
    for (const { key, until } of [...this.byKey.values()]) if (until < best) this.byKey.delete(key);
    return [...this.byKey.values()];
  }
}
