/** # Named blocks with real headers: a chain as a voter sees it. */
import { must } from '../../../src/base/assert.ts';
import { type Bytes, toHex, utf8 } from '../../../src/base/bytes.ts';
import { standsOn } from '../../../src/consensus/finality/vote-graph.ts';
import type { VoterChain } from '../../../src/consensus/finality/voter.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import type { DigestItem } from '../../../src/primitives/digest.ts';
import { type Header, headerHash } from '../../../src/primitives/header.ts';
import type { BlockRef } from '../../../src/state/store.ts';

interface Block extends BlockRef {
  readonly name: string;
  readonly header: Header;
}

export class Headers implements VoterChain {
  private readonly names = new Map<string, Block>();
  private readonly blocks = new Map<string, Block>();

  constructor(root = '0') {
    this.put(root, new Uint8Array(32), 10);
  }

  grow(on: string, ...names: string[]): this {
    let parent = this.block(on);
    for (const name of names) parent = this.put(name, parent.hash, parent.number + 1);
    return this;
  }

  /** A block with this digest. */
  growWith(digest: readonly DigestItem[], on: string, name: string): this {
    const { hash, number } = this.block(on);
    this.put(name, hash, number + 1, digest);
    return this;
  }

  has(name: string): boolean {
    return this.names.has(name);
  }

  block(name: string): Block {
    return must(this.names.get(name), name);
  }

  ref(name: string): BlockRef {
    const { hash, number } = this.block(name);
    return { hash, number };
  }

  name(block: BlockRef | undefined): string | undefined {
    return block === undefined ? undefined : this.blocks.get(toHex(block.hash))?.name;
  }

  header = (hash: Bytes): Header | undefined => this.blocks.get(toHex(hash))?.header;

  ancestor(of: Bytes, number: number): BlockRef | undefined {
    let at = this.blocks.get(toHex(of));
    while (at !== undefined && at.number > number) at = this.blocks.get(toHex(at.header.parentHash));
    return at?.number === number ? { hash: at.hash, number } : undefined;
  }

  /** The highest; of equals the one that came first. */
  bestOn(block: BlockRef): BlockRef | undefined {
    let best: Block | undefined;
    for (const one of this.blocks.values()) {
      if (one.number > (best?.number ?? -1) && standsOn(this, one, block)) best = one;
    }
    return best && { hash: best.hash, number: best.number };
  }

  all(): readonly BlockRef[] {
    return [...this.blocks.values()];
  }

  private put(name: string, parentHash: Bytes, number: number, digest: readonly DigestItem[] = []): Block {
    const root = blake2_256(utf8(name));
    const header: Header = { parentHash, number, stateRoot: root, extrinsicsRoot: root, digest };
    const block = { name, hash: headerHash(header), number, header };
    this.names.set(name, block);
    this.blocks.set(toHex(block.hash), block);
    return block;
  }
}
