/**
 * # Tree: the unfinalized blocks and what fork choice weighs of them.
 *
 * Always true: every block but the root has its parent in the tree; the root is the last finalized block; a block has
 * at most MAX_CHILDREN children. Each child costs its author the work of a whole block, so filling one parent costs 64
 * blocks; the depth is bounded by finality, which moves the root.
 */
import { must } from '../base/assert.ts';
import { type Bytes, toHex } from '../base/bytes.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import { metaOf } from './meta.ts';

export const MAX_CHILDREN = 64;

export interface TreeBlock extends BlockRef {
  /** Hex of the hash. */
  readonly key: string;
  readonly parent: TreeBlock | undefined;
  readonly totalDifficulty: bigint;
  readonly arrival: bigint;
  /** 32 bytes, little-endian; undefined for genesis. */
  readonly ticket: Bytes | undefined;
  readonly children: number;
}

interface Node extends TreeBlock {
  parent: Node | undefined;
  children: number;
}

export class ForkTree {
  private readonly blocks = new Map<string, Node>();
  private top: Node;

  private constructor(root: Node) {
    this.top = root;
    this.blocks.set(root.key, root);
  }

  /** The tree of a store: what was imported before a restart is found again. */
  static from(store: ChainStore): ForkTree {
    const tree = new ForkTree(nodeOf(store, store.settled, undefined));
    const stack: Bytes[] = [store.settled.hash];
    for (let hash = stack.pop(); hash !== undefined; hash = stack.pop()) {
      for (const child of store.children(hash)) {
        tree.add(store, { hash: child, number: must(store.number(child), 'a child is stored') }, hash);
        stack.push(child);
      }
    }
    return tree;
  }

  get root(): TreeBlock {
    return this.top;
  }

  get size(): number {
    return this.blocks.size;
  }

  get(hash: Bytes): TreeBlock | undefined {
    return this.blocks.get(toHex(hash));
  }

  /** A stored block on top of one in the tree. */
  add(store: ChainStore, block: BlockRef, parent: Bytes): TreeBlock {
    const above = must(this.blocks.get(toHex(parent)), 'a parent in the tree');
    const node = nodeOf(store, block, above);
    above.children++;
    this.blocks.set(node.key, node);
    return node;
  }

  /** Blocks without children, in order of arrival. */
  leaves(): TreeBlock[] {
    return [...this.blocks.values()]
      .filter((node) => node.children === 0)
      .sort((a, b) => (a.arrival === b.arrival ? (a.key < b.key ? -1 : 1) : a.arrival < b.arrival ? -1 : 1));
  }

  /** The ancestor of a block at this height, the block itself included; undefined below the root. */
  ancestor(block: TreeBlock, number: number): TreeBlock | undefined {
    let at: TreeBlock | undefined = block;
    while (at !== undefined && at.number > number) at = at.parent;
    return at?.number === number ? at : undefined;
  }

  /** Makes a block the root and forgets everything that does not descend from it. */
  finalize(hash: Bytes): void {
    const root = must(this.blocks.get(toHex(hash)), 'a finalized block is in the tree');
    for (const node of [...this.blocks.values()]) {
      if (this.ancestor(node, root.number) !== root) this.blocks.delete(node.key);
    }
    root.parent = undefined;
    this.top = root;
  }
}

function nodeOf(store: ChainStore, block: BlockRef, parent: Node | undefined): Node {
  const { totalDifficulty, arrival, ticket } = metaOf(store, block.hash);
  const { hash, number } = block;
  return { hash, number, key: toHex(hash), parent, totalDifficulty, arrival, ticket, children: 0 };
}
