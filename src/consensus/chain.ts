/**
 * # Chain: the machine that decides which blocks are the chain.
 *
 * Always true: the best block is the one that choice.ts prefers among all imported descendants of the last finalized
 * one; every block given to it is answered exactly once, by `imported` or `refused`; it works on at most one block, and
 * a step does PIECES of that, so that whoever drives it can do other things between two steps. This is the one place
 * that executes blocks and writes them. All that it holds beside the store is bounded: the queue (MAX_QUEUE), the
 * waiting room, the block in work, the list of bad hashes.
 */
import { must } from '../base/assert.ts';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { max } from '../base/fixed.ts';
import { advance, type Work } from '../base/work.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Header } from '../primitives/header.ts';
import type { SlotEquivocation } from '../primitives/slots.ts';
import { slotAt } from '../runtime/slots.ts';
import { Lru } from '../state/chain/lru.ts';
import { type BlockRef, type ChainStore, MAX_UNSETTLED } from '../state/store.ts';
import { type Blame, type BlockError, blameOf } from './block-error.ts';
import { bestOf, isBetter } from './choice.ts';
import type { Millis } from './difficulty.ts';
import { Witness } from './equivocation.ts';
import type { Finality, FinalityEffect, FinalityInput, FinalityView } from './finality/finality.ts';
import {
  checkHeader,
  checkingBlock,
  checkOrphan,
  type DecodedBlock,
  decodeBlock,
  executingBlock,
  heldUntil,
  type Origin,
  type ProvenHeader,
  type ReceivedBlock,
  storeBlock,
  turnOf,
} from './import.ts';
import { metaOf, parentBlock } from './meta.ts';
import type { ConsensusRules } from './rules.ts';
import { ForkTree, MAX_CHILDREN, type TreeBlock } from './tree.ts';
import { WaitingRoom } from './waiting.ts';

/** Blocks given and not yet looked at: what sync hands over at once, four times. */
const MAX_QUEUE = 256;
const MAX_BAD = 1_024;
const MAX_PROVEN = 16;
/**
 * A step does as much: an extrinsic of a block is a piece, so that an empty block takes a few steps, a full one a
 * thousand. One extrinsic is never cut: its weight bounds how long it takes.
 */
const PIECES = 2;
/**
 * An import is synced where nothing was for so long: blocks that come alone each are, of those that come together one
 * now and then. While finality stands nothing else is synced, and a vote for a block that all who had it lost counts no
 * more.
 */
const SYNC_EVERY_MS = 5_000;

export interface ChainParts {
  readonly rules: ConsensusRules;
  readonly store: ChainStore;
  readonly finality: Finality;
}

/** A block of a route with its body, for the pool and for subscriptions. */
export interface RouteBlock extends BlockRef {
  readonly extrinsics: readonly Bytes[];
}

export type ChainInput =
  | { readonly type: 'block'; readonly block: ReceivedBlock }
  /** A message of the finality gadget. */
  | { readonly type: 'finality'; readonly peer: string; readonly message: Bytes }
  | { readonly type: 'tick' };

export type ChainEffect =
  /** The store has something to write; `sync` when it must survive a power cut before anything relies on it. */
  | { readonly type: 'flush'; readonly sync: boolean }
  /** `isNew` is false for a block that was here before. */
  | { readonly type: 'imported'; readonly hash: Bytes; readonly number: number; readonly isNew: boolean }
  | {
      readonly type: 'refused';
      readonly hash: Bytes;
      readonly error: BlockError;
      readonly blame: Blame;
      readonly origin: Origin;
    }
  /** Two headers of one slot by one author: for whoever is to be told (pallet Slots). */
  | { readonly type: 'sealedTwice'; readonly proof: SlotEquivocation }
  /** A block of this node's own miners is imported: tell the network. */
  | { readonly type: 'announce'; readonly block: ReceivedBlock }
  | {
      readonly type: 'head';
      readonly best: BlockRef;
      readonly retracted: readonly RouteBlock[];
      readonly enacted: readonly RouteBlock[];
    }
  /** `justification` proves the last of the blocks, where the gadget gives proofs. */
  | {
      readonly type: 'finalized';
      readonly blocks: readonly BlockRef[];
      readonly dropped: readonly BlockRef[];
      readonly justification?: Bytes;
    }
  /** A peer's block misses its parent. */
  | { readonly type: 'wanted'; readonly parent: Bytes; readonly peer: string }
  | { readonly type: 'held'; readonly hash: Bytes; readonly until: Millis }
  /** The gadget's own: see FinalityEffect. */
  | Exclude<FinalityEffect, { type: 'finalize' | 'put' }>;

/** What a header with its opening is worth before its body is known; sync asks it (sync.ts, Vetting). */
export type Vetting = 'fits' | 'orphan' | 'stale' | 'refused';

export class Chain {
  private readonly rules: ConsensusRules;
  private readonly store: ChainStore;
  private readonly finality: Finality;
  private readonly tree: ForkTree;
  private readonly waiting = new WaitingRoom();
  private readonly witness = new Witness();
  private readonly queue: DecodedBlock[] = [];
  private readonly queued = new Set<string>();
  /** Hashes of blocks that can never be valid, the oldest forgotten first. */
  private readonly bad = new Set<string>();
  /** Seals that were checked when their headers were announced: their bodies follow within a moment. */
  private readonly proven = new Lru<{ readonly opening: Bytes; readonly header: ProvenHeader }>(MAX_PROVEN);
  private head: TreeBlock;
  private arrivals: bigint;
  /** The block in work; its hash stays in `queued`. */
  private current: { readonly block: DecodedBlock; readonly work: Work<void> } | undefined;
  /** Of a clock that only runs forward, for what waits; and what the clock on the wall says, for what blocks say. */
  private now: Millis = 0;
  private wall: Millis = 0;
  private syncedAt: Millis = Number.NEGATIVE_INFINITY;
  private out: ChainEffect[] = [];
  private readonly view: FinalityView;

  constructor(parts: ChainParts) {
    this.rules = parts.rules;
    this.store = parts.store;
    this.finality = parts.finality;
    this.tree = ForkTree.from(parts.store);
    const leaves = this.tree.leaves();
    this.head = bestOf(leaves);
    this.arrivals = leaves.reduce((last, leaf) => max(last, leaf.arrival), 0n);
    // A stop between a block's import and its becoming the head leaves the store one step behind.
    if (!equal(this.head.hash, parts.store.best.hash)) parts.store.setBest(this.head.hash);
    this.view = this.finalityView();
  }

  best(): { readonly number: number; readonly hash: Bytes; readonly totalDifficulty: bigint } {
    return this.head;
  }

  finalized(): BlockRef {
    return this.store.settled;
  }

  hashAt(number: number): Bytes | undefined {
    return this.store.canonical(number);
  }

  knows(hash: Bytes): boolean {
    return this.store.number(hash) !== undefined;
  }

  /** Blocks that wait for their turn, their parent or their time, or are in work. */
  get waitingCount(): number {
    return this.queue.length + this.waiting.size + (this.current === undefined ? 0 : 1);
  }

  /** When a step is due even if nothing comes in; 0 is at once. */
  wakeAt(): Millis | undefined {
    if (this.queue.length > 0 || this.current !== undefined) return 0;
    const times = [this.waiting.nextDue, this.finality.wakeAt()].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Judges a header before its body is asked for or passed on; `wall` is what the clock on the wall says. */
  vet(wall: Millis, header: Bytes, opening: Bytes): Vetting {
    const block = decodeBlock(this.rules, { header, opening, extrinsics: [], origin: { type: 'own' } });
    if (!block.ok) return 'refused';
    const { hash, decoded } = block.value;
    if (this.bad.has(toHex(hash)) || this.bad.has(toHex(decoded.parentHash))) return 'refused';
    const checked = checkHeader(this.rules, this.store, wall, block.value);
    // Two headers of a slot prove what is to be proven; a third and all after it would cost their author nothing.
    if (checked.ok) this.proven.set(toHex(hash), { opening, header: checked.value });
    if (checked.ok) return this.witness.isThird(block.value) ? 'stale' : 'fits';
    switch (checked.error.code) {
      case 'UnknownParent':
        return 'orphan';
      case 'AlreadyKnown':
      case 'BelowFinalized':
      case 'TooLittleWork':
      case 'TimestampTooFar':
        return 'stale';
      default:
        if (blameOf(checked.error.code) === 'block') this.remember(hash);
        return 'refused';
    }
  }

  /** `wall`: where it is another clock, people may set it, back as well; nothing that waits hangs on it. */
  step(now: Millis, input: ChainInput, wall = now): readonly ChainEffect[] {
    this.out = [];
    this.now = now;
    this.wall = wall;
    this.arrivals++;
    if (input.type === 'block') this.receive(input.block);
    if (input.type === 'finality') this.finalityStep(now, { ...input, type: 'message' });
    if (input.type === 'tick') this.finalityStep(now, { type: 'tick' });
    const { held, orphans } = this.waiting.due(now);
    for (const orphan of orphans) this.refuse(orphan, { code: 'UnknownParent', data: undefined });
    for (const block of held) this.enqueue(block, true);
    this.goOn();
    return this.out;
  }

  /** Does some pieces of the block in work, or of the next one. */
  private goOn(): void {
    const next = this.current === undefined ? this.queue.shift() : undefined;
    if (next !== undefined) this.current = { block: next, work: this.importing(next) };
    if (this.current === undefined || !advance(this.current.work, PIECES).done) return;
    this.queued.delete(toHex(this.current.block.hash));
    this.current = undefined;
  }

  private receive(received: ReceivedBlock): void {
    const decoded = decodeBlock(this.rules, received);
    if (!decoded.ok) {
      const { header, origin } = received;
      this.out.push(refusal(blake2_256(header), decoded.error, origin));
      return;
    }
    const block = decoded.value;
    // The copy that is here already will be answered; one answer is enough for both.
    if (this.queued.has(toHex(block.hash)) || this.waiting.has(block.hash)) return;
    if (this.queue.length >= MAX_QUEUE && block.origin.type === 'peer') {
      this.refuse(block, { code: 'TooManyWaiting', data: undefined });
      return;
    }
    // Miners of this node wait for the answer; peers' blocks wait anyway.
    this.enqueue(block, block.origin.type === 'own');
  }

  private enqueue(block: DecodedBlock, first: boolean): void {
    this.queued.add(toHex(block.hash));
    if (first) this.queue.unshift(block);
    else this.queue.push(block);
  }

  /** Between two pieces other inputs are looked at, and finality may take the parent away. */
  private *importing(block: DecodedBlock): Work<void> {
    const { hash, decoded } = block;
    if (this.bad.has(toHex(hash)) || this.bad.has(toHex(decoded.parentHash))) {
      this.refuse(block, { code: 'KnownBad', data: undefined });
      return;
    }
    const known = this.proven.get(toHex(hash));
    const proven = known !== undefined && equal(known.opening, block.opening) ? known.header : undefined;
    const checked = yield* checkingBlock(this.rules, this.store, this.wall, block, proven);
    this.proven.delete(toHex(hash));
    if (!checked.ok) {
      this.notChecked(this.now, block, checked.error);
      return;
    }
    const until = heldUntil(this.rules, checked.value);
    if (until > this.wall) {
      const gone = this.waiting.addHeld(block, this.now + (until - this.wall));
      if (this.waiting.has(hash)) this.out.push({ type: 'held', hash, until });
      for (const one of gone) this.refuse(one, { code: 'TooManyWaiting', data: undefined });
      return;
    }
    const proof = this.witness.see(block);
    if (proof !== undefined) this.out.push({ type: 'sealedTwice', proof });
    const parent = this.tree.get(checked.value.parent.hash);
    if (parent === undefined) {
      this.refuse(block, { code: 'BelowFinalized', data: undefined });
      return;
    }
    if (this.siblings(parent, block) >= MAX_CHILDREN) {
      this.refuse(block, { code: 'TooManySiblings', data: undefined });
      return;
    }
    // What has to stay in memory is bounded, however long nothing becomes final.
    if (this.store.stats().unsettled >= MAX_UNSETTLED) {
      this.refuse(block, { code: 'TooManyUnfinalized', data: undefined });
      return;
    }
    const view = must(this.store.view(parent.hash), 'a block of the tree has its state');
    const executed = yield* executingBlock(this.rules, view, checked.value);
    if (!executed.ok) {
      this.refuse(block, executed.error);
      return;
    }
    yield;
    if (this.tree.get(parent.hash) === undefined) {
      this.refuse(block, { code: 'BelowFinalized', data: undefined });
      return;
    }
    const imported = storeBlock(this.store, executed.value, this.arrivals);
    this.imported(this.now, block, this.tree.add(this.store, imported, parent.hash));
  }

  /** The children that count against a new one: a slot has one author, so others' slots are not his to fill. */
  private siblings(parent: TreeBlock, block: DecodedBlock): number {
    const turn = turnOf(block);
    if (turn === undefined || parent.children < MAX_CHILDREN) return parent.children;
    const { blockTimeMs } = this.rules.difficulty;
    const slots = this.store
      .children(parent.hash)
      .map((child) => slotAt(metaOf(this.store, child).timestamp, blockTimeMs));
    return slots.filter((slot) => slot === turn.slot).length;
  }

  private notChecked(now: Millis, block: DecodedBlock, error: BlockError): void {
    const { hash, origin, decoded } = block;
    if (error.code === 'AlreadyKnown') {
      this.out.push({ type: 'imported', hash, number: decoded.number, isNew: false });
      return;
    }
    if (error.code !== 'UnknownParent') {
      this.refuse(block, error);
      return;
    }
    const head = parentBlock(this.store, this.head.hash);
    const view = must(this.store.view(head.hash), 'the best block has its state');
    const orphan = checkOrphan(this.rules, { head, view, now: this.wall }, block);
    if (!orphan.ok) {
      this.refuse(block, orphan.error);
      return;
    }
    const gone = this.waiting.addOrphan(now, block);
    for (const one of gone) this.refuse(one, { code: 'TooManyWaiting', data: undefined });
    if (this.waiting.has(hash) && origin.type === 'peer') {
      this.out.push({ type: 'wanted', parent: decoded.parentHash, peer: origin.peer });
    }
  }

  private imported(now: Millis, block: DecodedBlock, added: TreeBlock): void {
    const { hash, number } = added;
    this.out.push({ type: 'imported', hash, number, isNew: true });
    if (block.origin.type === 'own') {
      const { header, opening, extrinsics, origin } = block;
      this.out.push({ type: 'announce', block: { header, opening, extrinsics, origin } });
    }
    if (isBetter(added, this.head)) this.moveHead(added, block);
    let settled = this.finalityStep(now, { type: 'head' });
    if (block.justification !== undefined) {
      const peer = block.origin.type === 'peer' ? block.origin.peer : undefined;
      const proof = { type: 'justification', block: { hash, number }, bytes: block.justification, peer } as const;
      settled = this.finalityStep(now, proof) || settled;
    }
    this.flush(settled || now >= this.syncedAt + SYNC_EVERY_MS);
    for (const child of this.waiting.childrenOf(hash)) this.enqueue(child, false);
  }

  /** `block`: one whose body is at hand. */
  private moveHead(to: TreeBlock, block?: DecodedBlock): void {
    const { retracted, enacted } = this.store.setBest(to.hash);
    this.head = to;
    const withBody = (ref: BlockRef): RouteBlock => {
      const isAtHand = block !== undefined && equal(ref.hash, block.hash);
      const extrinsics = isAtHand ? block.extrinsics : this.store.body(ref.hash);
      return { ...ref, extrinsics: must(extrinsics, 'an unfinalized block has its body') };
    };
    this.out.push({
      type: 'head',
      best: { hash: to.hash, number: to.number },
      retracted: retracted.map(withBody),
      enacted: enacted.map(withBody),
    });
  }

  private finalityView(): FinalityView {
    const { store, tree } = this;
    const chain = this;
    return {
      get best() {
        return { hash: chain.head.hash, number: chain.head.number };
      },
      get finalized() {
        return store.settled;
      },
      ancestor(of, number) {
        const block = tree.get(of);
        if (block !== undefined && number >= tree.root.number) return tree.ancestor(block, number);
        // Rounds that began before the last block was final stand on an earlier one.
        return block !== undefined || chain.isSettled(of, number) ? chain.canonical(number) : undefined;
      },
      bestOn(block) {
        const found = tree.get(block.hash);
        return found === undefined ? undefined : chain.bestOn(found);
      },
      header(hash) {
        const bytes = store.header(hash);
        return bytes === undefined ? undefined : Header.dec(bytes);
      },
      justification: (hash) => store.justification(hash),
      record: (name) => store.aux(name),
    };
  }

  /** Whether a block at or above a height is final. */
  private isSettled(hash: Bytes, from: number): boolean {
    const number = this.store.number(hash);
    if (number === undefined || number < from || number > this.store.settled.number) return false;
    return equal(must(this.store.canonical(number), 'a final block is canonical'), hash);
  }

  private canonical(number: number): BlockRef | undefined {
    const hash = number < 0 ? undefined : this.store.canonical(number);
    return hash && { hash, number };
  }

  private bestOn(block: TreeBlock): TreeBlock {
    return bestOf(this.tree.leaves().filter((leaf) => this.tree.ancestor(leaf, block.number) === block));
  }

  /** Lets the gadget act; true when it finalized something. */
  private finalityStep(now: Millis, input: FinalityInput): boolean {
    let finalized = false;
    for (const effect of this.finality.step(now, input, this.view)) {
      if (effect.type === 'finalize') {
        this.finalize(effect);
        finalized = true;
      } else if (effect.type === 'put') {
        this.store.putAux(effect.name, effect.value);
      } else {
        this.out.push(effect);
      }
    }
    // An import flushes when all its effects are told.
    if (finalized && (input.type === 'message' || input.type === 'tick')) this.flush(true);
    return finalized;
  }

  private flush(sync: boolean): void {
    if (sync) this.syncedAt = this.now;
    this.out.push({ type: 'flush', sync });
  }

  private finalize({ block, justification, keep }: Extract<FinalityEffect, { type: 'finalize' }>): void {
    const target = must(this.tree.get(block.hash), 'only an unfinalized block becomes final');
    // Votes may have settled on another branch than work has: then that one is the chain.
    if (this.tree.ancestor(this.head, target.number) !== target) this.moveHead(this.bestOn(target));
    const { settled, dropped } = this.store.settle(block.hash);
    if (justification !== undefined && keep === true) this.store.putJustification(block.hash, justification);
    this.tree.finalize(block.hash);
    for (const one of this.waiting.below(block.number)) this.refuse(one, { code: 'BelowFinalized', data: undefined });
    const proof = justification === undefined ? {} : { justification };
    this.out.push({ type: 'finalized', blocks: settled, dropped, ...proof });
  }

  private refuse(block: DecodedBlock, error: BlockError): void {
    this.out.push(refusal(block.hash, error, block.origin));
    if (blameOf(error.code) !== 'block') return;
    this.remember(block.hash);
    for (const child of this.waiting.descendantsOf(block.hash)) {
      this.remember(child.hash);
      this.out.push(refusal(child.hash, { code: 'KnownBad', data: undefined }, child.origin));
    }
  }

  private remember(hash: Bytes): void {
    this.bad.add(toHex(hash));
    if (this.bad.size <= MAX_BAD) return;
    const [oldest] = this.bad;
    if (oldest !== undefined) this.bad.delete(oldest);
  }
}

function refusal(hash: Bytes, error: BlockError, origin: Origin): ChainEffect {
  return { type: 'refused', hash, error, blame: blameOf(error.code), origin };
}
