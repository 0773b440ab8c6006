/**
 * # Grandpa: who votes on finality, and what becomes of those who vote twice.
 *
 * Always true: the set changes in the block whose header says so (`FRNK`), and its id rises by one with each change; a
 * voter of a set is shown guilty at most once, by two votes that only his key can have signed, and shown present at
 * most once an era, by one vote for a block of that era. Nothing here reads what any node has finalized.
 *
 * Whose a key was, what an offence costs, and who is waited for, is another pallet's matter (`OffenceHandler`,
 * `RollCall`).
 */
import { assert, must } from '../../base/assert.ts';
import { type Bytes, concat, equal, toHex, utf8 } from '../../base/bytes.ts';
import { bytes, CodecError, named, option, tuple, u32, u64, unit, variant } from '../../codec/index.ts';
import { GRANDPA_ENGINE, GrandpaLog, type GrandpaStage, voteMessage } from '../../primitives/justification.ts';
import type { Chain } from '../chain.ts';
import { ConfigError } from '../config.ts';
import { invalid } from '../errors.ts';
import { type Api, type BareValidity, method, type Pallet, rules } from '../pallet.ts';
import { NO_WEIGHT, plus, rw, type Weight } from '../weights.ts';
import { BARE_LONGEVITY } from './bare.ts';
import {
  Authorities,
  AuthorityId,
  EquivocationProof,
  GrandpaDeclared,
  type GrandpaScope,
  KeyOwnerProof,
  MAX_SET_SESSIONS,
} from './grandpa/state.ts';
import { NOBODY_AWAITED, noteVote, type RollCall } from './grandpa/votes.ts';

export { Authorities, EquivocationProof, GrandpaDeclared, KeyOwnerProof } from './grandpa/state.ts';

/** Two votes of one voter, proven. */
export interface VoteOffence {
  readonly setId: bigint;
  readonly round: bigint;
  readonly stage: GrandpaStage;
  /** The voter's key, and its owner as `ownerOf` found him. */
  readonly key: Bytes;
  readonly ownerProof: KeyOwnerProof;
  /** The account that reported it; undefined where it came bare. */
  readonly reporter: Bytes | undefined;
}

/** Whose a key was, and what an offence costs: what this pallet asks of sessions and stake. */
export interface OffenceHandler {
  /** Whether the proof shows an owner of the key in its session; where sets follow sessions, in one of the set's. */
  isOwned(at: Chain, key: Bytes, setId: bigint, proof: KeyOwnerProof): boolean;
  /** The proof that `isOwned` will take for a key of the set that votes in this state; undefined where it has none. */
  prove(at: Chain, key: Bytes, setId: bigint): KeyOwnerProof | undefined;
  /** A proven offence; told once for each voter and set. Returns what it took. */
  onOffence(at: Chain, offence: VoteOffence): Weight;
  /** What onOffence takes at most. */
  readonly weight: Weight;
}

const NO_PROOF: KeyOwnerProof = { session: 0, trie_nodes: [], validator_count: 0 };

/** Where nothing is at stake: a key of the present set is its own owner, and the record is all that follows. */
export const RECORD_ONLY: OffenceHandler = {
  isOwned: (at, key, setId) => isVoter(at, key, setId),
  prove: (at, key, setId) => (isVoter(at, key, setId) ? NO_PROOF : undefined),
  onOffence: () => NO_WEIGHT,
  weight: NO_WEIGHT,
};

/** Two signatures of ed25519. */
const CHECK_PS = 400_000_000n;
const PROOF_WEIGHT = rw(8, 4, CHECK_PS);
/** Before any fee-paying transaction: a voter of a set is reported once. */
const PRIORITY = 1n << 62n;
const TAG = utf8('GrandpaEquivocation');
/** Option<()>: what an option of ours, whose nothing is undefined, cannot tell apart. */
const OptionUnit = variant(
  { None: unit, Some: tuple(unit) },
  { path: 'Option', params: [{ name: 'T', shape: unit.shape }] },
);
const OpaqueKeyOwnershipProof = named('sp_runtime::OpaqueValue', bytes);

/** The pallet, with who hears of offences, and who of votes. */
export function grandpa(handler: OffenceHandler, roll: RollCall = NOBODY_AWAITED): Pallet<typeof GrandpaDeclared> {
  const args = { equivocation_proof: EquivocationProof, key_owner_proof: KeyOwnerProof };
  const take = (
    at: GrandpaScope,
    proof: EquivocationProof,
    owner: KeyOwnerProof,
    reporter: Bytes | undefined,
  ): Weight => {
    const fault = faultOf(at, handler, proof, owner);
    if (fault !== undefined) at.fail(fault);
    const { setId, round, stage, key } = accused(proof);
    at.state.Equivocations.put(setId, key, at.block.number);
    at.emit.VotedTwice({ authority: key, set_id: setId, round });
    return plus(PROOF_WEIGHT, handler.onOffence(at, { setId, round, stage, key, ownerProof: owner, reporter }));
  };
  const weight = plus(PROOF_WEIGHT, handler.weight);
  return rules(GrandpaDeclared, {
    calls: {
      report_equivocation: {
        index: 0,
        doc: 'Shows that a voter voted twice in a stage of a round.',
        args,
        weight,
        run(at, { equivocation_proof: proof, key_owner_proof: owner }) {
          return take(at, proof, owner, at.signer);
        },
      },
      report_equivocation_unsigned: {
        index: 1,
        doc: 'As report_equivocation, by whoever found it: the votes themselves are the signatures.',
        args,
        weight,
        origin: 'bare',
        class: 'Operational',
        paysFee: false,
        validate: (at, { equivocation_proof: proof, key_owner_proof: owner }) => judged(at, handler, proof, owner),
        run(at, { equivocation_proof: proof, key_owner_proof: owner }) {
          return take(at, proof, owner, undefined);
        },
      },
      note_stalled: {
        index: 2,
        doc: 'Refused: a set changes only with the votes of the one before. Voters that come back go on by themselves.',
        args: { delay: u32, best_finalized_block_number: u32 },
        weight: rw(0, 0),
        origin: 'root',
        run(at) {
          at.fail('ForcedChangeRefused');
        },
      },
      note_vote: noteVote(roll),
    },
    hooks: {
      on_finalize(at) {
        const pending = at.state.PendingChange.get();
        if (pending === undefined) return;
        const { scheduled_at: from, delay, next_authorities: next } = pending;
        if (at.block.number === from) {
          const data = GrandpaLog.enc({ type: 'ScheduledChange', value: { next, delay } });
          at.log({ type: 'Consensus', value: { engine: GRANDPA_ENGINE, data } });
        }
        if (at.block.number < from + delay) return;
        at.state.Authorities.put(next);
        at.state.PendingChange.delete();
        at.emit.NewAuthorities({ authority_set: next });
      },
    },
    genesis: {
      config: { authorities: Authorities },
      build(at, { authorities }) {
        if (!isSet(authorities)) throw new ConfigError('grandpa.authorities', 'a key twice, or without weight');
        at.state.CurrentSetId.put(0n);
        at.state.SetIdSession.put(0n, 0);
        if (authorities.length > 0) at.state.Authorities.put(authorities);
      },
    },
    apis: [apiOf(handler)],
    invariant: (at) => isSet(at.state.Authorities.get()) || 'a voter twice, or without weight',
  });
}

/** A session that begins, for whoever plans sessions; weights are units of voting power, zero for none. */
export interface VotersChange {
  readonly session: number;
  /** Other keys or weights than in the session before; otherwise the set goes on. */
  readonly changed: boolean;
  readonly authorities: Authorities;
}

/**
 * The session's voters, from the end of this block on: its header says so, and the block is the last that the set
 * before finalizes. At genesis they are the first set.
 */
export function scheduleChange(chain: Chain, { session, changed, authorities }: VotersChange): void {
  const at = chain.use(GrandpaDeclared);
  assert(isSet(authorities), 'each voter once, with weight');
  if (at.block.number === 0) {
    assert(at.state.Authorities.get().length === 0, 'one pallet names the first voters');
    at.state.Authorities.put(authorities);
    at.state.SetIdSession.put(0n, session);
    return;
  }
  if (changed) {
    at.ensure(!at.state.PendingChange.has(), 'ChangePending');
    at.state.PendingChange.put({
      scheduled_at: at.block.number,
      delay: 0,
      next_authorities: authorities,
      forced: undefined,
    });
    forget(at, at.state.CurrentSetId.mutate((id) => id + 1n) - BigInt(MAX_SET_SESSIONS));
  }
  at.state.SetIdSession.put(at.state.CurrentSetId.get(), session);
}

/** A set is out of reach: at most as many entries as it had voters go with it. */
function forget(at: GrandpaScope, setId: bigint): void {
  if (setId < 0n) return;
  at.state.SetIdSession.delete(setId);
  at.state.Equivocations.clear(setId);
}

function isSet(authorities: Authorities): boolean {
  const keys = new Set(authorities.map(([key]) => toHex(key)));
  return keys.size === authorities.length && authorities.every(([, weight]) => weight > 0n);
}

function isVoter(chain: Chain, key: Bytes, setId: bigint): boolean {
  const { state } = chain.use(GrandpaDeclared);
  return setId === state.CurrentSetId.get() && state.Authorities.get().some(([id]) => equal(id, key));
}

/** Who is accused of what. */
function accused({ set_id: setId, equivocation }: EquivocationProof) {
  const stage = equivocation.type === 'Prevote' ? 'prevote' : 'precommit';
  const { round_number: round, identity: key, first, second } = equivocation.value;
  return { setId, stage, round, key, votes: [first, second] } as const;
}

/** Whether both votes are the voter's, and not for one block. */
function conflicts(at: Chain, proof: EquivocationProof): boolean {
  const { setId, stage, round, key, votes } = accused(proof);
  const [first, second] = votes.map(([vote]) => ({ hash: vote.target_hash, number: vote.target_number }));
  const [a, b] = [must(first, 'two votes'), must(second, 'two votes')];
  if (a.number === b.number && equal(a.hash, b.hash)) return false;
  return [a, b].every((target, i) => {
    const signature = must(votes[i], 'two votes')[1];
    return at.host.verifyEd25519(signature, voteMessage(stage, target, round, setId), key);
  });
}

type Fault = 'DuplicateOffenceReport' | 'InvalidEquivocationProof' | 'InvalidKeyOwnershipProof';

/** What is wrong with a report, the cheap checks first. */
function faultOf(
  at: GrandpaScope,
  handler: OffenceHandler,
  proof: EquivocationProof,
  owner: KeyOwnerProof,
): Fault | undefined {
  const { setId, key } = accused(proof);
  if (at.state.Equivocations.has(setId, key)) return 'DuplicateOffenceReport';
  if (!isSessionOf(at, setId, owner.session)) return 'InvalidKeyOwnershipProof';
  if (!conflicts(at, proof)) return 'InvalidEquivocationProof';
  return handler.isOwned(at, key, setId, owner) ? undefined : 'InvalidKeyOwnershipProof';
}

/** Whether a session was one of a set: after the last of the set before, up to its own last. */
function isSessionOf(at: GrandpaScope, setId: bigint, session: number): boolean {
  const last = at.state.SetIdSession.get(setId);
  if (last === undefined || session > last) return false;
  if (setId === 0n) return true;
  const before = at.state.SetIdSession.get(setId - 1n);
  return before !== undefined && session > before;
}

function judged(
  at: GrandpaScope,
  handler: OffenceHandler,
  proof: EquivocationProof,
  owner: KeyOwnerProof,
): BareValidity {
  switch (faultOf(at, handler, proof, owner)) {
    case 'DuplicateOffenceReport':
      throw invalid('Stale');
    case 'InvalidEquivocationProof':
      throw invalid('BadProof');
    case 'InvalidKeyOwnershipProof':
      // Another branch may know that session.
      throw invalid('BadSigner');
    case undefined: {
      const { setId, key } = accused(proof);
      return { priority: PRIORITY, provides: [concat(TAG, u64.enc(setId), key)], longevity: BARE_LONGEVITY };
    }
  }
}

function apiOf(handler: OffenceHandler): Api {
  return {
    name: 'GrandpaApi',
    version: 3,
    doc: 'Who votes on finality.',
    methods: {
      grandpa_authorities: method({
        doc: 'The voters and their weights.',
        args: {},
        output: Authorities,
        run: (at) => at.use(GrandpaDeclared).state.Authorities.get(),
      }),
      submit_report_equivocation_unsigned_extrinsic: method({
        doc: 'Whether the next block would take the report. A state submits nothing: nodes do, to their own pool.',
        args: { equivocation_proof: EquivocationProof, key_owner_proof: OpaqueKeyOwnershipProof },
        output: OptionUnit,
        next: true,
        run: (at, { equivocation_proof: proof, key_owner_proof: opaque }) => {
          const owner = decodeOwner(opaque);
          return owner !== undefined && isTaken(at.use(GrandpaDeclared), handler, proof, owner)
            ? ({ type: 'Some', value: [undefined] } as const)
            : ({ type: 'None', value: undefined } as const);
        },
      }),
      generate_key_ownership_proof: method({
        doc: 'The proof of whose a key of a set is; nothing where it was none, or the set is not the present one.',
        args: { set_id: u64, authority_id: AuthorityId },
        output: option(OpaqueKeyOwnershipProof),
        run: (at, { set_id: setId, authority_id: key }) => {
          const proof = handler.prove(at, key, setId);
          return proof === undefined ? undefined : KeyOwnerProof.enc(proof);
        },
      }),
      current_set_id: method({
        doc: 'The id of the set.',
        args: {},
        output: u64,
        run: (at) => at.use(GrandpaDeclared).state.CurrentSetId.get(),
      }),
    },
  };
}

function isTaken(at: GrandpaScope, handler: OffenceHandler, proof: EquivocationProof, owner: KeyOwnerProof): boolean {
  return faultOf(at, handler, proof, owner) === undefined;
}

function decodeOwner(opaque: Bytes): KeyOwnerProof | undefined {
  try {
    return KeyOwnerProof.dec(opaque);
  } catch (error) {
    // What clients hand in may be anything.
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
