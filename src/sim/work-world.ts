/**
 * # Work world: a chain by work: the core of the runtime, real blocks and seals, and voters by a formula.
 *
 * Always true: who votes is no affair of stake here, so that what the watch expects of a set is known from its number
 * alone. Every ticket wins, and the simulator grants each miner as many as his power is worth.
 */

import { assert, must } from '../base/assert.ts';
import { type Bytes, concat, equal, utf8 } from '../base/bytes.ts';
import { u32 } from '../codec/index.ts';
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
import { type Keypair, keypairFromSeed } from '../crypto/keypair.ts';
import { ss58Encode } from '../crypto/ss58.ts';
import { bareExtrinsic, signExtrinsic } from '../primitives/extrinsic.ts';
import { type AuthorityList, GRANDPA_ENGINE, GrandpaLog } from '../primitives/justification.ts';
import { openingHash, type PowPreRuntime, preHash, sealMessage, withPreRuntime } from '../primitives/pow.ts';
import { readStorage } from '../runtime/access.ts';
import { genesisOf } from '../runtime/genesis.ts';
import { SIGNATURES } from '../runtime/host.ts';
import { rules as behaviour } from '../runtime/pallet.ts';
import { CORE_PALLETS } from '../runtime/pallets.ts';
import { createRuntime } from '../runtime/runtime.ts';
import { DEFAULT_SPEC } from '../runtime/spec.ts';
import type { Genesis } from '../state/chain/load.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import { StateTree } from '../state/tree.ts';
import type { Dice } from './dice.ts';
import { keepNote, LotteryDeclared, recordWin } from './lottery.ts';
import { Miner } from './miner.ts';
import type { SimNode } from './node.ts';
import type { Authoring } from './parts.ts';
import {
  BLOCK_MS,
  checked,
  type Economy,
  isSigned,
  MAX_NODES,
  type Member,
  type NamedSet,
  remembering,
  type World,
  type WorldChanges,
} from './world.ts';

/** So hard that the schedule may move far both ways; all miners together have the power for one block in T. */
const INITIAL_DIFFICULTY = 1n << 32n;
const STEPS = 1_000_000;
/** Every third extrinsic moves money. */
const PAID = 3;
const UNIT = 1_000_000_000_000n;
const ENDOWMENT = 1_000n * UNIT;
const ONE_PPM = 1_000_000;

/** A miner with his node. */
export interface WorkMember extends Member {
  readonly fragment: Bytes;
  readonly computeKey: Keypair;
  readonly boostPpm: number;
}

/** A set of voters lasts so many blocks, and ends so many above the block that says who comes next. */
const SESSION_BLOCKS = 12;
const CHANGE_DELAY = 2;
/** No weight is above it. */
export const MAX_WEIGHT = 12n;

/** The set that decides on a block of this height. */
function setOf(height: number): bigint {
  return BigInt(Math.max(0, Math.floor((height - CHANGE_DELAY - 1) / SESSION_BLOCKS)));
}

/** The set that votes once a block of this height is final. */
function setAfter(height: number): bigint {
  return BigInt(Math.max(0, Math.floor((height - CHANGE_DELAY) / SESSION_BLOCKS)));
}

/** The weight of a member's votes in a set: it differs, so that heads are not mistaken for stake, and changes. */
function weightOf(member: number, setId: bigint): bigint {
  return MAX_WEIGHT - ((BigInt(member) + setId) % 3n);
}

/** The k-th member of any simulation. */
function member(index: number): WorkMember {
  const name = `n${index}`;
  return {
    name,
    account: keypairFromSeed('ed25519', blake2_256(utf8(name))).publicKey,
    fragment: blake2_256(utf8(`fragment of ${name}`)),
    computeKey: keypairFromSeed('ed25519', blake2_256(utf8(`${name}//compute`))),
    voteKeys: [blake2_256(utf8(`${name}//grandpa`))],
    boostPpm: ONE_PPM + 50_000 * (index % 5),
  };
}

const Lottery = behaviour(LotteryDeclared, {
  genesis: {
    config: { members: u32 },
    build(at, { members }) {
      at.state.Members.put(members);
    },
  },
  calls: { note: keepNote },
  hooks: {
    on_initialize(at) {
      const session = at.block.number / SESSION_BLOCKS;
      if (Number.isInteger(session)) {
        const next = authoritiesOf(at.state.Members.get(), BigInt(session));
        const data = GrandpaLog.enc({ type: 'ScheduledChange', value: { next, delay: CHANGE_DELAY } });
        at.log({ type: 'Consensus', value: { engine: GRANDPA_ENGINE, data } });
      }
      recordWin(at);
    },
  },
});

const NO_REFEREE = {
  transcript: () => new Uint8Array(32),
  opensState: () => false,
  opensOperands: () => false,
  registration: () => false,
};

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

/** The runtime of all simulations, and the most members that any of them has. */
const runtime = createRuntime({
  pallets: [...CORE_PALLETS, Lottery],
  spec: { ...DEFAULT_SPEC, blockTimeMs: BLOCK_MS, initialDifficulty: INITIAL_DIFFICULTY, profile: 0 },
  host: { ...SIGNATURES, verify: remembering(SIGNATURES.verify), referee: NO_REFEREE },
});
const MEMBERS = Array.from({ length: MAX_NODES }, (_, index) => member(index));
const PAYER = keypairFromSeed('ed25519', blake2_256(utf8('payer')));

/** Who votes in a set of so many members. */
function authoritiesOf(members: number, setId: bigint): AuthorityList {
  return MEMBERS.slice(0, members).map(({ voteKeys: [key] }, index): [Bytes, bigint] => [key, weightOf(index, setId)]);
}

const GENESES = new Map<number, Genesis>();

function genesisFor(members: number): Genesis {
  const known = GENESES.get(members);
  if (known !== undefined) return known;
  const accounts = [PAYER.accountId, ...MEMBERS.slice(0, members).map(({ account }) => account)];
  const balances = accounts.map((account) => [ss58Encode(account, 42), ENDOWMENT.toString()]);
  const state = StateTree.from(runtime.genesis({ balances: { balances }, lottery: { members } }));
  const genesis = genesisOf(state);
  GENESES.set(members, genesis);
  return genesis;
}

export class WorkWorld implements World {
  readonly members: readonly WorkMember[];
  readonly runtime = runtime;
  readonly rules: ConsensusRules;
  readonly genesis: Genesis;
  private readonly changes: WorldChanges;
  private readonly sets = new Map<bigint, NamedSet>();
  private nonce = 0;

  constructor(nodes: number, changes: WorldChanges = {}) {
    assert(nodes >= 1 && nodes <= MAX_NODES, `1 to ${MAX_NODES} nodes`);
    this.members = MEMBERS.slice(0, nodes);
    this.genesis = genesisFor(nodes);
    this.changes = changes;
    this.rules = {
      difficulty: { initial: INITIAL_DIFFICULTY, blockTimeMs: BLOCK_MS },
      seals: {
        author: (_view, account) => {
          const found = this.members.find((one) => equal(one.account, account));
          if (found === undefined) return undefined;
          const boostPpm = changes.boostPpm?.(found) ?? found.boostPpm;
          return { computeKey: found.computeKey.publicKey, boostPpm };
        },
        fragment: (view, id, account) => {
          if (!this.members.some((one) => equal(one.account, account) && equal(one.fragment, id))) return undefined;
          const lastWin = readStorage(view, Lottery.storage.Wins, id);
          const minedNodes = [{ ...PRODUCT, fits: true }];
          return { job: new Uint8Array(32), steps: STEPS, profile: 0, minedNodes, lastWin };
        },
      },
      runtime: checked(runtime),
      evaluate: luck,
    };
    this.verify = changes.verify ?? this.verify;
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

  imported(): undefined {
    return undefined;
  }

  slander(): undefined {
    return undefined;
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
