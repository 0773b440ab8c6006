/**
 * # Tail: the tree of blocks above the settled one, in memory.
 *
 * Always true: every block hangs below the settled block; the canonical line runs from it to the best block without a
 * gap. At most MAX_UNSETTLED blocks: whoever adds looks first whether there is room.
 */
import { assert, must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { StoreError } from '../errors.ts';
import { type BlockRef, MAX_UNSETTLED } from '../store.ts';

/** A block of the tail, or the settled block at its foot. */
export interface TailBlock extends BlockRef {
  /** `hash` in key form. */
  readonly name: string;
  readonly stateRoot: Bytes;
  readonly arrival: number;
  /** Undefined for the settled block. */
  readonly parent: TailBlock | undefined;
  readonly children: TailBlock[];
}

export interface Steps {
  /** Newest first. */
  readonly retracted: readonly TailBlock[];
  /** Oldest first. */
  readonly enacted: readonly TailBlock[];
}

export class Tail {
  private foot: TailBlock;
  private head: TailBlock;
  private readonly byName = new Map<string, TailBlock>();
  /** Canonical blocks above the foot, by height. */
  private readonly line = new Map<number, TailBlock>();

  constructor(foot: Omit<TailBlock, 'parent' | 'children'>) {
    this.foot = { ...foot, parent: undefined, children: [] };
    this.head = this.foot;
    this.byName.set(foot.name, this.foot);
  }

  get settled(): TailBlock {
    return this.foot;
  }

  get best(): TailBlock {
    return this.head;
  }

  /** Blocks above the settled one. */
  get size(): number {
    return this.byName.size - 1;
  }

  get(name: string): TailBlock | undefined {
    return this.byName.get(name);
  }

  /** The canonical block at a height above the settled one. */
  canonical(number: number): TailBlock | undefined {
    return this.line.get(number);
  }

  add(parent: TailBlock, block: Omit<TailBlock, 'parent' | 'children' | 'number'>): TailBlock {
    if (this.size >= MAX_UNSETTLED) throw new StoreError('TooManyBlocks', `${this.size} blocks above the settled one`);
    const added: TailBlock = { ...block, number: parent.number + 1, parent, children: [] };
    parent.children.push(added);
    this.byName.set(added.name, added);
    return added;
  }

  /** All blocks above the settled one, in no order. */
  blocks(): TailBlock[] {
    return [...this.byName.values()].filter((block) => block !== this.foot);
  }

  /** Blocks without children, in order of arrival. */
  leaves(): TailBlock[] {
    const leaves = [...this.byName.values()].filter((block) => block.children.length === 0);
    return leaves.sort((a, b) => a.arrival - b.arrival);
  }

  /** Moves the canonical line so that it ends at a block of the tail. */
  setBest(to: TailBlock): Steps {
    const enacted: TailBlock[] = [];
    let meeting = to;
    while (meeting !== this.foot && this.line.get(meeting.number) !== meeting) {
      enacted.push(meeting);
      meeting = must(meeting.parent, 'a block above the settled one has a parent');
    }
    const retracted: TailBlock[] = [];
    for (let old = this.head; old !== meeting; old = must(old.parent, 'the line reaches the settled block')) {
      retracted.push(old);
      this.line.delete(old.number);
    }
    enacted.reverse();
    for (const block of enacted) this.line.set(block.number, block);
    this.head = to;
    return { retracted, enacted };
  }

  /** Makes a canonical block the foot; returns its way from the old one, oldest first, and all that no longer hangs. */
  settle(to: TailBlock): { settled: TailBlock[]; dropped: TailBlock[] } {
    assert(to === this.foot || this.line.get(to.number) === to, 'only canonical blocks settle');
    const settled: TailBlock[] = [];
    for (let block = to; block !== this.foot; block = must(block.parent, 'settled above')) settled.push(block);
    settled.reverse();
    const dropped: TailBlock[] = [];
    let before = this.foot;
    for (const block of settled) {
      for (const child of before.children) if (child !== block) collect(child, dropped);
      this.byName.delete(before.name);
      this.line.delete(block.number);
      before = block;
    }
    for (const block of dropped) this.byName.delete(block.name);
    if (to !== this.foot) {
      const foot: TailBlock = { ...to, parent: undefined };
      for (const child of foot.children) (child as { parent: TailBlock }).parent = foot;
      if (this.head === to) this.head = foot;
      this.foot = foot;
      this.byName.set(foot.name, foot);
    }
    dropped.sort((a, b) => a.number - b.number || a.arrival - b.arrival);
    return { settled, dropped };
  }

  /** Takes a leaf away that is not canonical. */
  remove(leaf: TailBlock): void {
    assert(leaf.children.length === 0 && this.line.get(leaf.number) !== leaf, 'only a leaf beside the line is removed');
    const siblings = must(leaf.parent, 'the settled block stays').children;
    siblings.splice(siblings.indexOf(leaf), 1);
    this.byName.delete(leaf.name);
  }
}

function collect(block: TailBlock, into: TailBlock[]): void {
  const stack = [block];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    into.push(next);
    stack.push(...next.children);
  }
}
