/**
 * # VoteGraph: the weight of votes on a tree of blocks, and its GHOST.
 *
 * Always true: a block's weight of a stage is that of the voters whose vote is for it or a descendant, plus that of
 * those who voted twice: an equivocator counts for every block, and once for each (GRANDPA, Stewart and Kokoris-Kogia,
 * 2020, section 2.2). So weight never grows with height, and nothing that arrives later takes weight from a block.
 *
 * Entries are blocks between the base and a voted block, all of them known to the tree when the vote came: never more
 * than the unfinalized blocks that the node holds anyway, whatever is voted.
 */
import { must } from '../../base/assert.ts';
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import type { BlockRef } from '../../state/store.ts';

/** What voting needs of the fork tree. */
export interface Ancestry {
  /** The ancestor of a known block at a height, the block itself included; undefined when unknown or below the root. */
  ancestor(of: Bytes, number: number): BlockRef | undefined;
}

/** The stages that carry weight. */
export type VoteStage = 'prevote' | 'precommit';

/** Whether this much weight is enough; once true it stays true for more. */
export type Enough = (weight: bigint) => boolean;

interface Entry extends BlockRef {
  readonly parent: Entry | undefined;
  readonly children: Entry[];
  readonly weight: Record<VoteStage, bigint>;
}

/** Whether `block` is known and stands on `above`, or is it. */
export function standsOn(tree: Ancestry, block: BlockRef, above: BlockRef): boolean {
  const found = tree.ancestor(block.hash, above.number);
  return found !== undefined && equal(found.hash, above.hash);
}

export class VoteGraph {
  private readonly tree: Ancestry;
  private readonly root: Entry;
  private readonly entries = new Map<string, Entry>();
  private readonly everywhere: Record<VoteStage, bigint> = { prevote: 0n, precommit: 0n };

  constructor(base: BlockRef, tree: Ancestry) {
    this.tree = tree;
    this.root = entryOf(base, undefined);
    this.entries.set(toHex(base.hash), this.root);
  }

  get base(): BlockRef {
    return this.root;
  }

  /** Counts a vote; false, and nothing changes, unless the block is known, of that number, and at or above the base. */
  add(stage: VoteStage, target: BlockRef, weight: bigint): boolean {
    const entry = this.enter(target);
    if (entry === undefined) return false;
    for (let at: Entry | undefined = entry; at !== undefined; at = at.parent) at.weight[stage] += weight;
    return true;
  }

  /** From now on this weight counts at every block; `voted`: the block where it counted till now, if any. */
  equivocate(stage: VoteStage, weight: bigint, voted: BlockRef | undefined): void {
    this.everywhere[stage] += weight;
    if (voted === undefined) return;
    const entry = must(this.entries.get(toHex(voted.hash)), 'what was counted has an entry');
    for (let at: Entry | undefined = entry; at !== undefined; at = at.parent) at.weight[stage] -= weight;
  }

  /** The weight of those who voted twice. */
  equivocated(stage: VoteStage): bigint {
    return this.everywhere[stage];
  }

  weight(stage: VoteStage, block: BlockRef): bigint {
    return (this.entries.get(toHex(block.hash))?.weight[stage] ?? 0n) + this.everywhere[stage];
  }

  /**
   * The highest block with enough weight, from `from` (a former answer) or the base on; undefined when that has not
   * enough itself. Two children can only both have enough where more than the tolerated weight voted twice; then the
   * heavier is taken, and of equals the one with the lower hash.
   */
  ghost(stage: VoteStage, enough: Enough, from?: BlockRef): BlockRef | undefined {
    const has = (entry: Entry) => enough(entry.weight[stage] + this.everywhere[stage]);
    let at = from === undefined ? this.root : must(this.entries.get(toHex(from.hash)), 'a former GHOST has an entry');
    if (!has(at)) return undefined;
    for (;;) {
      let next: Entry | undefined;
      for (const child of at.children) {
        if (has(child) && (next === undefined || heavier(stage, child, next))) next = child;
      }
      if (next === undefined) return refOf(at);
      at = next;
    }
  }

  /** The highest block with enough weight among this one, which has an entry, and its ancestors from the base on. */
  highestUnder(block: BlockRef, stage: VoteStage, enough: Enough): BlockRef | undefined {
    let at: Entry | undefined = must(this.entries.get(toHex(block.hash)), 'a block of the graph');
    while (at !== undefined && !enough(at.weight[stage] + this.everywhere[stage])) at = at.parent;
    return at === undefined ? undefined : refOf(at);
  }

  /** Whether some child of this block has enough weight; one that nobody voted for has that of the equivocators. */
  someChild(block: BlockRef, stage: VoteStage, enough: Enough): boolean {
    const { children } = must(this.entries.get(toHex(block.hash)), 'a block of the graph');
    const everywhere = this.everywhere[stage];
    return enough(everywhere) || children.some((child) => enough(child.weight[stage] + everywhere));
  }

  /** The entry of a block, made with those on its way to the graph. */
  private enter(block: BlockRef): Entry | undefined {
    const known = this.entries.get(toHex(block.hash));
    if (known !== undefined) return known.number === block.number ? known : undefined;
    const path: BlockRef[] = [];
    let above: Entry | undefined;
    let hash = block.hash;
    for (let number = block.number; above === undefined; number--) {
      if (number <= this.root.number) return undefined;
      const at = this.tree.ancestor(hash, number);
      const parent = at && this.tree.ancestor(at.hash, number - 1);
      // The fork tree may have dropped what is below its root; what was voted for before still has its entry here.
      if (at === undefined || parent === undefined || !equal(at.hash, hash)) return undefined;
      path.push(at);
      hash = parent.hash;
      above = this.entries.get(toHex(hash));
    }
    for (const at of path.reverse()) {
      const entry: Entry = entryOf(at, above);
      above.children.push(entry);
      this.entries.set(toHex(at.hash), entry);
      above = entry;
    }
    return above;
  }
}

function entryOf({ hash, number }: BlockRef, parent: Entry | undefined): Entry {
  return { hash, number, parent, children: [], weight: { prevote: 0n, precommit: 0n } };
}

function refOf({ hash, number }: BlockRef): BlockRef {
  return { hash, number };
}

function heavier(stage: VoteStage, a: Entry, b: Entry): boolean {
  if (a.weight[stage] !== b.weight[stage]) return a.weight[stage] > b.weight[stage];
  return toHex(a.hash) < toHex(b.hash);
}
