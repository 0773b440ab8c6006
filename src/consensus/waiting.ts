/**
 * # Waiting: blocks that cannot be executed yet: their parent is missing, or their time has not come.
 *
 * Always true: at most MAX_WAITING blocks and MAX_WAITING_BYTES are kept, MAX_PER_SENDER of one sender, who evicts only
 * his own; the block furthest from being useful goes first: the latest held one, the oldest orphan.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import type { Millis } from './difficulty.ts';
import type { DecodedBlock, Origin } from './import.ts';

export const MAX_WAITING = 256;
export const MAX_PER_SENDER = 64;
/** 256 blocks of 64 KiB; full blocks are fewer. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** An orphan whose parent does not come is forgotten; its sender has it still. */
const ORPHAN_MS = 60_000;

interface Waiting {
  readonly block: DecodedBlock;
  readonly sender: string;
  readonly bytes: number;
  /** An orphan waits for its parent until then; a held block until its time. */
  readonly until: Millis;
  readonly kind: 'orphan' | 'held';
}

export class WaitingRoom {
  private readonly blocks = new Map<string, Waiting>();
  private readonly byParent = new Map<string, Set<string>>();
  private bytes = 0;

  get size(): number {
    return this.blocks.size;
  }

  has(hash: Bytes): boolean {
    return this.blocks.has(toHex(hash));
  }

  /** Keeps an orphan; returns the blocks that had to go, the new one among them if there is no room. */
  addOrphan(now: Millis, block: DecodedBlock): DecodedBlock[] {
    return this.add(block, 'orphan', now + ORPHAN_MS);
  }

  /** Keeps a block until its time. */
  addHeld(block: DecodedBlock, until: Millis): DecodedBlock[] {
    return this.add(block, 'held', until);
  }

  /** Takes out the orphans of this parent. */
  childrenOf(parent: Bytes): DecodedBlock[] {
    const keys = [...(this.byParent.get(toHex(parent)) ?? [])];
    return keys.flatMap((key) => {
      const waiting = this.blocks.get(key);
      return waiting?.kind === 'orphan' ? [this.take(waiting)] : [];
    });
  }

  /** Takes out every block that waits, however indirectly, for this one: it was refused. */
  descendantsOf(hash: Bytes): DecodedBlock[] {
    const out: DecodedBlock[] = [];
    const stack = [hash];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      for (const child of this.childrenOf(at)) {
        out.push(child);
        stack.push(child.hash);
      }
    }
    return out;
  }

  /** Takes out the held blocks whose time has come, and the orphans whose parent never came. */
  due(now: Millis): { readonly held: DecodedBlock[]; readonly orphans: DecodedBlock[] } {
    const held: DecodedBlock[] = [];
    const orphans: DecodedBlock[] = [];
    for (const waiting of [...this.blocks.values()]) {
      if (waiting.until <= now) (waiting.kind === 'held' ? held : orphans).push(this.take(waiting));
    }
    return { held, orphans };
  }

  /** Takes out orphans at or below a height: no branch of theirs can be followed any more. */
  below(number: number): DecodedBlock[] {
    return [...this.blocks.values()]
      .filter((waiting) => waiting.block.decoded.number <= number)
      .map((waiting) => this.take(waiting));
  }

  get nextDue(): Millis | undefined {
    let earliest: Millis | undefined;
    for (const { until } of this.blocks.values()) if (earliest === undefined || until < earliest) earliest = until;
    return earliest;
  }

  private add(block: DecodedBlock, kind: Waiting['kind'], until: Millis): DecodedBlock[] {
    const key = toHex(block.hash);
    if (this.blocks.has(key)) return [];
    const waiting = { block, sender: senderOf(block.origin), bytes: sizeOf(block), until, kind };
    this.blocks.set(key, waiting);
    this.bytes += waiting.bytes;
    const parent = toHex(block.decoded.parentHash);
    const siblings = this.byParent.get(parent) ?? new Set();
    siblings.add(key);
    this.byParent.set(parent, siblings);
    const gone: DecodedBlock[] = [];
    const own = [...this.blocks.values()].filter((one) => one.sender === waiting.sender);
    if (own.length > MAX_PER_SENDER) gone.push(this.take(leastUseful(own)));
    while (this.blocks.size > MAX_WAITING || this.bytes > MAX_WAITING_BYTES) {
      gone.push(this.take(leastUseful([...this.blocks.values()])));
    }
    return gone;
  }

  private take(waiting: Waiting): DecodedBlock {
    const key = toHex(waiting.block.hash);
    this.blocks.delete(key);
    this.bytes -= waiting.bytes;
    const parent = toHex(waiting.block.decoded.parentHash);
    const siblings = this.byParent.get(parent);
    siblings?.delete(key);
    if (siblings?.size === 0) this.byParent.delete(parent);
    return waiting.block;
  }
}

/** The held block furthest in the future, or else the orphan that has waited longest. */
function leastUseful(list: readonly Waiting[]): Waiting {
  const held = list.filter((waiting) => waiting.kind === 'held');
  if (held.length > 0) return held.reduce((a, b) => (b.until > a.until ? b : a));
  return list.reduce((a, b) => (b.until < a.until ? b : a));
}

function senderOf(origin: Origin): string {
  return origin.type === 'own' ? '' : origin.peer;
}

function sizeOf(block: DecodedBlock): number {
  let bytes = block.header.length + block.opening.length;
  for (const extrinsic of block.extrinsics) bytes += extrinsic.length;
  return bytes;
}
