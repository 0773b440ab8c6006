/**
 * # World: a small compute-pow chain in memory: the real runtime, the real store, real tickets of 16 x 16 x 256
 * products, and a pallet that knows three miners.
 */

import assert from 'node:assert/strict';
import { type Bytes, concat, equal, toHex, utf8 } from '../../src/base/bytes.ts';
import { operandRoot, panelOf } from '../../src/compute/pouw/commitment.ts';
import { kappaOf, seedsOf } from '../../src/compute/pouw/noise.ts';
import { buildOpening, encodeOpening } from '../../src/compute/pouw/opening.ts';
import { checkShape, type Shape } from '../../src/compute/pouw/profile.ts';
import { evaluateTicket, wins } from '../../src/compute/pouw/ticket.ts';
import type { Submission, Template } from '../../src/consensus/author.ts';
import { Chain, type ChainEffect } from '../../src/consensus/chain.ts';
import { childDifficulty } from '../../src/consensus/difficulty.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import type { Finality } from '../../src/consensus/finality/finality.ts';
import type { Origin, ReceivedBlock } from '../../src/consensus/import.ts';
import { parentBlock } from '../../src/consensus/meta.ts';
import type { ConsensusRules, SealRules } from '../../src/consensus/rules.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { bareExtrinsic } from '../../src/primitives/extrinsic.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import {
  openingHash,
  type PowPreRuntime,
  preHash,
  sealMessage,
  withPreRuntime,
  withSeal,
} from '../../src/primitives/pow.ts';
import { readStorage } from '../../src/runtime/access.ts';
import { genesisOf } from '../../src/runtime/genesis.ts';
import { SIGNATURES } from '../../src/runtime/host.ts';
import { rules as behaviour } from '../../src/runtime/pallet.ts';
import { Authorities, grandpa, RECORD_ONLY, scheduleChange } from '../../src/runtime/pallets/grandpa.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { rw } from '../../src/runtime/weights.ts';
import { keepNote, LotteryDeclared, recordWin } from '../../src/sim/lottery.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import type { ChainStore } from '../../src/state/store.ts';
import { StateTree } from '../../src/state/tree.ts';

export const T = 3_000;
export const START = 1_700_000_000_000;
/** The first block always wins; from the second on 2^20 is the least there is: one ticket in 16. */
const INITIAL = 65_536n;
const STEPS = 1_000_000;

const Lottery = behaviour(LotteryDeclared, {
  calls: {
    note: keepNote,
    elect: {
      index: 1,
      doc: 'Names who votes on finality after this block; once in a block.',
      args: { voters: Authorities },
      weight: rw(4, 4),
      origin: 'bare',
      paysFee: false,
      validate: () => ({ priority: 1n, provides: [utf8('elect')], longevity: 64 }),
      run(at, { voters }) {
        scheduleChange(at, { session: at.block.number, changed: true, authorities: voters });
      },
    },
  },
  hooks: { on_initialize: recordWin },
});

const REFEREE = {
  transcript: () => new Uint8Array(32),
  opensState: () => false,
  opensOperands: () => false,
  registration: () => false,
};

export const runtime = createRuntime({
  pallets: [...CORE_PALLETS, grandpa(RECORD_ONLY), Lottery],
  spec: { ...DEFAULT_SPEC, blockTimeMs: T, initialDifficulty: INITIAL, profile: 0 },
  host: { ...SIGNATURES, referee: REFEREE },
});

/** Keys of the four who vote on finality from genesis on, where a test has a gadget for it. */
export const VOTERS = ['alice', 'bob', 'carol', 'dave'].map((name) =>
  keypairFromSeed('ed25519', blake2_256(utf8(`${name}//grandpa`))),
) as [Keypair, Keypair, Keypair, Keypair];

/** A list of voters, each of weight 1. */
function authoritiesOf(keys: readonly Keypair[]): Authorities {
  return keys.map(({ publicKey }): [Bytes, bigint] => [publicKey, 1n]);
}

/** Names who votes after the block that holds it, as an extrinsic. */
export function elect(keys: readonly Keypair[]): Bytes {
  const call = { type: 'Lottery', value: { type: 'elect', value: { voters: authoritiesOf(keys) } } };
  return bareExtrinsic(runtime.Call.enc(call)).bytes;
}

/** A note as an extrinsic. */
export function note(id: number, text = 'hello'): Bytes {
  const call = { type: 'Lottery', value: { type: 'note', value: { id, text: utf8(text) } } };
  return bareExtrinsic(runtime.Call.enc(call)).bytes;
}

export function noteIn(view: StateTree, id: number): string | undefined {
  const text = readStorage(view, Lottery.storage.Notes, id);
  return text === undefined ? undefined : new TextDecoder().decode(text);
}

export class Miner {
  readonly account: Bytes;
  readonly fragment: Bytes;
  readonly key: Keypair;
  /** The step it is at. */
  step = 0;
  private seed: number;

  constructor(name: string) {
    this.account = blake2_256(utf8(name));
    this.fragment = blake2_256(concat(utf8('fragment of '), utf8(name)));
    this.key = keypairFromSeed('ed25519', blake2_256(utf8(`${name}//compute`)));
    this.seed = this.account[0] as number;
  }

  /** One step's operands: what a training step would leave. */
  operands(shape: Shape) {
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    let x = this.seed;
    const draw = (length: number): Int8Array =>
      Int8Array.from({ length }, () => {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        return ((x >>> 9) & 127) - 64;
      });
    const { m, n, k } = shape;
    return { a: { data: draw(m * k), lines: m, k }, b: { data: draw(n * k), lines: n, k } };
  }
}

export const MINERS = ['alice', 'bob', 'carol'].map((name) => new Miner(name)) as [Miner, Miner, Miner];

/** Nodes 0 and 1 may be mined; node 2 runs without tickets. */
const NODES = [
  { m: 16, n: 16, k: 256, fits: true },
  { m: 16, n: 32, k: 256, fits: true },
  { m: 16, n: 48, k: 256, fits: false },
];

const seals: SealRules = {
  author(_view, account) {
    const miner = MINERS.find((one) => equal(one.account, account));
    return miner === undefined ? undefined : { computeKey: miner.key.publicKey, boostPpm: 1_000_000 };
  },
  fragment(view, id, account) {
    const miner = MINERS.find((one) => equal(one.account, account) && equal(one.fragment, id));
    if (miner === undefined) return undefined;
    const lastWin = readStorage(view, Lottery.storage.Wins, id);
    return { job: new Uint8Array(32), steps: STEPS, profile: 0, minedNodes: NODES, lastWin };
  },
};

export const consensusRules: ConsensusRules = {
  difficulty: { initial: INITIAL, blockTimeMs: T },
  seals,
  runtime,
};

/** The same rules, but block 1 and its children are this hard. */
export function rulesFrom(initial: bigint): ConsensusRules {
  return { ...consensusRules, difficulty: { initial, blockTimeMs: T } };
}

export interface MineOptions {
  readonly node?: number;
  /** Mines this step only, and takes the ticket whether it wins or not. */
  readonly step?: number;
  readonly any?: boolean;
  /** Whose compute key signs. */
  readonly signer?: Keypair;
  readonly author?: Bytes;
  readonly fragment?: Bytes;
}

/** Trains, as it were, until a ticket wins: each step is a new product. */
function mine(
  miner: Miner,
  header: Header,
  difficulty: bigint,
  options: MineOptions = {},
): Omit<Submission, 'templateId'> {
  const node = options.node ?? 0;
  const size = NODES[node] as (typeof NODES)[number];
  const checked = checkShape(0, size);
  assert.ok(checked.ok);
  const { shape } = checked;
  for (;;) {
    const step = options.step ?? ++miner.step;
    const { a, b } = miner.operands(shape);
    const [rootA, rootB] = [operandRoot(a, 256), operandRoot(b, 256)];
    const preRuntime: PowPreRuntime = {
      author: options.author ?? miner.account,
      fragment: options.fragment ?? miner.fragment,
      step,
      node,
      profile: 0,
      m: size.m,
      n: size.n,
      k: size.k,
    };
    const pre = preHash(withPreRuntime(header, preRuntime));
    const seeds = seedsOf(kappaOf({ ...preRuntime, preHash: pre }, shape), rootA, rootB);
    const place = { ti: 0, tj: 0, s: 0 };
    const panels = { panelA: panelOf(a, 0, 0, 256), panelB: panelOf(b, 0, 0, 256) };
    const ticket = evaluateTicket({ profile: shape.profile, seeds, place, ...panels });
    if (wins(ticket, { difficulty, slab: 256, boostPpm: 1_000_000n }) === (options.any === true)) continue;
    const opening = encodeOpening(buildOpening(a, b, shape, place));
    const named = openingHash(opening);
    const signature = (options.signer ?? miner.key).sign(sealMessage(named, pre));
    return { preRuntime, seal: { ...place, rootA, rootB, openingHash: named, signature }, opening };
  }
}

/** What a miner hands in for a template. */
export function submissionFor(template: Template, miner: Miner, options: MineOptions = {}): Submission {
  return { templateId: template.id, ...mine(miner, template.header, template.difficulty, options) };
}

export interface BlockOptions extends MineOptions {
  readonly miner?: Miner;
  readonly timestamp?: number;
  readonly extrinsics?: readonly Bytes[];
  readonly origin?: Origin;
  /** Changes the header before it is mined. */
  readonly header?: (header: Header) => Header;
  /** Changes the body after the header was made. */
  readonly body?: (extrinsics: readonly Bytes[]) => readonly Bytes[];
  /** Mines for this difficulty instead of the right one. */
  readonly difficulty?: bigint;
  readonly rules?: ConsensusRules;
}

export interface MadeBlock extends ReceivedBlock {
  readonly hash: Bytes;
  readonly decoded: Header;
}

export const PEER: Origin = { type: 'peer', peer: 'peer' };

/** A block on top of a stored one, as any miner could make it. */
export function makeBlock(store: ChainStore, parentHash: Bytes, options: BlockOptions = {}): MadeBlock {
  const parent = parentBlock(store, parentHash);
  const timestamp = options.timestamp ?? Math.max(parent.timestamp, START) + T;
  const view = store.view(parentHash);
  assert.ok(view !== undefined);
  const builder = runtime.builder(view, parent.info, BigInt(timestamp));
  for (const extrinsic of options.extrinsics ?? []) assert.ok(builder.apply(extrinsic).applied);
  const built = builder.finish();
  const template = options.header?.(built.header) ?? built.header;
  const { difficulty } = childDifficulty((options.rules ?? consensusRules).difficulty, parent, timestamp);
  const miner = options.miner ?? MINERS[0];
  const { preRuntime, seal, opening } = mine(miner, template, options.difficulty ?? difficulty, options);
  const decoded = withSeal(withPreRuntime(template, preRuntime), seal);
  return {
    header: Header.enc(decoded),
    opening,
    extrinsics: options.body?.(built.extrinsics) ?? built.extrinsics,
    origin: options.origin ?? PEER,
    hash: headerHash(decoded),
    decoded,
  };
}

const genesisTree = StateTree.from(
  runtime.genesis({
    balances: { balances: [] },
    grandpa: { authorities: authoritiesOf(VOTERS).map(([key, weight]) => [toHex(key), weight]) },
  }),
);
/** What a store of this chain begins with. */
export const genesis = genesisOf(genesisTree);
export const GENESIS = genesis.hash;

/** A fresh store of this chain. */
export function newStore(): MemoryStore {
  return MemoryStore.create(genesis, 'archive');
}

export interface NodeOptions {
  readonly store?: MemoryStore;
  readonly finality?: Finality;
  readonly rules?: ConsensusRules;
}

/** A store with the machine on top of it, and everything that the machine ever said. */
export class Node {
  readonly store: MemoryStore;
  chain: Chain;
  now = START;
  readonly said: ChainEffect[] = [];

  constructor(options: NodeOptions = {}) {
    this.store = options.store ?? newStore();
    this.chain = new Chain({
      rules: options.rules ?? consensusRules,
      store: this.store,
      finality: options.finality ?? new DepthFinality(1_000),
    });
  }

  /** Hands over a block at its own time or later and lets the machine work until it rests. */
  give(block: ReceivedBlock): ChainEffect[] {
    const out = [...this.chain.step(this.now, { type: 'block', block })];
    while (this.chain.wakeAt() === 0) out.push(...this.chain.step(this.now, { type: 'tick' }));
    this.said.push(...out);
    return out;
  }

  tick(now: number): ChainEffect[] {
    this.now = now;
    const out = [...this.chain.step(now, { type: 'tick' })];
    while (this.chain.wakeAt() === 0) out.push(...this.chain.step(now, { type: 'tick' }));
    this.said.push(...out);
    return out;
  }

  /** A chain of blocks on top of a block, imported; times go with them. */
  grow(count: number, from: Bytes = this.store.best.hash, options: BlockOptions = {}): MadeBlock[] {
    const out: MadeBlock[] = [];
    let parent = from;
    for (let i = 0; i < count; i++) {
      const block = makeBlock(this.store, parent, options);
      this.now = Math.max(this.now, START + block.decoded.number * 2 * T);
      const effects = this.give(block);
      assert.equal(refusalOf(effects), undefined);
      out.push(block);
      parent = block.hash;
    }
    return out;
  }
}

/** The code of the first refusal. */
export function refusalOf(effects: readonly ChainEffect[]): string | undefined {
  for (const effect of effects) if (effect.type === 'refused') return effect.error.code;
  return undefined;
}

/** The first effect of a type. */
export function effectOf<K extends ChainEffect['type']>(
  effects: readonly ChainEffect[],
  type: K,
): Extract<ChainEffect, { type: K }> | undefined {
  return effects.find((effect): effect is Extract<ChainEffect, { type: K }> => effect.type === type);
}
