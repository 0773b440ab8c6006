/**
 * # Work world: a chain by work: real blocks and seals, and voters by a formula.
 *
 * Always true: every ticket wins, and the simulator grants each miner as many as his power and his boost are worth;
 * what a block may count for is reckoned beside the machines (reckoning.ts).
 */

import { assert, must } from '../base/assert.ts';
import { type Bytes, concat, equal, utf8 } from '../base/bytes.ts';
import { operandRoot } from '../compute/pouw/commitment.ts';
import { buildOpening, encodeOpening } from '../compute/pouw/opening.ts';
import { checkShape } from '../compute/pouw/profile.ts';
import type { TicketEvaluator } from '../compute/pouw/ticket.ts';
import type { Submission, Template } from '../consensus/author.ts';
import type { Millis } from '../consensus/difficulty.ts';
import type { AuthoritySet } from '../consensus/finality/grandpa.ts';
import type { Verify } from '../consensus/finality/round.ts';
import { VoterSet } from '../consensus/finality/voter-set.ts';
import type { ConsensusRules } from '../consensus/rules.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { bareExtrinsic, signExtrinsic } from '../primitives/extrinsic.ts';
import { openingHash, type PowPreRuntime, preHash, sealMessage, withPreRuntime } from '../primitives/pow.ts';
import { readStorage } from '../runtime/access.ts';
import { NO_BOOST } from '../runtime/boost.ts';
import { sealAuthor } from '../runtime/compute-view.ts';
import type { Genesis } from '../state/chain/load.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateView } from '../state/view.ts';
import type { Dice } from './dice.ts';
import { LotteryDeclared } from './lottery.ts';
import { Miner } from './miner.ts';
import type { SimNode } from './node.ts';
import type { Authoring } from './parts.ts';
import { Reckoning } from './reckoning.ts';
import {
  authoritiesOf,
  INITIAL_DIFFICULTY,
  membersOf,
  PAYER,
  runtime,
  setAfter,
  setOf,
  type WorkMember,
  workGenesis,
} from './work-chain.ts';
import {
  BLOCK_MS,
  checked,
  type Economy,
  isSigned,
  type Judgement,
  MAX_NODES,
  type NamedSet,
  type World,
  type WorldChanges,
} from './world.ts';

const STEPS = 1_000_000;
/** Every third extrinsic moves money. */
const PAID = 3;

/** The least product there is. */
const PRODUCT = { m: 16, n: 16, k: 256 };

/** Any ticket wins up to D = 2^64, and of two that come together chance decides which is lower. */
const luck: TicketEvaluator = ({ seeds }) => {
  const ticket = blake2_256(concat(seeds.seedA, seeds.seedB));
  ticket.fill(0, 26);
  return ticket;
};

/** The same operands for everybody: a seal is told apart by what it signs. */
const work = (() => {
  const checked = checkShape(0, PRODUCT);
  assert(checked.ok, 'a product of profile 0');
  const { m, n, k } = PRODUCT;
  const a = { data: new Int8Array(m * k), lines: m, k };
  const b = { data: new Int8Array(n * k).fill(1), lines: n, k };
  const place = { ti: 0, tj: 0, s: 0 };
  const opening = encodeOpening(buildOpening(a, b, checked.shape, place));
  const [rootA, rootB] = [operandRoot(a, k), operandRoot(b, k)];
  return { opening, seal: { ...place, rootA, rootB, openingHash: openingHash(opening) } };
})();

export class WorkWorld implements World {
  readonly members: readonly WorkMember[];
  readonly runtime = runtime;
  readonly rules: ConsensusRules;
  readonly genesis: Genesis;
  private readonly changes: WorldChanges;
  private readonly sets = new Map<bigint, NamedSet>();
  private readonly reckoning: Reckoning;
  private nonce = 0;

  constructor(nodes: number, changes: WorldChanges = {}) {
    assert(nodes >= 1 && nodes <= MAX_NODES, `1 to ${MAX_NODES} nodes`);
    this.members = membersOf(nodes);
    this.genesis = workGenesis(nodes);
    this.changes = changes;
    const author = changes.sealAuthor?.(sealAuthor) ?? sealAuthor;
    const difficulty = { initial: INITIAL_DIFFICULTY, blockTimeMs: BLOCK_MS };
    this.rules = {
      difficulty: changes.difficulty?.(difficulty) ?? difficulty,
      seals: {
        author: (view, account) => author(view, account, runtime.spec),
        fragment: (view, id, account) => {
          if (!this.members.some((one) => equal(one.account, account) && equal(one.fragment, id))) return undefined;
          const lastWin = readStorage(view, LotteryDeclared.storage.Wins, id);
          const minedNodes = [{ ...PRODUCT, fits: true }];
          return { job: new Uint8Array(32), steps: STEPS, profile: 0, minedNodes, lastWin };
        },
      },
      runtime: checked(runtime),
      evaluate: luck,
    };
    this.verify = changes.verify ?? this.verify;
    const { spec } = runtime;
    const boostOf = this.boostOf.bind(this);
    this.reckoning = new Reckoning({ spec, members: this.members, boostOf }, this.genesis.hash);
  }

  readonly verify: Verify = isSigned;
  readonly economy: Economy = { eras: 0, elections: 0, slashes: 0, certificates: 0 };

  firstSet(): AuthoritySet {
    const list = authoritiesOf(this.members.length, 0n);
    return { setId: 0n, authorities: this.changes.authorities?.(list) ?? list };
  }

  setOf(_store: ChainStore, block: BlockRef): NamedSet {
    return this.named(setOf(block.number));
  }

  setAfter(_store: ChainStore, block: BlockRef): NamedSet {
    return this.named(setAfter(block.number));
  }

  authoring(node: SimNode): Authoring {
    return new Miner(node, this);
  }

  /** Every third moves money. */
  traffic(_node: SimNode, _dice: Dice, count: number): readonly Bytes[] {
    return [count % PAID === 0 ? this.transfer(BigInt(count + 1)) : this.note(count)];
  }

  /** Nothing is at stake here. */
  accusation(): undefined {
    return undefined;
  }

  imported(store: ChainStore, block: BlockRef): Judgement | undefined {
    return this.reckoning.judge(store, block);
  }

  slander(): undefined {
    return undefined;
  }

  /** What a ticket of the account counts for on top of this state, in millionths, as the machines are told. */
  boostOf(view: StateView, account: Bytes): number {
    return this.rules.seals.author(view, account)?.boostPpm ?? NO_BOOST;
  }

  /** How long a miner of the usual power, without boost, takes for a block of this difficulty, on average. */
  waitMs(difficulty: bigint): Millis {
    return Number((difficulty * BigInt(BLOCK_MS * this.members.length)) / INITIAL_DIFFICULTY);
  }

  /** A set as its stake is. */
  private named(setId: bigint): NamedSet {
    const known = this.sets.get(setId);
    if (known !== undefined) return known;
    const voters = must(VoterSet.of(authoritiesOf(this.members.length, setId)), 'somebody votes');
    const set = { setId, voters };
    this.sets.set(setId, set);
    return set;
  }

  /** The submission of a find: a sealed ticket for this template. */
  submission(template: Template, who: WorkMember, step: number): Submission {
    const preRuntime: PowPreRuntime = {
      author: who.account,
      fragment: who.fragment,
      step,
      node: 0,
      profile: 0,
      ...PRODUCT,
    };
    const pre = preHash(withPreRuntime(template.header, preRuntime));
    const signature = who.computeKey.sign(sealMessage(work.seal.openingHash, pre));
    return { templateId: template.id, preRuntime, seal: { ...work.seal, signature }, opening: work.opening };
  }

  /** A note as an extrinsic; everybody may write each number once. */
  private note(id: number): Bytes {
    const call = { type: 'Lottery', value: { type: 'note', value: { id, text: utf8(`note ${id}`) } } };
    return bareExtrinsic(runtime.Call.enc(call)).bytes;
  }

  /** A transfer from the payer, the next of a row. */
  private transfer(units: bigint): Bytes {
    const value = { dest: { type: 'Id', value: (this.members[0] as WorkMember).account }, value: units };
    const call = runtime.Call.enc({ type: 'Balances', value: { type: 'transfer_keep_alive', value } });
    const { hash: genesisHash } = this.genesis;
    const { spec_version: specVersion, transaction_version: transactionVersion } = runtime.version;
    const extra = { era: { type: 'Immortal' } as const, nonce: this.nonce++, tip: 0n };
    const implicit = { specVersion, transactionVersion, genesisHash, birthHash: genesisHash };
    return signExtrinsic(call, extra, implicit, PAYER).bytes;
  }
}
