/**
 * # Many voters: the voters of one set under weather (under-weather.ts), one of them a liar.
 *
 * The machine is the real one, a voter; its disk holds what it persisted. What honest voters say is checked as they
 * say it: one vote a stage and round, crashes included.
 */
import assert from 'node:assert/strict';
import { must } from '../../../src/base/assert.ts';
import { toHex } from '../../../src/base/bytes.ts';
import type { Equivocation, SignedVote } from '../../../src/consensus/finality/round.ts';
import { Voter, type VoterEffect, type VoterInput, type VoterMemory } from '../../../src/consensus/finality/voter.ts';
import { voteMessage } from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { keyOf, plainSignature, plainVerify, votersOf } from './trees.ts';
import { newProcess, type Process, T, UnderWeather, type Weather } from './under-weather.ts';

export interface Plan {
  readonly seed: number;
  readonly voters: number;
  readonly liar: boolean;
}

interface Node extends Process {
  finalized: BlockRef;
  disk: VoterMemory | undefined;
  voter: Voter | undefined;
}

export class ManyVoters extends UnderWeather<Node> {
  readonly nodes: readonly Node[];
  readonly evidence: Equivocation[] = [];
  private readonly said = new Map<string, string>();
  private readonly plan: Plan;

  constructor(plan: Plan, weather: Weather) {
    super(plan.seed, weather);
    this.plan = plan;
    this.nodes = Array.from({ length: plan.voters }, (_, i) => {
      const process = newProcess(`v${i}`);
      return { ...process, finalized: process.chain.ref('0'), disk: undefined, voter: undefined };
    });
    this.begin();
  }

  get honest(): readonly Node[] {
    return this.nodes.filter((node) => node !== this.liar);
  }

  private get liar(): Node | undefined {
    return this.plan.liar ? this.nodes[0] : undefined;
  }

  protected processes(): readonly Node[] {
    return this.nodes;
  }

  protected finalOf({ finalized }: Node): BlockRef {
    return finalized;
  }

  protected digestAt(): readonly [] {
    return [];
  }

  protected start(node: Node): void {
    const id = keyOf(node.name);
    node.voter = new Voter(this.now, {
      setId: 0n,
      voters: votersOf(Object.fromEntries(this.nodes.map(({ name }) => [name, 1]))),
      gossipMs: T,
      key: { publicKey: id, sign: (message) => plainSignature(id, message) },
      chain: node.chain,
      finalized: node.finalized,
      verify: plainVerify,
      ...(node.disk && { memory: node.disk }),
    });
    this.tell(node, { type: 'tick' });
  }

  protected end(node: Node): void {
    node.voter = undefined;
  }

  protected tell(node: Node, input: VoterInput): void {
    const { voter } = node;
    if (voter === undefined) return;
    for (const effect of voter.step(this.now, input)) {
      if (this.below(100) < this.weather.crashes && node !== this.liar) {
        this.crash(node);
        return;
      }
      this.perform(node, effect);
    }
    this.wakeAt(node, voter.wakeAt());
  }

  private perform(node: Node, effect: VoterEffect): void {
    switch (effect.type) {
      case 'persist':
        node.disk = effect.memory;
        break;
      case 'broadcast':
        this.broadcast(node, effect.vote);
        break;
      case 'finalize':
        this.finalize(node, effect.block);
        if (effect.own) {
          for (const to of this.others(node)) {
            this.send(node, to, { type: 'justification', peer: node.name, bytes: effect.justification });
          }
        }
        break;
      case 'equivocation':
        this.evidence.push(effect.proof);
        break;
      case 'askCatchUp':
        this.send(node, effect.peer, { type: 'catchUpAsked', peer: node.name, round: effect.round });
        break;
      case 'catchUp':
        this.send(node, effect.peer, { type: 'catchUp', peer: node.name, record: effect.record });
        break;
      case 'report':
        assert.fail(`${node.name} reports ${effect.peer}: ${effect.fault}`);
    }
  }

  private others(node: Node): readonly string[] {
    return this.nodes.filter((one) => one !== node).map(({ name }) => name);
  }

  private send(from: Node, to: string, input: VoterInput): void {
    const target = must(
      this.nodes.find(({ name }) => name === to && name !== from.name),
      to,
    );
    this.carry(() => this.tell(target, input));
  }

  private broadcast(node: Node, vote: SignedVote): void {
    if (node === this.liar) {
      this.lie(node, vote);
      return;
    }
    const place = `${node.name}/${vote.round}/${vote.stage}`;
    const target = toHex(vote.target.hash);
    assert.equal(this.said.get(place) ?? target, target, `${place}: an honest voter votes once, crashes included`);
    this.said.set(place, target);
    for (const to of this.others(node)) this.send(node, to, { type: 'vote', peer: node.name, vote });
  }

  /** To some what a voter should say, to others a vote for any block. */
  private lie(node: Node, vote: SignedVote): void {
    const blocks = node.chain.all();
    for (const to of this.others(node)) {
      const { hash, number } = this.below(2) === 0 ? vote.target : (blocks[this.below(blocks.length)] as BlockRef);
      const signature = plainSignature(vote.id, voteMessage(vote.stage, { hash, number }, vote.round, vote.setId));
      const other = { ...vote, target: { hash, number }, signature };
      this.send(node, to, { type: 'vote', peer: node.name, vote: other });
    }
  }

  private finalize(node: Node, block: BlockRef): void {
    assert.ok(block.number > node.finalized.number, 'finality only goes up');
    node.finalized = block;
    this.ensureOneBranch(block, this.honest);
  }
}
