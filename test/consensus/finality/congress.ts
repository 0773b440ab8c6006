/**
 * # Congress: voters under a virtual clock and a seed, with lost, late and reordered messages, crashes and one liar.
 *
 * The machines are the real ones. A node is a voter, its own view of the chain, and a disk that holds what was
 * persisted; a crash drops the effects that were not yet performed, as a crash would.
 */
import assert from 'node:assert/strict';
import { must } from '../../../src/base/assert.ts';
import { equal, toHex } from '../../../src/base/bytes.ts';
import type { Equivocation, SignedVote } from '../../../src/consensus/finality/round.ts';
import { standsOn } from '../../../src/consensus/finality/vote-graph.ts';
import { Voter, type VoterEffect, type VoterInput, type VoterMemory } from '../../../src/consensus/finality/voter.ts';
import { voteMessage } from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { Headers } from './headers.ts';
import { keyOf, plainSignature, plainVerify, votersOf } from './trees.ts';

export const T = 1_000;
const BLOCK_MS = 3_000;

export interface Weather {
  /** Of 100 messages. */
  readonly loss: number;
  readonly delayMs: number;
  /** Of 100 effects that a crash follows. */
  readonly crashes: number;
}

export interface Plan {
  readonly seed: number;
  readonly voters: number;
  readonly liar: boolean;
}

interface Node {
  readonly name: string;
  readonly chain: Headers;
  readonly waiting: Map<string, string>;
  finalized: BlockRef;
  disk: VoterMemory | undefined;
  voter: Voter | undefined;
  wake: number | undefined;
}

export class Congress {
  now = 0;
  weather: Weather;
  crashed = 0;
  readonly nodes: Node[];
  /** Everything that was ever built. */
  readonly chain = new Headers();
  readonly evidence: Equivocation[] = [];
  private readonly said = new Map<string, string>();
  private readonly events: { at: number; seq: number; run: () => void }[] = [];
  private readonly plan: Plan;
  private seq = 0;
  private state: number;
  private built = 0;

  constructor(plan: Plan, weather: Weather) {
    this.plan = plan;
    this.weather = weather;
    this.state = plan.seed >>> 0;
    const names = Array.from({ length: plan.voters }, (_, i) => `v${i}`);
    this.nodes = names.map((name) => {
      const chain = new Headers();
      return {
        name,
        chain,
        waiting: new Map(),
        finalized: chain.ref('0'),
        disk: undefined,
        voter: undefined,
        wake: undefined,
      };
    });
    for (const node of this.nodes) this.start(node);
    this.after(BLOCK_MS, () => this.build());
  }

  get liar(): Node | undefined {
    return this.plan.liar ? this.nodes[0] : undefined;
  }

  get honest(): readonly Node[] {
    return this.nodes.filter((node) => node !== this.liar);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.events.sort((a, b) => a.at - b.at || a.seq - b.seq);
      const next = this.events[0];
      if (next === undefined || next.at > end) break;
      this.events.shift();
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  private after(ms: number, run: () => void): void {
    this.events.push({ at: this.now + ms, seq: this.seq++, run });
  }

  /** Somebody's block on what he holds best, or, one time in four, beside it: a fork. Blocks are late, never lost. */
  private build(): void {
    const name = `${++this.built}`;
    const { chain, finalized } = this.nodes[this.below(this.nodes.length)] as Node;
    const best = must(chain.bestOn(finalized), 'what is final is known');
    const beside = this.below(4) === 0 && best.number > finalized.number;
    const on = beside ? must(chain.ancestor(best.hash, best.number - 1), 'a parent') : best;
    const parent = must(chain.name(on), 'a name');
    this.chain.grow(parent, name);
    for (const node of this.nodes) this.after(this.below(this.weather.delayMs), () => this.bring(node, name, parent));
    this.after(BLOCK_MS, () => this.build());
  }

  private bring(node: Node, name: string, parent: string): void {
    node.waiting.set(name, parent);
    for (let found = true; found; ) {
      found = false;
      for (const [block, on] of node.waiting) {
        if (!node.chain.has(on)) continue;
        node.chain.grow(on, block);
        node.waiting.delete(block);
        found = true;
      }
    }
    this.tell(node, { type: 'head' });
  }

  private start(node: Node): void {
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

  private tell(node: Node, input: VoterInput): void {
    const { voter } = node;
    if (voter === undefined) return;
    for (const effect of voter.step(this.now, input)) {
      if (this.below(100) < this.weather.crashes && node !== this.liar) {
        this.crash(node);
        return;
      }
      this.perform(node, effect);
    }
    const wake = voter.wakeAt();
    if (wake === undefined || wake === node.wake) return;
    assert.ok(wake > this.now, 'a voter asks to be woken in the future');
    node.wake = wake;
    this.after(wake - this.now, () => {
      if (node.wake !== wake) return;
      node.wake = undefined;
      this.tell(node, { type: 'tick' });
    });
  }

  private crash(node: Node): void {
    this.crashed++;
    node.voter = undefined;
    node.wake = undefined;
    this.after(1 + this.below(10 * T), () => this.start(node));
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
    if (this.below(100) < this.weather.loss) return;
    const target = must(
      this.nodes.find(({ name }) => name === to && name !== from.name),
      to,
    );
    this.after(1 + this.below(this.weather.delayMs), () => this.tell(target, input));
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
    for (const { finalized } of this.honest) {
      const [low, high] = finalized.number < block.number ? [finalized, block] : [block, finalized];
      const one = standsOn(this.chain, high, low) || equal(high.hash, low.hash);
      assert.ok(one, `seed ${this.plan.seed}: ${this.chain.name(low)} and ${this.chain.name(high)} are both final`);
    }
  }
}
