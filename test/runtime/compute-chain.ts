/**
 * # ComputeChain: a chain that lives on work, in memory: miners who claim and reveal, checkers who judge and merge.
 *
 * Always true: signatures, transcripts and Merkle paths are real, and so is every byte that the runtime sees; only the
 * training itself is made up: a state root is a hash of the fragment's id. Every block is built, sealed, executed again
 * as an importer would, and checked by all invariants.
 */
import assert from 'node:assert/strict';
import { must } from '../../src/base/assert.ts';
import { type Bytes, concat, equal, littleEndian, toHex, utf8 } from '../../src/base/bytes.ts';
import { Transcript } from '../../src/compute/transcript.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { jobsCall } from '../../src/miner/work-call.ts';
import { referee } from '../../src/node/referee.ts';
import { receiptOf } from '../../src/primitives/fragment.ts';
import { type Header, headerHash } from '../../src/primitives/header.ts';
import { withPreRuntime, withSeal } from '../../src/primitives/pow.ts';
import { reader } from '../../src/runtime/access.ts';
import type { RuntimeEvent } from '../../src/runtime/calls.ts';
import * as compute from '../../src/runtime/compute-view.ts';
import { SIGNATURES } from '../../src/runtime/host.ts';
import { CertificatesDeclared } from '../../src/runtime/pallets/certificates.ts';
import { Author, authorMessage, ComputePowDeclared } from '../../src/runtime/pallets/compute-pow.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import type { JobSpec } from '../../src/runtime/pallets/jobs/state.ts';
import { JobsDeclared } from '../../src/runtime/pallets/jobs/state.ts';
import { RewardsDeclared, Standing } from '../../src/runtime/pallets/rewards.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import type { Referee } from '../../src/runtime/referee.ts';
import { type Applied, createRuntime, type Runtime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC, type RuntimeSpec } from '../../src/runtime/spec.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { AccountInfo } from '../../src/runtime/types.ts';
import { keyOf } from '../../src/state/key.ts';
import { StateTree } from '../../src/state/tree.ts';

await installFastPaths();

export const UNIT = 1_000_000_000_000n;
/** H = 20 steps in segments of 5; three GEMMs, the last of which fits no profile. */
const STEPS = 20;
const SEGMENT = 5;
export const SEGMENTS = STEPS / SEGMENT;
const NODES = [
  { m: 2048, n: 2048, k: 2048 },
  { m: 2048, n: 2048, k: 2048 },
  { m: 10, n: 10, k: 256 },
];
/** CU of a fragment of these jobs (ECONOMY.md rule J): 20 * 2 * (2^33 + 28 * 2^23) / 10^9. */
export const FRAGMENT_CU = 352n;
/** Blocks in which a miner of these tests trains a fragment. */
export const TRAINING_BLOCKS = 8;
const START_MS = 1_700_000_000_000n;

const name = (...parts: readonly (string | number | Bytes)[]): Bytes =>
  blake2_256(concat(...parts.map((part) => (part instanceof Uint8Array ? part : utf8(`/${part}`)))));

/** An account with its compute key: a miner or a checker. */
export interface Person {
  readonly account: Bytes;
  readonly wallet: Keypair;
  readonly key: Keypair;
}

/** The person of this name. */
export function person(label: string): Person {
  const wallet = keypairFromSeed('ed25519', name(label, 'wallet'));
  return { account: wallet.accountId, wallet, key: keypairFromSeed('ed25519', name(label, 'key')) };
}

/** A small public job; `index` tells its weights and data from those of the others. */
export function smallJob(index: number, changes: Partial<JobSpec> = {}): JobSpec {
  return {
    index,
    step_graph: name('step graph'),
    eval_graph: name('eval graph'),
    init_root: name('weights', index),
    init_loss: 0,
    dataset: name('records', index),
    holdout: name('held out', index),
    record_bytes: 65,
    n_records: 1_000,
    n_holdout: 64,
    params: 1_000,
    steps: STEPS,
    segment_steps: SEGMENT,
    batch: 8,
    profile: 0,
    mined_nodes: NODES,
    lr_knots: [{ step: 0, bits: 0 }],
    outer_lr: 0x3f333333,
    outer_momentum: 0x3f666666,
    fragments_per_round: 2,
    stagger: 8 * index,
    gate_ppm: 20_000,
    ...changes,
  };
}

/** Era of 20 blocks, settled after 4; half of the pool goes out in 40 eras, and one fragment an era is full use. */
export const SPEC: RuntimeSpec = {
  ...DEFAULT_SPEC,
  blockTimeMs: 3_000,
  eraBlocks: 20,
  settleDepth: 4,
  profile: 0,
  rewards: {
    ...DEFAULT_SPEC.rewards,
    releaseFactor: 2n ** 64n / 58n,
    minWorkCu: FRAGMENT_CU,
    referenceCu: FRAGMENT_CU,
  },
  // Four tickets on average for each that counts.
  registrationFloorMillionths: 24n,
};

export interface ComputeChainOptions {
  readonly authors?: number;
  readonly checkers?: number;
  readonly jobs?: readonly JobSpec[];
  readonly spec?: Partial<RuntimeSpec>;
  readonly pool?: bigint;
  readonly balances?: readonly (readonly [Bytes, bigint])[];
  /** Accounts with what they have bonded. */
  readonly bonds?: readonly (readonly [Bytes, bigint])[];
  /** In the place of the real one, where a test is about something else than the work itself. */
  readonly referee?: Partial<Referee>;
}

/** Which work won a block. */
export interface Winner {
  readonly author: Person;
  readonly fragment: Bytes;
  readonly step: number;
  readonly node: number;
  /** Other operands than those of the fragment: a win that its miner cannot open. */
  readonly forged?: boolean;
  /** Tells tickets of equal work apart. */
  readonly luck?: number;
}

export interface Head {
  readonly header: Header;
  readonly ticket: Bytes | undefined;
  readonly tree: StateTree;
}

export interface ChainBlock extends Head {
  readonly extrinsics: readonly Bytes[];
  readonly outcomes: readonly Applied[];
  readonly events: readonly RuntimeEvent[];
}

/** What the people of a chain do of their own accord. */
export interface Habits {
  /** Miners who claim what they trained. */
  readonly claims?: (who: Person, fragment: compute.KnownFragment) => boolean;
  readonly reveals?: boolean;
  readonly opensWins?: boolean;
  readonly receipts?: (checker: Person) => boolean;
  readonly verdicts?: (checker: Person, duty: compute.SegmentDuty) => boolean | undefined;
  readonly merges?: boolean;
  /** Who wins the blocks; in turn otherwise. */
  readonly winner?: Person;
  /** The held-out loss that the checkers of a round find, as f32 bits. */
  readonly loss?: (r: number) => number;
}

/** 3.0 - r/16 as f32 bits: a model that learns. */
function fallingLoss(r: number): number {
  const out = new DataView(new ArrayBuffer(4));
  out.setFloat32(0, 3 - r / 16);
  return out.getUint32(0);
}

export class ComputeChain {
  readonly runtime: Runtime;
  readonly genesis: Bytes;
  readonly authors: Person[];
  readonly checkers: readonly Person[];
  readonly checked: boolean;
  head: Head;
  private lastAuthor = 0;

  constructor(options: ComputeChainOptions = {}, checked = true) {
    this.checked = checked;
    this.runtime = createRuntime({
      pallets: PALLETS,
      spec: { ...SPEC, ...options.spec },
      host: { ...SIGNATURES, referee: { ...referee, ...options.referee } },
    });
    this.authors = Array.from({ length: options.authors ?? 2 }, (_, i) => person(`author ${i}`));
    this.checkers = Array.from({ length: options.checkers ?? 3 }, (_, i) => person(`checker ${i}`));
    const listed = ({ account, key }: Person) => ({ account: toHex(account), computeKey: toHex(key.publicKey) });
    const entries = this.runtime.genesis({
      balances: { balances: (options.balances ?? []).map(([who, amount]) => [ss58Encode(who, 42), amount]) },
      computePow: { authors: this.authors.map(listed) },
      jobs: { publicJobs: options.jobs ?? [0, 1, 2].map((i) => smallJob(i)), checkers: this.checkers.map(listed) },
      rewards: { pool: options.pool ?? 100_000_000n * UNIT },
      staking: { stakers: (options.bonds ?? []).map(([who, bond]) => [ss58Encode(who, 42), bond, 'Idle']) },
    });
    const tree = StateTree.from(entries);
    const extrinsicsRoot = StateTree.empty(0).root;
    const header: Header = {
      parentHash: new Uint8Array(32),
      number: 0,
      stateRoot: tree.root,
      extrinsicsRoot,
      digest: [],
    };
    this.genesis = headerHash(header);
    this.head = { header, ticket: undefined, tree };
  }

  get number(): number {
    return this.head.header.number;
  }

  get view(): StateTree {
    return this.head.tree;
  }

  get jobs() {
    return reader(JobsDeclared, this.view);
  }

  get pow() {
    return reader(ComputePowDeclared, this.view);
  }

  get rewards() {
    return reader(RewardsDeclared, this.view);
  }

  get certificates() {
    return reader(CertificatesDeclared, this.view);
  }

  free(who: Bytes): bigint {
    return reader(System, this.view).Account.get(who).data.free;
  }

  get at() {
    return { number: this.number, hash: headerHash(this.head.header) };
  }

  /** Where the chain stands now, to return to. */
  mark(): Head {
    return this.head;
  }

  /** Goes on from there: what was built since is a branch that lost. */
  goTo(head: Head): void {
    this.head = head;
  }

  /** Builds a block of these extrinsics, seals it as won with `winner`, and executes it as an importer would. */
  block(extrinsics: readonly Bytes[] = [], winner: Winner = this.nextWinner()): ChainBlock {
    const { header: parentHeader, ticket: parentTicket, tree } = this.head;
    const parent = { header: parentHeader, ticket: parentTicket };
    const timestamp = START_MS + BigInt((this.number + 1) * this.runtime.spec.blockTimeMs);
    const builder = this.runtime.builder(tree, parent, timestamp);
    const outcomes = extrinsics.map((extrinsic) => builder.apply(extrinsic));
    const built = builder.finish();
    const header = this.seal(built.header, winner);
    const block = { header, extrinsics: built.extrinsics };
    const executed = this.runtime.execute(tree, block, parent, { check: this.checked });
    assert.ok(executed.ok, executed.ok ? '' : `${executed.code}: ${executed.detail}`);
    const ticket = name('ticket', header.number, winner.luck ?? 0, winner.author.account);
    this.head = { header, ticket, tree: executed.tree };
    return {
      ...this.head,
      extrinsics: built.extrinsics,
      outcomes,
      events: executed.events.map(({ event }) => event),
    };
  }

  /** Blocks in which everybody does his duty, until `done` or for `most` blocks; the events of all of them. */
  run(most: number, habits: Habits = {}, done: () => boolean = () => false): RuntimeEvent[] {
    const events: RuntimeEvent[] = [];
    for (let i = 0; i < most && !done(); i++) events.push(...this.live(habits).events);
    return events;
  }

  /** One block with all that its people have to say; each of their calls must be applied. */
  live(habits: Habits = {}): ChainBlock {
    const work = this.work(habits);
    // The last checkers' votes come too late where the first ones agree in the same block.
    const winner = habits.winner && this.winOf(habits.winner);
    const block = this.block([...work, ...this.votes(habits)], winner);
    for (const outcome of block.outcomes.slice(0, work.length)) {
      assert.deepEqual(outcome, { applied: true, error: undefined }, 'honest work is accepted');
    }
    return block;
  }

  /** All that honest miners and checkers have to say on this state, but for merges. */
  work(habits: Habits = {}): Bytes[] {
    return [
      ...this.authors.flatMap((author) => this.minersWork(author, habits)),
      ...this.checkers.flatMap((checker) => this.checkersWork(checker, habits)),
    ];
  }

  private minersWork(author: Person, habits: Habits): Bytes[] {
    const { fragments, reveals, openWins } = compute.workFor(this.view, author.account);
    const due = fragments.filter(
      (f) => f.status.type === 'Assigned' && this.isTrained(f) && f.deadline > this.number && !f.overflow,
    );
    const claims = due.filter((f) => habits.claims?.(author, f) ?? true).map((f) => this.claim(author, f.id));
    const opened = reveals.map(({ fragment, states }) => this.reveal(author, fragment, states));
    const won = openWins.map(({ fragment, wins }) => this.openWins(author, fragment, wins));
    return [...claims, ...(habits.reveals === false ? [] : opened), ...(habits.opensWins === false ? [] : won)];
  }

  private isTrained({ assigned_at }: compute.KnownFragment): boolean {
    return this.number - assigned_at >= TRAINING_BLOCKS - 1;
  }

  /** Every checker's vote on every merge that is due. */
  votes(habits: Habits = {}): Bytes[] {
    const loss = habits.loss ?? fallingLoss;
    if (habits.merges === false) return [];
    return this.checkers.flatMap((checker) =>
      compute.dutiesFor(this.view, checker.account).merges.map(({ job, r }) => this.merge(checker, job, r, loss(r))),
    );
  }

  private checkersWork(checker: Person, habits: Habits): Bytes[] {
    const { segments } = compute.dutiesFor(this.view, checker.account);
    const out: Bytes[] = [];
    for (const duty of segments) {
      const { id } = duty.fragment;
      if (duty.receiptAt === undefined) {
        if (habits.receipts?.(checker) ?? true) out.push(this.receipt(checker, id, duty.segment));
        continue;
      }
      const accept = habits.verdicts === undefined ? true : habits.verdicts(checker, duty);
      if (accept !== undefined) out.push(this.verdict(checker, id, duty.segment, accept));
    }
    return out;
  }

  call(who: Person, call: string, args: Readonly<Record<string, unknown>>): Bytes {
    return jobsCall(call, args, who.key, this.genesis);
  }

  claim(who: Person, fragment: Bytes): Bytes {
    const transcript = training(fragment);
    return this.call(who, 'claim', {
      fragment,
      transcript: transcript.root(),
      state_root: transcript.stateRoot(SEGMENTS),
      delta: name('delta', fragment),
    });
  }

  reveal(who: Person, fragment: Bytes, states: readonly number[]): Bytes {
    const transcript = training(fragment);
    const { states: rs, losses: rl, operands: rg } = transcript.roots();
    const opened = states.map((index) => ({
      index,
      root: transcript.stateRoot(index),
      path: transcript.openState(index),
    }));
    return this.call(who, 'reveal', { fragment, rs, rl, rg, states: opened });
  }

  openWins(who: Person, fragment: Bytes, wins: readonly { readonly step: number; readonly node: number }[]): Bytes {
    const opened = wins.map(({ step, node }) => {
      const [root_a, root_b] = operands(fragment, step, node);
      return { step, node, root_a, root_b, path: training(fragment).openOperands(step, node) };
    });
    return this.call(who, 'open_wins', { fragment, wins: opened });
  }

  receipt(who: Person, fragment: Bytes, segment: number): Bytes {
    const receipt = receiptOf(who.account, name('salt', fragment, segment), name('digest', fragment, segment));
    return this.call(who, 'receipt', { fragment, segment, receipt });
  }

  verdict(who: Person, fragment: Bytes, segment: number, accept: boolean): Bytes {
    const [digest, salt] = [name('digest', fragment, segment), name('salt', fragment, segment)];
    return this.call(who, 'verdict', { fragment, segment, accept, digest, salt });
  }

  merge(who: Person, job: Bytes, r: number, loss: number, model = 'model'): Bytes {
    const said = { job, r, theta: name(model, job, r), outer: name('outer', job, r), loss };
    return this.call(who, 'merge', { ...said, account: who.account });
  }

  /** The authors in turn, each with the first fragment and the first place in it that a seal may name. */
  nextWinner(): Winner {
    for (let i = 1; i <= this.authors.length; i++) {
      const index = (this.lastAuthor + i) % this.authors.length;
      const author = must(this.authors[index], 'an author of this chain');
      const winner = this.winOf(author);
      if (!winner) continue;
      this.lastAuthor = index;
      return winner;
    }
    throw new Error(`block ${this.number + 1}: nobody may author`);
  }

  /** A win of this author: the next place of what he trains, or its final step, which may win again and again. */
  winOf(author: Person): Winner | undefined {
    const open = this.fragments(author).sort(
      (a, b) => Number(a.overflow) - Number(b.overflow) || a.assigned_at - b.assigned_at,
    );
    for (const fragment of open) {
      const win = this.winWith(author, fragment);
      if (win) return win;
    }
    return undefined;
  }

  /** A win with this fragment, at the place to which its miner must have come by now. */
  winWith(author: Person, { id, assigned_at }: compute.KnownFragment): Winner | undefined {
    const seal = compute.sealFragment(this.view, id, author.account);
    if (!seal) return undefined;
    const { lastWin } = seal;
    const trained = Math.floor(((this.number - assigned_at) * STEPS) / TRAINING_BLOCKS);
    const step = Math.min(STEPS, Math.max(1, trained, lastWin?.step ?? 0));
    const node = lastWin?.step !== step || step === STEPS ? 0 : lastWin.node + 1;
    if (node < 2) return { author, fragment: id, step, node };
    return step < STEPS ? { author, fragment: id, step: step + 1, node: 0 } : undefined;
  }

  private seal(header: Header, { author, fragment, step, node, forged }: Winner): Header {
    const seal = must(compute.sealFragment(this.view, fragment, author.account), 'only open fragments win');
    const shape = must(seal.minedNodes[node], 'a mined node');
    assert.ok(shape.fits, 'only nodes that fit win');
    const { lastWin } = seal;
    const later = !lastWin || step > lastWin.step || step === seal.steps || node > lastWin.node;
    assert.ok(later, 'wins of a fragment go forward');
    const { m, n, k } = shape;
    const before = withPreRuntime(header, { author: author.account, fragment, step, node, profile: 0, m, n, k });
    const [rootA, rootB] = operands(forged === true ? name('elsewhere', fragment) : fragment, step, node);
    const signature = new Uint8Array(64);
    return withSeal(before, { ti: 0, tj: 0, s: 0, rootA, rootB, openingHash: name('opening'), signature });
  }

  /** Writes an author behind the rules' back: one with another history. */
  plantAuthor(who: Person, author: Author): void {
    this.plant(storageKey(ComputePowDeclared.storage.Authors, [who.account]), Author.enc(author));
  }

  /** Writes a reputation behind the rules' back. */
  plantReputation(account: Bytes, perbill: bigint): void {
    const standing = Standing.enc({ perbill, era: Math.floor((this.number - 1) / this.runtime.spec.eraBlocks) });
    this.plant(storageKey(RewardsDeclared.storage.Reputation, [account]), standing);
  }

  /** Writes an account behind the rules' back. */
  plantAccount(account: Bytes, info: AccountInfo): void {
    this.plant(storageKey(System.declared.storage.Account, [account]), AccountInfo.enc(info));
  }

  /** Writes any value behind the rules' back, as a fault of the disk or of a rule would. */
  plant(key: Bytes, value: Bytes): void {
    const tree = this.view.with(new Map([[keyOf(key), value]]));
    this.head = { ...this.head, tree, header: { ...this.head.header, stateRoot: tree.root } };
  }

  /** What an account signs to name its compute key over a block of this chain. */
  naming(who: Person, anchor: number): Bytes {
    const hash = reader(System.declared, this.view).BlockHash.get(anchor);
    return authorMessage(this.genesis, who.key.publicKey, hash);
  }

  /** All fragments of an account that are known, by status. */
  fragments(who: Person): compute.KnownFragment[] {
    return compute.fragmentsOf(this.view, who.account);
  }
}

/** Operand roots of a fragment whose training is made up. */
function operands(fragment: Bytes, step: number, node: number): readonly [Bytes, Bytes] {
  return [name('A', fragment, step, node), name('B', fragment, step, node)];
}

const trained = new Map<string, Transcript>();

/** The transcript of a fragment: the same for whoever trains it. */
export function training(fragment: Bytes): Transcript {
  const known = trained.get(toHex(fragment));
  if (known) return known;
  const transcript = new Transcript({ steps: STEPS, segmentSteps: SEGMENT, nodes: NODES.length });
  transcript.addState(name('state', fragment, 0));
  for (let t = 1; t <= STEPS; t++) {
    transcript.addStep(
      t,
      NODES.map((_, g) => operands(fragment, t, g)),
    );
    if (t % SEGMENT === 0) transcript.addState(name('state', fragment, t / SEGMENT));
  }
  trained.set(toHex(fragment), transcript);
  return transcript;
}

/** The fields of all events of this name. */
export function eventsOf(events: readonly RuntimeEvent[], pallet: string, event: string) {
  return events.filter((e) => e.type === pallet && e.value.type === event).map((e) => e.value.value);
}

/** The person of an account. */
export function whose(people: readonly Person[], account: Bytes): Person {
  return must(
    people.find((one) => equal(one.account, account)),
    'a person of this chain',
  );
}

/** A number as four little-endian bytes. */
export const word = (value: number): Bytes => littleEndian(BigInt(value), 4);
