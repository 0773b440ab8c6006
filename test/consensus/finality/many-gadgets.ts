/**
 * # Many gadgets: gadgets over several authority sets under weather (under-weather.ts).
 *
 * The machine is the real one, the gadget; every twelfth block schedules the next set, and the disk holds what was
 * persisted. What members say is checked as they say it: one vote a stage, round and set, whatever was restarted how.
 */
import assert from 'node:assert/strict';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, equal, toHex } from '../../../src/base/bytes.ts';
import type { FinalityEffect, FinalityInput, FinalityView } from '../../../src/consensus/finality/finality.ts';
import { Grandpa } from '../../../src/consensus/finality/grandpa.ts';
import { verifyJustification } from '../../../src/consensus/finality/justification.ts';
import { GadgetMessage } from '../../../src/consensus/finality/message.ts';
import { standsOn } from '../../../src/consensus/finality/vote-graph.ts';
import { VoterSet } from '../../../src/consensus/finality/voter-set.ts';
import type { Watermark } from '../../../src/consensus/finality/watermark.ts';
import type { DigestItem } from '../../../src/primitives/digest.ts';
import { type AuthorityList, GrandpaLog } from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { keyOf, plainSignature, plainVerify } from './trees.ts';
import { newProcess, type Process, T, UnderWeather, type Weather } from './under-weather.ts';

/** A set lasts so many blocks. */
export const SESSION = 12;

/** What a disk holds. */
interface Disk {
  readonly records: Map<string, Bytes>;
  readonly proofs: Map<string, Bytes>;
  finalized: BlockRef;
}

export interface Member extends Process {
  /** With whose key it votes: its own, unless it is a twin. */
  readonly voter: string;
  /** Votes that it cast, and what it was told of others who cast some with its key. */
  votes: number;
  readonly doubles: string[];
  /** As the process sees it, and as it survives. */
  memory: Disk;
  disk: Disk;
  mark: Watermark | undefined;
  gadget: Grandpa | undefined;
}

const copy = ({ records, proofs, finalized }: Disk): Disk => ({
  records: new Map(records),
  proofs: new Map(proofs),
  finalized,
});

function newMember(name: string, voter: string): Member {
  const process = newProcess(name);
  const disk = { records: new Map(), proofs: new Map(), finalized: process.chain.ref('0') };
  return { ...process, voter, votes: 0, doubles: [], memory: copy(disk), disk, gadget: undefined, mark: undefined };
}

export class ManyGadgets extends UnderWeather<Member> {
  readonly members: Member[];
  /** Names of members who hear and say nothing. */
  readonly away = new Set<string>();
  /** The proofs of blocks that ended sets, by set id. */
  readonly ends = new Map<bigint, Bytes>();
  readonly reports: string[] = [];
  private readonly sets: readonly (readonly string[])[];
  private readonly delay: number;
  private readonly said = new Map<string, string>();

  /** `sets`: who votes in each set in turn, the last for ever; `delay`: blocks from a change to its effect. */
  constructor(seed: number, sets: readonly (readonly string[])[], weather: Weather, delay = 0) {
    super(seed, weather);
    this.sets = sets;
    this.delay = delay;
    this.members = [...new Set(sets.flat())].sort().map((name) => newMember(name, name));
    this.begin();
  }

  member(name: string): Member {
    return must(
      this.members.find((one) => one.name === name),
      name,
    );
  }

  /** Stops a process; it starts again from `disk`, or from what it persisted. */
  restart(name: string, disk?: Disk): void {
    const member = this.member(name);
    this.stopNow(member);
    if (disk !== undefined) member.disk = copy(disk);
    this.start(member);
  }

  /** A second process with a member's key and no watermark: with this disk, or an empty one, and all blocks. */
  twin(name: string, disk?: Disk): Member {
    const twin = newMember(`${name}'s twin`, name);
    for (const [block, made] of this.made) this.bring(twin, block, made);
    if (disk !== undefined) twin.disk = copy(disk);
    this.members.push(twin);
    this.start(twin);
    return twin;
  }

  /** Ends a process for good. */
  stop(name: string): void {
    this.stopNow(this.member(name));
    this.away.add(name);
  }

  /** What the disk of a member holds now. */
  backup(name: string): Disk {
    return copy(this.member(name).disk);
  }

  authorities(setId: number): AuthorityList {
    const names = this.sets[Math.min(setId, this.sets.length - 1)] ?? [];
    return names.map((name): [Bytes, bigint] => [keyOf(name), 1n]);
  }

  protected processes(): readonly Member[] {
    return this.members;
  }

  protected finalOf({ memory }: Member): BlockRef {
    return memory.finalized;
  }

  /** Heights of one session schedule the same set on every branch, as a chain of sessions does. */
  protected digestAt(number: number): DigestItem[] {
    if (number % SESSION !== 0) return [];
    const next = this.authorities(number / SESSION);
    const data = GrandpaLog.enc({ type: 'ScheduledChange', value: { next, delay: this.delay } });
    return [{ type: 'Consensus', value: { engine: 'FRNK', data } }];
  }

  protected start(member: Member): void {
    member.memory = copy(member.disk);
    const id = keyOf(member.voter);
    member.gadget = new Grandpa({
      setAt: () => ({ setId: 0n, authorities: this.authorities(0) }),
      gossipMs: T,
      keys: () => [{ publicKey: id, sign: (message) => plainSignature(id, message) }],
      markOf: () => member.mark,
      verify: plainVerify,
      keepEvery: 8,
    });
    this.tell(member, { type: 'tick' });
  }

  protected end(member: Member): void {
    member.gadget = undefined;
  }

  private viewOf({ chain, memory }: Member): FinalityView {
    const isAbove = (block: BlockRef) => standsOn(chain, block, memory.finalized);
    return {
      best: must(chain.bestOn(memory.finalized), 'what is final is known'),
      finalized: memory.finalized,
      ancestor: (of, number) => chain.ancestor(of, number),
      bestOn: (block) => (isAbove(block) ? chain.bestOn(block) : undefined),
      header: chain.header,
      justification: (hash) => memory.proofs.get(toHex(hash)),
      record: (name) => memory.records.get(name),
    };
  }

  protected tell(member: Member, input: FinalityInput): void {
    const { gadget } = member;
    if (gadget === undefined) return;
    const effects = gadget.step(this.now, input, this.viewOf(member));
    // As the chain does: what goes into the store does so at once, and reaches the disk with the next flush.
    for (const effect of effects) if (effect.type === 'put') member.memory.records.set(effect.name, effect.value);
    const finalized = effects.filter((effect) => effect.type === 'finalize');
    for (const effect of finalized) this.finalize(member, effect);
    for (const effect of effects) {
      if (this.below(1_000) < this.weather.crashes * 10) {
        this.crash(member);
        return;
      }
      this.perform(member, effect);
    }
    if (finalized.length > 0) member.disk = copy(member.memory);
    this.wakeAt(member, gadget.wakeAt());
  }

  private perform(member: Member, effect: FinalityEffect): void {
    const { memory } = member;
    switch (effect.type) {
      case 'persist':
        member.disk = copy(memory);
        member.mark = effect.mark;
        break;
      case 'broadcast': {
        this.check(member, effect.message);
        for (const to of this.members) if (to !== member) this.send(member, to, effect.message);
        break;
      }
      case 'tell':
        this.send(member, this.member(effect.peer), effect.message);
        break;
      case 'report':
        this.reports.push(`${member.name} reports ${effect.peer}`);
        break;
      case 'equivocation':
        assert.fail('nobody votes twice here');
        break;
      case 'doppelganger':
        member.doubles.push(effect.kind);
        break;
      default:
        break;
    }
  }

  private send(from: Member, to: Member, message: Bytes): void {
    if (this.away.has(from.name) || this.away.has(to.name)) return;
    this.carry(() => this.tell(to, { type: 'message', peer: from.name, message }));
  }

  private check(member: Member, bytes: Bytes): void {
    const message = GadgetMessage.dec(bytes);
    if (message.type !== 'Vote') return;
    const { vote } = message.value;
    assert.ok(equal(vote.id, keyOf(member.voter)));
    const place = `${member.voter}/${vote.setId}/${vote.round}/${vote.stage}`;
    const target = toHex(vote.target.hash);
    assert.equal(this.said.get(place) ?? target, target, `${place}: one vote, restarts included`);
    if (!this.said.has(place)) member.votes++;
    this.said.set(place, target);
  }

  private finalize(member: Member, effect: Extract<FinalityEffect, { type: 'finalize' }>): void {
    const { block, justification, keep } = effect;
    const { memory } = member;
    assert.ok(block.number > memory.finalized.number && standsOn(this.chain, block, memory.finalized));
    // A set ends `delay` blocks above each multiple of SESSION.
    const before = memory.finalized.number - this.delay;
    const setId = Math.max(0, Math.floor(before / SESSION));
    const end = (setId + 1) * SESSION + this.delay;
    assert.ok(block.number <= end, 'no block is final by a set that ended below it');
    const bytes = must(justification, 'a proof');
    const voters = must(VoterSet.of(this.authorities(setId)), 'a set');
    const verdict = verifyJustification(bytes, { voters, setId: BigInt(setId), verify: plainVerify, target: block });
    assert.ok(verdict.ok, `the proof of set ${setId} holds`);
    if (block.number === end) {
      assert.equal(keep, true, 'the proof of an end is stored');
      this.ends.set(BigInt(setId), bytes);
    }
    memory.finalized = block;
    if (keep) memory.proofs.set(toHex(block.hash), bytes);
    this.ensureOneBranch(block, this.members);
  }
}
