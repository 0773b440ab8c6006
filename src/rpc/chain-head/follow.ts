/**
 * # Follow: what one follower of `chainHead_v1` has been told, and what it has pinned (json-rpc-interface-spec).
 *
 * Always true: a block is told of after its parent and once; every block that was told of is pinned until the client
 * unpins it; final blocks are told of in order, none skipped; nothing is said after `stop`. A pure machine: whoever
 * drives it says what happened to the chain and sends the events that come back. Bounds: MAX_PINNED blocks, and blocks
 * pinned for MAX_LAG final ones after they became final or were pruned, end the follow by `stop`.
 */
import { must } from '../../base/assert.ts';

/** Blocks that one follower may hold pinned, as in polkadot-sdk. */
export const MAX_PINNED = 512;
/** How many final blocks later a final or pruned one must be unpinned; below the states that a node keeps (256). */
export const MAX_LAG = 128;

export interface FollowBlock {
  readonly hash: string;
  readonly parent: string;
}

export type FollowEvent =
  | { readonly event: 'initialized'; readonly finalizedBlockHashes: readonly string[] }
  | { readonly event: 'newBlock'; readonly blockHash: string; readonly parentBlockHash: string }
  | { readonly event: 'bestBlockChanged'; readonly bestBlockHash: string }
  | {
      readonly event: 'finalized';
      readonly finalizedBlockHashes: readonly string[];
      readonly prunedBlockHashes: readonly string[];
    }
  | { readonly event: 'stop' };

export interface Snapshot {
  /** Final blocks, oldest first; at least one. */
  readonly finalized: readonly string[];
  /** Blocks above the last of them, parents first. */
  readonly blocks: readonly FollowBlock[];
  readonly best: string;
}

export type Unpinned = 'done' | 'notPinned' | 'duplicate';

export class Follow {
  /** Pinned blocks; a number says at which count of final blocks the block became final or was pruned. */
  readonly #pinned = new Map<string, number | undefined>();
  /** Parents of the blocks above the last final one; as many as the node keeps branches of. */
  readonly #parents = new Map<string, string>();
  #lastFinal = '';
  #finalCount = 0;
  #best = '';
  #isStopped = false;

  get isStopped(): boolean {
    return this.#isStopped;
  }

  isPinned(hash: string): boolean {
    return this.#pinned.has(hash);
  }

  start({ finalized, blocks, best }: Snapshot): FollowEvent[] {
    this.#lastFinal = must(finalized.at(-1), 'a chain has a final block');
    for (const hash of finalized) this.#pinned.set(hash, 0);
    const events: FollowEvent[] = [{ event: 'initialized', finalizedBlockHashes: finalized }];
    for (const block of blocks) events.push(...this.imported(block));
    if (!this.#isStopped) events.push(...this.head(best));
    return events;
  }

  /** A block is here. Of a branch that was left behind, or known already: nothing. */
  imported({ hash, parent }: FollowBlock): FollowEvent[] {
    if (this.#isStopped || hash === this.#lastFinal || this.#parents.has(hash)) return [];
    if (parent !== this.#lastFinal && !this.#parents.has(parent)) return [];
    if (this.#pinned.size >= MAX_PINNED) return this.stop();
    this.#parents.set(hash, parent);
    this.#pinned.set(hash, undefined);
    return [{ event: 'newBlock', blockHash: hash, parentBlockHash: parent }];
  }

  /** Another block is the best. */
  head(hash: string): FollowEvent[] {
    const isKnown = hash === this.#lastFinal || this.#parents.has(hash);
    if (this.#isStopped || hash === this.#best || !isKnown) return [];
    this.#best = hash;
    return [{ event: 'bestBlockChanged', bestBlockHash: hash }];
  }

  /** Blocks became final, oldest first; those that were so already are passed over. */
  finalized(hashes: readonly string[]): FollowEvent[] {
    if (this.#isStopped) return [];
    const fresh = hashes.filter((hash) => this.#parents.has(hash));
    const last = fresh.at(-1);
    if (last === undefined) return [];
    // A gap cannot be told of by this protocol: the client follows anew.
    if (this.#parents.get(fresh[0] as string) !== this.#lastFinal) return this.stop();
    const left = new Set(fresh);
    const kept = this.#descendants(last);
    const pruned = [...this.#parents.keys()].filter((hash) => !left.has(hash) && !kept.has(hash));
    const events: FollowEvent[] = [];
    // The best block must descend from what is final when that is told.
    if (this.#best !== last && !kept.has(this.#best)) events.push(...this.head(last));
    this.#lastFinal = last;
    this.#finalCount += fresh.length;
    for (const hash of [...fresh, ...pruned]) {
      this.#parents.delete(hash);
      if (this.#pinned.has(hash)) this.#pinned.set(hash, this.#finalCount);
    }
    events.push({ event: 'finalized', finalizedBlockHashes: fresh, prunedBlockHashes: pruned });
    return this.#hasLaggard() ? [...events, ...this.stop()] : events;
  }

  /** Lets go of blocks: of all of them or, with one that is not pinned or named twice, of none. */
  unpin(hashes: readonly string[]): Unpinned {
    if (new Set(hashes).size < hashes.length) return 'duplicate';
    if (hashes.some((hash) => !this.#pinned.has(hash))) return 'notPinned';
    for (const hash of hashes) this.#pinned.delete(hash);
    return 'done';
  }

  /** The follow cannot go on. */
  stop(): FollowEvent[] {
    if (this.#isStopped) return [];
    this.#isStopped = true;
    this.#pinned.clear();
    this.#parents.clear();
    return [{ event: 'stop' }];
  }

  /** The told blocks above one; `#parents` lists parents first. */
  #descendants(of: string): Set<string> {
    const found = new Set<string>();
    for (const [hash, parent] of this.#parents) if (parent === of || found.has(parent)) found.add(hash);
    return found;
  }

  #hasLaggard(): boolean {
    for (const since of this.#pinned.values())
      if (since !== undefined && this.#finalCount - since > MAX_LAG) return true;
    return false;
  }
}
