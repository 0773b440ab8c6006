/**
 * # Simulation: a network of nodes under a plan: everything that happens follows from the plan alone.
 *
 * Always true: two runs of one plan give the same hash; the watch looks at every step; a run ends at its first
 * violation, or when the plan is over.
 */
import { must } from '../base/assert.ts';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { Chain } from '../consensus/chain.ts';
import type { Millis } from '../consensus/difficulty.ts';
import { Grandpa } from '../consensus/finality/grandpa.ts';
import { GadgetMessage } from '../consensus/finality/message.ts';
import { Clock } from './clock.ts';
import { Dice } from './dice.ts';
import { Network } from './network.ts';
import { SimNode } from './node.ts';
import type { Make } from './parts.ts';
import { type Fault, type Plan, toleratedNodes } from './plan.ts';
import { StakeWorld } from './stake-world.ts';
import { Trace } from './trace.ts';
import { messageOf, type ViceName, viceOf, voteOf } from './vices.ts';
import { type Found, Watch } from './watch.ts';
import { WorkWorld } from './work-world.ts';
import { type Economy, START, type World, type WorldChanges } from './world.ts';

/** In the healed phase the head may be so far above the last finalized block. */
const LAG_BLOCKS = 8;
/** After healing this long nothing is asked of the nodes. */
const GRACE_MS = 60_000;
const LOOK_MS = 1_000;
/** Extrinsics come so often. */
const EXTRINSIC_MS = 8_000;

/** Parts to put in the place of the right ones. */
export interface Changes extends WorldChanges {
  readonly make?: Partial<Make>;
}

export interface Outcome {
  readonly plan: Plan;
  readonly found: Found | undefined;
  /** 16 hex digits of all that happened. */
  readonly hash: string;
  readonly trace: readonly string[];
  readonly steps: number;
  /** Height of the highest head, and blocks imported by all nodes together. */
  readonly head: number;
  readonly imports: number;
  readonly finalized: number;
  readonly crashes: number;
  /** Of the schedule of traitors: whether finality broke, with evidence against those who broke it. */
  readonly broken: boolean;
  /** How many two of their own votes convict. */
  readonly convicted: number;
  readonly economy: Economy;
}

export class Simulation {
  readonly world: World;
  readonly clock = new Clock(START);
  readonly trace = new Trace(START);
  readonly nodes: readonly SimNode[];
  readonly watch: Watch;
  readonly network: Network;
  private readonly plan: Plan;
  private readonly dice: Dice;
  private readonly traitors: readonly SimNode[];
  private isHealed = false;
  private steps = 0;
  private notes = 0;

  constructor(plan: Plan, world: World, changes: Changes = {}) {
    const { clock, trace } = this;
    this.plan = plan;
    this.world = world;
    this.dice = new Dice(plan.seed, 'simulation');
    const streams = world.members.map(({ name }) => this.dice.stream(`network of ${name}`));
    this.network = new Network(clock, streams);
    const make = { ...this.make(), ...changes.make };
    this.watch = new Watch(world, () => clock.now - START);
    const observer = {
      said: (node: SimNode, message: Bytes) => this.said(node, message),
      left: (message: Bytes) => this.watch.left(message),
      accuses: this.watch.accuses.bind(this.watch),
      chain: this.watch.chain.bind(this.watch),
      synced: this.watch.synced.bind(this.watch),
      started: this.watch.started.bind(this.watch),
      restored: this.watch.restored.bind(this.watch),
      stepped: this.watch.stepped.bind(this.watch),
      failed: (node: SimNode, error: unknown) => this.watch.report('threw', node.name, textOf(error)),
    };
    const nodes: SimNode[] = [];
    this.nodes = nodes;
    for (const [index, member] of world.members.entries()) {
      const dice = this.dice.stream(member.name);
      const others = () => nodes.filter((_, other) => other !== index);
      nodes.push(
        new SimNode({ index, member, world, clock, network: this.network, dice, trace, observer, make, others }),
      );
    }
    for (const fault of plan.faults) this.prepare(fault);
    this.traitors = nodes.filter((node) => this.colluding.has(node));
  }

  private readonly colluding = new Set<SimNode>();

  run(): Outcome {
    const { clock, plan, nodes, watch } = this;
    for (const fault of plan.faults) this.plant(fault);
    for (const node of nodes) clock.at(START + this.dice.below(3_000), () => node.start());
    clock.at(START + EXTRINSIC_MS, () => this.submit());
    clock.at(START + plan.healsAt, () => this.heal());
    this.until(START + Math.min(plan.healsAt + GRACE_MS, plan.lengthMs), () => false);
    const calm = this.until(START + plan.lengthMs, () => this.isWell());
    this.until(START + plan.lengthMs, () => false);
    if (watch.found === undefined) this.judge(calm);
    return this.outcome();
  }

  private judge(isWell: boolean): void {
    const { watch } = this;
    const { conflict } = watch;
    if (this.traitors.length > 0) {
      const { convicted } = watch;
      const enough = toleratedNodes(this.nodes.length) + 1;
      if (conflict !== undefined && convicted < enough) watch.report('unnamed', 'all', `${convicted} of ${enough}`);
      return;
    }
    if (conflict !== undefined) watch.report('conflict', conflict.node, conflict.detail);
    else if (!isWell) this.reportUnwell();
    else watch.judgeEvidence(this.plan.healsAt, this.plan.lengthMs - GRACE_MS);
  }

  private reportUnwell(): void {
    const heads = this.honest.map((node) => `${node.name} ${node.headKey.slice(0, 8)} ${node.standing}`);
    const same = new Set(this.honest.map(({ headKey }) => headKey)).size === 1;
    this.watch.report(same ? 'finality' : 'heads', 'all', heads.join(', '));
  }

  get honest(): readonly SimNode[] {
    return this.nodes.filter(({ vice }) => vice === undefined);
  }

  /** Runs until a time, or until `done`, which is looked at now and then; true when it was done. */
  private until(end: Millis, done: () => boolean): boolean {
    const { clock, watch } = this;
    let lookAt = clock.now + LOOK_MS;
    while (watch.found === undefined && clock.step(end)) {
      this.steps++;
      if (this.traitors.length === 0 && watch.conflict !== undefined) return false;
      if (clock.now < lookAt) continue;
      lookAt = clock.now + LOOK_MS;
      if (done()) return true;
    }
    return done();
  }

  /** One head among honest nodes, and little of it not final. */
  private isWell(): boolean {
    const [first, ...others] = this.honest;
    if (first === undefined || !this.honest.every(({ isUp }) => isUp)) return false;
    const { best } = first.machines.store;
    if (!others.every((node) => equal(node.machines.store.best.hash, best.hash))) return false;
    return this.honest.every(({ machines }) => machines.store.settled.number >= best.number - LAG_BLOCKS);
  }

  private heal(): void {
    this.isHealed = true;
    this.trace.note(this.clock.now, 'all', 'heals');
  }

  private submit(): void {
    const node = this.dice.pick(this.nodes);
    const note = this.notes++;
    if (node.isUp) for (const extrinsic of this.world.traffic(node, this.dice, note)) node.submit(extrinsic);
    for (const liar of this.nodes) {
      const lie = liar.isUp && liar.vice?.frames === true ? this.world.slander(liar, this.dice) : undefined;
      if (lie !== undefined) liar.pass([lie]);
    }
    this.clock.after(this.dice.wait(EXTRINSIC_MS), () => this.submit());
  }

  private make(): Make {
    return {
      persists: true,
      chain: (parts) => new Chain(parts),
      finality: (setup) => new Grandpa(setup),
    };
  }

  // ---- faults

  private prepare(fault: Fault): void {
    if (fault.kind === 'skew') {
      this.node(fault.node).skewMs = fault.ms;
      this.node(fault.node).mostSkewMs = fault.ms;
    }
    if (fault.kind === 'vice') this.corrupt(this.node(fault.node), fault.vice);
  }

  private corrupt(node: SimNode, name: ViceName): void {
    node.vice = viceOf(name, () => this.isHealed);
    this.watch.vicious.add(node.name);
    if (name === 'collude') this.colluding.add(node);
  }

  private plant(fault: Fault): void {
    const { clock, network } = this;
    const at = (time: Millis, run: () => void) => clock.at(START + time, run);
    switch (fault.kind) {
      case 'weather':
        at(fault.from, () => network.begin(fault.weather));
        at(fault.until, () => network.end(fault.weather));
        return;
      case 'partition': {
        const side = new Set(fault.side);
        const parts = (a: number, b: number) => side.has(a) !== side.has(b);
        at(fault.from, () => network.cut(parts));
        at(fault.until, () => network.join(parts));
        return;
      }
      case 'clog':
        at(fault.from, () => network.clog(fault.node));
        at(fault.until, () => network.unclog(fault.node));
        return;
      case 'crash':
        at(fault.at, () => this.node(fault.node).crash(fault.downMs));
        return;
      case 'oldDisk':
        at(fault.from, () => this.node(fault.node).backUp());
        at(fault.until, () => this.node(fault.node).restore(fault.downMs));
        return;
      case 'crashAt':
        at(fault.at, () => this.node(fault.node).arm(fault.point, fault.count, fault.downMs));
        return;
      case 'power':
        at(fault.from, () => this.node(fault.node).authoring.setPower(fault.factor));
        at(fault.until, () => this.node(fault.node).authoring.setPower(1));
        return;
      case 'clock':
        at(fault.from, () => this.node(fault.node).setClock(fault.ms));
        at(fault.until, () => this.node(fault.node).setClock(-fault.ms));
        return;
      case 'skew':
      case 'vice':
        return;
    }
  }

  private node(index: number): SimNode {
    return must(this.nodes[index], 'a node of the plan');
  }

  // ---- traitors

  /** Whatever an honest node says, the traitors say to it and to those on its side. */
  private said(node: SimNode, message: Bytes): void {
    if (this.traitors.length === 0 || this.colluding.has(node)) return;
    const said = GadgetMessage.dec(message);
    if (said.type !== 'Vote') return;
    const { index } = node.place;
    const side = this.nodes.filter(
      (other) => !this.colluding.has(other) && this.network.reaches(index, other.place.index),
    );
    for (const traitor of this.traitors) {
      const echo = messageOf(voteOf(traitor.place.member.voteKeys[0], said.value.vote, said.value.vote.target));
      this.watch.left(echo);
      for (const other of side) this.clock.after(50, () => other.hear(traitor.name, echo));
    }
  }

  private outcome(): Outcome {
    const { plan, watch, trace, steps, nodes } = this;
    const best = Math.max(...nodes.map(({ machines }) => machines.store.best.number));
    for (const node of nodes) trace.note(this.clock.now, node.name, 'ends at', toHex(node.machines.store.best.hash));
    return {
      plan,
      found: watch.found,
      hash: trace.hash,
      trace: trace.lines(),
      steps,
      head: best,
      imports: nodes.reduce((sum, node) => sum + node.imported, 0),
      finalized: watch.final.size,
      crashes: nodes.reduce((sum, node) => sum + node.crashes, 0),
      broken: watch.conflict !== undefined,
      convicted: watch.convicted,
      economy: this.world.economy,
    };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.stack?.split('\n')[1]?.trim() ?? ''}` : String(error);
}

function worldOf({ chain, nodes, faults }: Plan, changes: Changes): World {
  if (chain === 'work') return new WorkWorld(nodes, changes);
  // Whose clock is wrong is as good as away: of as little stake as who misbehaves.
  const weak = faults.flatMap((fault) => (fault.kind === 'vice' || fault.kind === 'clock' ? [fault.node] : []));
  return new StakeWorld(nodes, new Set(weak), changes);
}

/** Runs a plan in a world of its own. */
export function simulate(plan: Plan, changes: Changes = {}): Outcome {
  return new Simulation(plan, worldOf(plan, changes), changes).run();
}
