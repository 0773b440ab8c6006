/**
 * # Stake world: a chain of turns whose voters and authors are elected by stake, and answer with it.
 *
 * Always true: what the watch expects of a set of voters is read from the state of the block before, by the pallets'
 * own storage; the gadget reads headers. Every block is judged once: nobody innocent is slashed, who is slashed pays in
 * full, and no more stands behind seats than was bonded.
 */
import { must } from '../base/assert.ts';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { min, mulDivFloor, PERBILL } from '../base/fixed.ts';
import { accusation, accusationOf, type DoubleProof, voteAccusation } from '../consensus/accusation.ts';
import type { AuthoritySet } from '../consensus/finality/grandpa.ts';
import type { SignedVote, Verify } from '../consensus/finality/round.ts';
import { VoterSet } from '../consensus/finality/voter-set.ts';
import { metaOf } from '../consensus/meta.ts';
import type { ConsensusRules } from '../consensus/rules.ts';
import { slotRules } from '../consensus/slot-rules.ts';
import type { SlotsAuthorParts } from '../consensus/slots-author.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Header } from '../primitives/header.ts';
import { reader } from '../runtime/access.ts';
import { sealAuthor, sealFragment } from '../runtime/compute-view.ts';
import { GrandpaDeclared } from '../runtime/pallets/grandpa.ts';
import { RewardsDeclared } from '../runtime/pallets/rewards.ts';
import { SessionDeclared } from '../runtime/pallets/session.ts';
import { StakingDeclared } from '../runtime/pallets/staking.ts';
import { System } from '../runtime/pallets/system.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Genesis } from '../state/chain/load.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import type { Dice } from './dice.ts';
import type { SimNode } from './node.ts';
import type { Authoring } from './parts.ts';
import {
  authoringKeys,
  isDrawn,
  isSealed,
  membersOf,
  type StakeMember,
  stakeGenesis,
  stakeRuntime,
} from './stake-chain.ts';
import { StakeTraffic } from './stake-traffic.ts';
import { Turns } from './turns.ts';
import {
  checked,
  type Economy,
  isSigned,
  type Judgement,
  type NamedSet,
  type World,
  type WorldChanges,
} from './world.ts';

/** What a block did that the watch cares for. */
type Happened = Readonly<Record<string, unknown>>;

export class StakeWorld implements World {
  readonly members: readonly StakeMember[];
  readonly runtime: Runtime;
  readonly rules: SlotsAuthorParts['rules'];
  readonly genesis: Genesis;
  readonly verify: Verify;
  private readonly weak: ReadonlySet<number>;
  private readonly changes: WorldChanges;
  private readonly people: StakeTraffic;
  /** Who votes on what stands on a block: one entry for each block of the run. */
  private readonly sets = new Map<string, NamedSet>();
  private readonly seen = { eras: new Set<number>(), elections: new Set<number>(), slashes: new Set<string>() };
  private certificates = 0n;

  /** `weak`: who may misbehave. */
  constructor(nodes: number, weak: ReadonlySet<number>, changes: WorldChanges = {}) {
    this.members = membersOf(nodes);
    this.weak = weak;
    this.changes = changes;
    this.runtime = stakeRuntime(nodes, changes);
    this.genesis = stakeGenesis(this.runtime, this.members, weak);
    this.verify = changes.verify ?? isSigned;
    const { spec } = this.runtime;
    const consensus: ConsensusRules = {
      difficulty: { initial: spec.initialDifficulty, blockTimeMs: spec.blockTimeMs },
      seals: { author: (view, account) => sealAuthor(view, account, spec), fragment: sealFragment },
      runtime: checked(this.runtime),
    };
    const slots = { ...slotRules(this.genesis.hash, spec.epochSlots), verifyVrf: isDrawn, verifySeal: isSealed };
    this.rules = { ...consensus, slots };
    const { hash } = this.genesis;
    this.people = new StakeTraffic({ runtime: this.runtime, genesis: hash, members: this.members, weak });
    this.sets.set(toHex(hash), namedSet(this.genesis.state as StateTree));
  }

  get economy(): Economy {
    const { eras, elections, slashes } = this.seen;
    const certificates = Number(this.certificates);
    return { eras: eras.size, elections: elections.size, slashes: slashes.size, certificates };
  }

  firstSet(state: StateTree): AuthoritySet {
    const { CurrentSetId, Authorities } = reader(GrandpaDeclared, state);
    const list = Authorities.get();
    return { setId: CurrentSetId.get(), authorities: this.changes.authorities?.(list) ?? list };
  }

  setOf(store: ChainStore, block: BlockRef): NamedSet {
    const parent = must(store.parent(block.hash), 'a final block has a parent');
    return must(this.sets.get(toHex(parent)), 'a final block was imported');
  }

  setAfter(_store: ChainStore, block: BlockRef): NamedSet {
    return must(this.sets.get(toHex(block.hash)), 'a final block was imported');
  }

  authoring(node: SimNode): Authoring {
    return new Turns(node, this.rules, authoringKeys(must(this.members[node.place.index], 'a node is of a member')));
  }

  traffic(node: SimNode, dice: Dice): readonly Bytes[] {
    return this.people.next(node, dice);
  }

  accusation(store: ChainStore, proof: DoubleProof): Bytes | undefined {
    return accusationOf(this.runtime, store, proof);
  }

  /** Two votes of another's that he never signed, or a header of another's beside one that he never sealed. */
  slander(node: SimNode, dice: Dice): Bytes | undefined {
    const { store } = node.machines;
    const { setId, voters } = this.setAfter(store, store.settled);
    const { id } = dice.pick(voters.voters);
    if (node.place.member.voteKeys.some((own) => equal(own, id))) return undefined;
    const header = Header.dec(must(store.header(store.best.hash), 'the best block has its header'));
    if (dice.permille(500) && header.number > 0) {
      const second = { ...header, stateRoot: blake2_256(header.stateRoot) };
      return accusation(this.runtime, { first: header, second });
    }
    const vote = ({ hash, number }: BlockRef): SignedVote => {
      const target = { hash, number };
      return { stage: 'prevote', target, round: 1n, setId, id, signature: new Uint8Array(64) };
    };
    const [first, second] = [vote(store.best), vote({ ...store.best, number: 0 })];
    return voteAccusation(this.runtime, store, { stage: 'prevote', round: 1n, setId, id, first, second });
  }

  imported(store: ChainStore, block: BlockRef): Judgement | undefined {
    const { difficulty, totalDifficulty } = metaOf(store, block.hash);
    if (difficulty !== 1n || totalDifficulty !== BigInt(block.number)) {
      return { violation: 'difficulty', detail: `${difficulty}, in all ${totalDifficulty}: a turn is one` };
    }
    const key = toHex(block.hash);
    if (this.sets.has(key)) return undefined;
    const view = must(store.view(block.hash), 'a new block has its state');
    this.sets.set(key, namedSet(view));
    const parent = must(store.view(must(store.parent(block.hash), 'a block has a parent')), 'a parent has its state');
    const events = this.runtime.Events.dec(reader(System.declared, view).Events.get()).map(({ event }) => event);
    const named = (pallet: string, name: string): Happened[] =>
      events.flatMap(({ type, value }) => {
        const { type: what, value: fields } = value as { type: string; value: Happened };
        return type === pallet && what === name ? [fields] : [];
      });
    this.certificates += BigInt(named('Certificates', 'Minted').length);
    this.seen.eras.add(reader(StakingDeclared, view).ActiveEra.get()?.index ?? 0);
    if (named('Staking', 'StakersElected').length > 0) {
      this.seen.elections.add(reader(StakingDeclared, view).ActiveEra.get()?.index ?? 0);
    }
    const begins = named('Session', 'NewSession').length > 0;
    return this.slashed(parent, view, named) ?? (begins ? seated(view) : undefined);
  }

  /** Whom a block slashed, and whether he paid what it costs. */
  private slashed(
    parent: StateTree,
    view: StateTree,
    named: (pallet: string, name: string) => Happened[],
  ): Judgement | undefined {
    const { bondingEras } = this.runtime.spec.staking;
    for (const { validator, slash_era: era } of named('Staking', 'SlashReported')) {
      const who = validator as Bytes;
      const index = this.members.findIndex(({ account }) => equal(account, who));
      const name = this.members[index]?.name ?? toHex(who);
      if (!this.weak.has(index)) return { violation: 'innocent', detail: `${name} for era ${era}` };
      this.seen.slashes.add(`${name}/${era}`);
      const [before, after] = [reader(StakingDeclared, parent), reader(StakingDeclared, view)];
      const source = after.ErasSource.get(era as number) ?? (era as number);
      const own = after.ErasStakersOverview.get(source, who)?.own ?? 0n;
      const [was, is] = [before, after].map((state) => BigInt(state.SlashedIn.get(era as number, who)));
      const due = mulDivFloor(own, is ?? 0n, PERBILL) - mulDivFloor(own, was ?? 0n, PERBILL);
      const ledger = before.Ledger.get(who);
      const chunks = (ledger?.unlocking ?? []).filter((chunk) => chunk.era >= source - 1 + bondingEras);
      const atStake = chunks.reduce((sum, { value }) => sum + value, ledger?.active ?? 0n);
      const paid = named('Staking', 'Slashed')
        .filter(({ staker }) => equal(staker as Bytes, who))
        .reduce((sum, { amount }) => sum + (amount as bigint), 0n);
      if (paid < min(due, atStake)) return { violation: 'unpaid', detail: `${name} paid ${paid} of ${due}` };
    }
    return undefined;
  }
}

/** Who votes on what stands on a block with this state. */
function namedSet(view: StateTree): NamedSet {
  const { CurrentSetId, Authorities } = reader(GrandpaDeclared, view);
  return { setId: CurrentSetId.get(), voters: must(VoterSet.of(Authorities.get()), 'somebody votes') };
}

/** Votes weigh as seats do, seats stand on stake, and stake was bonded once. */
function seated(view: StateTree): Judgement | undefined {
  const [session, staking] = [reader(SessionDeclared, view), reader(StakingDeclared, view)];
  const wrong = (detail: string): Judgement => ({ violation: 'seats', detail });
  const seats = session.Seats.get();
  const { voters } = namedSet(view);
  const keys = session.AuthorityKeys.get();
  if (voters.voters.length !== keys.length) return wrong('other voters than seats');
  const era = must(staking.ActiveEra.get(), 'a chain with validators has eras').index;
  const source = staking.ErasSource.get(era) ?? era;
  for (const [place, [validator, own]] of keys.entries()) {
    const seat = must(seats[place], 'a validator has a seat');
    if (voters.get(own.grandpa)?.weight !== seat.weight) return wrong('a vote of another weight than its seat');
    if (staking.ErasStakersOverview.get(source, validator)?.total !== seat.stake) return wrong('a seat without stake');
  }
  const bonded = [...staking.Ledger.entries()].reduce((sum, [, { total }]) => sum + total, 0n);
  // What was bonded at the election is bonded, unbonds, or was slashed.
  const most = bonded + reader(RewardsDeclared, view).Treasury.get();
  return staking.ErasTotalStake.get(era) <= most ? undefined : wrong('more stake behind seats than is bonded');
}
