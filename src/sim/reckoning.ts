/**
 * # Reckoning: how hard a block by work must have been, and how often stake may have added to its author's work.
 *
 * Always true: it asks no machine: the schedule is reckoned from the times in the states of the ancestors, by powers of
 * two in floating point, and the wins from the bonds of block 0, which nobody changes. One entry for each block.
 */
import { must } from '../base/assert.ts';
import { type Bytes, toHex } from '../base/bytes.ts';
import { metaOf } from '../consensus/meta.ts';
import { Header } from '../primitives/header.ts';
import { readSealed } from '../primitives/pow.ts';
import { reader } from '../runtime/access.ts';
import { Timestamp } from '../runtime/pallets/timestamp.ts';
import type { RuntimeSpec } from '../runtime/spec.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateView } from '../state/view.ts';
import { INITIAL_DIFFICULTY, type WorkMember } from './work-chain.ts';
import type { Judgement } from './world.ts';

/** docs/spec/compute-pow.md section 8, in block times. */
const HALF_LIFE = 50;
const REANCHOR_AFTER = 100;
const PAUSE = 32;
const RELIEF_FROM = 6;
const RELIEF_HALF_LIFE = 3;
/** Nothing is easier. */
const LEAST = 2 ** 20;
/** The machines halve by a cubic, within 0.013 % each time; anchors hand that on. */
const TOLERANCE = 1 / 500;
/** docs/spec/stake-boost.md: no boost, the largest addition, and the eras in which boosted wins are counted. */
const ONE_PPM = 1_000_000;
const MOST_ADDED_PPM = 500_000;
const COUNTED_ERAS = 24;

interface Anchor {
  readonly number: number;
  readonly time: number;
  readonly difficulty: number;
}

interface Reckoned {
  readonly time: number;
  readonly difficulty: number;
  /** Undefined for block 0 alone. */
  readonly anchor: Anchor | undefined;
  /** Heights of the wins with a boost on this branch, by author. */
  readonly wins: ReadonlyMap<string, readonly number[]>;
}

const GENESIS: Reckoned = { time: 0, difficulty: 0, anchor: undefined, wins: new Map() };

/** The boost with which a ticket of the account counts on top of a state. */
type BoostOf = (view: StateView, account: Bytes) => number;

interface Setup {
  readonly spec: RuntimeSpec;
  readonly members: readonly WorkMember[];
  /** As the machines are told. */
  readonly boostOf: BoostOf;
}

export class Reckoning {
  private readonly setup: Setup;
  private readonly known = new Map<string, Reckoned>();
  private readonly bonds: ReadonlyMap<string, bigint>;
  private readonly bonded: bigint;

  constructor(setup: Setup, genesis: Bytes) {
    this.setup = setup;
    this.known.set(toHex(genesis), GENESIS);
    this.bonds = new Map(setup.members.map(({ account, bond }) => [toHex(account), bond]));
    this.bonded = setup.members.reduce((sum, { bond }) => sum + bond, 0n);
  }

  /** What is wrong with a block that a node has imported: it stands on blocks that were judged. */
  judge(store: ChainStore, block: BlockRef): Judgement | undefined {
    const { difficulty } = metaOf(store, block.hash);
    const parent = must(store.parent(block.hash), 'a block has a parent');
    const before = must(this.known.get(toHex(parent)), 'the parent of an imported block was imported');
    const known = this.known.get(toHex(block.hash));
    const due = known?.difficulty ?? this.next(store, block, before);
    if (typeof due !== 'number') return due;
    if (Math.abs(Number(difficulty) - due) <= due * TOLERANCE) return undefined;
    return { violation: 'difficulty', detail: `${difficulty} where ${Math.round(due)} is due` };
  }

  /** Reckons a block that was not seen before: its difficulty, or what is wrong with its author's boost. */
  private next(store: ChainStore, block: BlockRef, before: Reckoned): number | Judgement {
    const { number } = block;
    const view = must(store.view(block.hash), 'a new block has its state');
    const time = Number(reader(Timestamp.declared, view).Now.get());
    const { author } = readSealed(Header.dec(must(store.header(block.hash), 'a new block has its header'))).preRuntime;
    const parent = must(store.view(must(store.parent(block.hash), 'a block has a parent')), 'a parent has its state');
    const boost = this.setup.boostOf(parent, author);
    const won = boost > ONE_PPM ? [...(before.wins.get(toHex(author)) ?? []), number] : undefined;
    const wrong = this.wrongBoost(toHex(author), boost, number, won ?? []);
    if (wrong !== undefined) return { violation: 'boost', detail: wrong };
    const wins = won === undefined ? before.wins : new Map(before.wins).set(toHex(author), won);
    const next = { ...this.schedule(before, number, time), time, wins };
    this.known.set(toHex(block.hash), next);
    return next.difficulty;
  }

  private wrongBoost(author: string, boost: number, number: number, wins: readonly number[]): string | undefined {
    const { eraBlocks, rewards } = this.setup.spec;
    const most = ONE_PPM + Math.min(rewards.betaPerbill / 1_000, MOST_ADDED_PPM);
    if (boost < ONE_PPM || boost > most) return `${boost} of ${most} ppm`;
    const bond = this.bonds.get(author) ?? 0n;
    if (bond === 0n && boost > ONE_PPM) return `${boost} ppm without a stake`;
    const eraOf = (height: number) => Math.floor((height - 1) / eraBlocks);
    const counted = wins.filter((height) => eraOf(height) > eraOf(number) - COUNTED_ERAS).length;
    const allowed = (BigInt(COUNTED_ERAS * eraBlocks) * bond) / this.bonded;
    return counted > Number(allowed) ? `${counted} boosted wins where ${allowed} are allowed` : undefined;
  }

  /** What a child with this number and time must have taken, and the anchor of its own children. */
  private schedule(parent: Reckoned, number: number, time: number): { difficulty: number; anchor: Anchor } {
    const { anchor } = parent;
    if (anchor === undefined) {
      const difficulty = Number(INITIAL_DIFFICULTY);
      return { difficulty, anchor: { number, time, difficulty } };
    }
    const { blockTimeMs } = this.setup.spec;
    const late = (parent.time - anchor.time) / blockTimeMs - (number - 1 - anchor.number);
    const gap = (time - parent.time) / blockTimeMs;
    const scheduled = Math.max(LEAST, anchor.difficulty * 2 ** (-late / HALF_LIFE));
    const relief = 2 ** (-Math.max(0, gap - RELIEF_FROM) / RELIEF_HALF_LIFE);
    const difficulty = Math.max(LEAST, scheduled * relief);
    if (gap > PAUSE) {
      return { difficulty, anchor: { number, time, difficulty: Math.max(difficulty, scheduled / 2) } };
    }
    const isFar = Math.abs(late) > REANCHOR_AFTER;
    return { difficulty, anchor: isFar ? { number: number - 1, time: parent.time, difficulty: scheduled } : anchor };
  }
}
