/** # Trees of named blocks and voters with plain signatures, for the tests of rounds. */
import { must } from '../../../src/base/assert.ts';
import { type Bytes, concat, equal, toHex, utf8 } from '../../../src/base/bytes.ts';
import { Round, type RoundSetup, type SignedVote } from '../../../src/consensus/finality/round.ts';
import type { Ancestry } from '../../../src/consensus/finality/vote-graph.ts';
import { VoterSet } from '../../../src/consensus/finality/voter-set.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { type GrandpaStage, voteMessage } from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';

interface Block extends BlockRef {
  readonly name: string;
  readonly parent: Block | undefined;
}

export class Tree implements Ancestry {
  readonly names = new Map<string, Block>();
  private readonly blocks = new Map<string, Block>();

  constructor(root = 'genesis', number = 1) {
    this.put(root, number, undefined);
  }

  /** A chain of blocks on one that stands. */
  grow(on: string, ...names: string[]): this {
    let parent = this.block(on);
    for (const name of names) parent = this.put(name, parent.number + 1, parent);
    return this;
  }

  block(name: string): Block {
    return must(this.names.get(name), `a block ${name}`);
  }

  name(block: BlockRef | undefined): string | undefined {
    return block === undefined ? undefined : this.blocks.get(toHex(block.hash))?.name;
  }

  ancestor(of: Bytes, number: number): BlockRef | undefined {
    let at = this.blocks.get(toHex(of));
    while (at !== undefined && at.number > number) at = at.parent;
    return at?.number === number ? at : undefined;
  }

  /** Whether `name` is `above` or stands on it. */
  under(name: string, above: string): boolean {
    let at: Block | undefined = this.block(name);
    while (at !== undefined && at.name !== above) at = at.parent;
    return at !== undefined;
  }

  onOneBranch(a: string, b: string): boolean {
    return this.under(a, b) || this.under(b, a);
  }

  private put(name: string, number: number, parent: Block | undefined): Block {
    const block = { name, number, parent, hash: blake2_256(utf8(name)) };
    this.names.set(name, block);
    this.blocks.set(toHex(block.hash), block);
    return block;
  }
}

/** The key of a name: in the order of the names. */
export function keyOf(name: string): Bytes {
  const key = new Uint8Array(32);
  key.set(utf8(name));
  return key;
}

export function votersOf(weights: Readonly<Record<string, number>>): VoterSet {
  const list = Object.entries(weights).map(([name, weight]) => [keyOf(name), BigInt(weight)] as const);
  return must(VoterSet.of(list.map(([id, weight]) => [id, weight])), 'weights');
}

/** 64 bytes that only who says the key can make: enough where nobody cheats on signatures. */
export function plainSignature(id: Bytes, message: Bytes): Bytes {
  const half = blake2_256(concat(id, message));
  return concat(half, half);
}

export const plainVerify = (signature: Bytes, message: Bytes, id: Bytes): boolean =>
  equal(signature, plainSignature(id, message));

export interface Ballot {
  readonly voter: string;
  readonly block: string;
  readonly stage?: GrandpaStage;
  readonly round?: bigint;
  readonly setId?: bigint;
}

export function voteFor(tree: Tree, { voter, block, stage = 'prevote', round = 1n, setId = 0n }: Ballot): SignedVote {
  const { hash, number } = tree.block(block);
  const target = { hash, number };
  const id = keyOf(voter);
  return { stage, target, round, setId, id, signature: plainSignature(id, voteMessage(stage, target, round, setId)) };
}

export function roundOn(tree: Tree, base: string, voters: VoterSet, over: Partial<RoundSetup> = {}): Round {
  const { hash, number } = tree.block(base);
  return new Round({ round: 1n, setId: 0n, voters, base: { hash, number }, tree, verify: plainVerify, ...over });
}
