/**
 * # Plan: what goes wrong in a simulation, when and to whom: a list, so that it can be shrunk.
 *
 * Always true: seed, schedule, number of nodes, minutes and a vice, if one is named, give the plan; every fault is over
 * when the plan heals, and the weight of those who misbehave is no more than the voters tolerate, but for the schedule
 * of traitors.
 */
import { assert } from '../base/assert.ts';
import type { Millis } from '../consensus/difficulty.ts';
import { Dice } from './dice.ts';
import type { Weather } from './network.ts';
import type { CrashPoint } from './parts.ts';
import { ORDINARY_VICES, STAKE_VICES, type ViceName } from './vices.ts';
import { MAX_WEIGHT } from './work-chain.ts';
import type { ChainKind } from './world.ts';

/** Times are in ms from the start, nodes are numbers. */
export type Fault =
  | { readonly kind: 'weather'; readonly from: Millis; readonly until: Millis; readonly weather: Weather }
  /** Nothing passes between these and the others. */
  | { readonly kind: 'partition'; readonly from: Millis; readonly until: Millis; readonly side: readonly number[] }
  /** What goes to and from the node waits until the end. */
  | { readonly kind: 'clog'; readonly from: Millis; readonly until: Millis; readonly node: number }
  | { readonly kind: 'crash'; readonly at: Millis; readonly node: number; readonly downMs: Millis }
  /** What its disk held at `from` is put back at `until`. */
  | {
      readonly kind: 'oldDisk';
      readonly from: Millis;
      readonly until: Millis;
      readonly node: number;
      readonly downMs: Millis;
    }
  /** From then on, at the `count`-th such point. */
  | {
      readonly kind: 'crashAt';
      readonly at: Millis;
      readonly node: number;
      readonly point: CrashPoint;
      readonly count: number;
      readonly downMs: Millis;
    }
  /** Its clock is so far ahead, always. */
  | { readonly kind: 'skew'; readonly node: number; readonly ms: Millis }
  /** Its clock on the wall is put so much further, and put right again. */
  | {
      readonly kind: 'clock';
      readonly from: Millis;
      readonly until: Millis;
      readonly node: number;
      readonly ms: Millis;
    }
  | {
      readonly kind: 'power';
      readonly from: Millis;
      readonly until: Millis;
      readonly node: number;
      readonly factor: number;
    }
  | { readonly kind: 'vice'; readonly node: number; readonly vice: ViceName };

export const SCHEDULES = [
  'calm',
  'lossy',
  'partition',
  'swizzle',
  'churn',
  'byzantine',
  'mixed',
  'traitors',
  'clocks',
] as const;
export type Schedule = (typeof SCHEDULES)[number];
/** What a chain of stake is put through: who breaks its finality there loses his stake, and so the weight to do it. */
export const STAKE_SCHEDULES = SCHEDULES.filter((schedule) => schedule !== 'traitors');

export interface Plan {
  readonly seed: number;
  readonly chain: ChainKind;
  readonly schedule: Schedule;
  readonly nodes: number;
  /** All of it, the healed phase included. */
  readonly lengthMs: Millis;
  /** From here on nothing goes wrong that is not a node's own vice. */
  readonly healsAt: Millis;
  readonly faults: readonly Fault[];
}

export interface PlanOptions {
  readonly seed: number;
  /** By work, if it says nothing. */
  readonly chain?: ChainKind;
  readonly schedule: Schedule;
  readonly nodes: number;
  readonly minutes: number;
  /** Of all who misbehave; drawn for each, if it says nothing. */
  readonly vice?: ViceName;
}

/** Of stake: four honest ones, each below a third, while one has lost his seat. */
export const LEAST_NODES: Readonly<Record<ChainKind, number>> = { work: 4, stake: 5 };

/** Of the time, what remains for healing. */
const HEALED_PART = 3 / 10;
const LEAST_HEALED_MS = 120_000;

interface Making {
  readonly dice: Dice;
  readonly chain: ChainKind;
  readonly nodes: number;
  readonly healsAt: Millis;
  readonly vice: ViceName | undefined;
}

type Maker = (at: Making) => Fault[];

/** The plan of a seed. */
export function planOf(options: PlanOptions): Plan {
  const { seed, chain = 'work', schedule, nodes, minutes, vice } = options;
  assert(chain === 'work' || schedule !== 'traitors', 'traitors stand on chains by work');
  assert(nodes >= LEAST_NODES[chain], `a chain of ${chain} has at least ${LEAST_NODES[chain]} nodes`);
  const lengthMs = minutes * 60_000;
  const healsAt = Math.max(0, Math.min(lengthMs - LEAST_HEALED_MS, Math.floor(lengthMs * (1 - HEALED_PART))));
  const dice = new Dice(seed, `plan ${schedule}`);
  const at = { dice, chain, nodes, healsAt, vice };
  const faults = [...skews(at), ...MAKERS[schedule].flatMap((make) => make(at))];
  if (schedule === 'traitors') faults.push(...traitors(at));
  // Whoever's clock is wrong is as good as away, and no more of them than that are tolerated.
  else if (schedule !== 'calm' && schedule !== 'clocks') faults.push(...vices(at));
  return { seed, chain, schedule, nodes, lengthMs, healsAt, faults };
}

const MAKERS: Readonly<Record<Schedule, readonly Maker[]>> = {
  calm: [],
  lossy: [storms],
  partition: [partitions],
  swizzle: [swizzle],
  churn: [crashes, crashPoints, powerCuts, oldDisks],
  byzantine: [],
  mixed: [storms, partitions, swizzle, crashes, crashPoints, powerCuts, oldDisks, powers],
  traitors: [],
  clocks: [storms, clocks],
};

function skews({ dice, nodes }: Making): Fault[] {
  return Array.from({ length: nodes }, (_, node) => ({ kind: 'skew', node, ms: dice.between(-2_000, 2_000) }) as const);
}

/** A stretch of time before healing. */
function stretch({ dice, healsAt }: Making, least: Millis, most: Millis): { from: Millis; until: Millis } {
  const length = Math.min(dice.between(least, most), healsAt);
  const from = dice.below(healsAt - length + 1);
  return { from, until: from + length };
}

function storms(at: Making): Fault[] {
  const { dice } = at;
  return Array.from({ length: 2 + dice.below(3) }, () => {
    const weather = { loss: dice.below(301), replay: dice.below(501), delayMs: dice.between(200, 4_000) };
    return { kind: 'weather', ...stretch(at, 30_000, 180_000), weather };
  });
}

function partitions(at: Making): Fault[] {
  const { dice, nodes } = at;
  return Array.from({ length: 1 + dice.below(3) }, () => {
    const all = dice.shuffled(Array.from({ length: nodes }, (_, node) => node));
    const side = all.slice(0, 1 + dice.below(Math.floor(nodes / 2)));
    return { kind: 'partition', ...stretch(at, 20_000, 150_000), side };
  });
}

/** Clogs nodes one after the other in random order, then opens them one after the other in another. */
function swizzle(at: Making): Fault[] {
  const { dice, nodes } = at;
  const faults: Fault[] = [];
  for (let round = 0; round < 1 + dice.below(2); round++) {
    const { from, until } = stretch(at, 60_000, 180_000);
    const half = Math.floor((until - from) / 2);
    const all = Array.from({ length: nodes }, (_, node) => node);
    const [closing, opening] = [dice.shuffled(all), dice.shuffled(all)];
    for (const node of all) {
      const closes = from + Math.floor((half * (closing.indexOf(node) + 1)) / (nodes + 1));
      const opens = from + half + Math.floor((half * (opening.indexOf(node) + 1)) / (nodes + 1));
      faults.push({ kind: 'clog', from: closes, until: opens, node });
    }
  }
  return faults;
}

function crashes({ dice, nodes, healsAt }: Making): Fault[] {
  return Array.from({ length: 2 + dice.below(nodes) }, () => {
    return { kind: 'crash', at: dice.below(healsAt), node: dice.below(nodes), downMs: dice.between(500, 40_000) };
  });
}

function crashPoints({ dice, nodes, healsAt }: Making): Fault[] {
  return Array.from({ length: 3 + dice.below(2 * nodes) }, () => {
    const point = dice.pick(['write', 'synced', 'send', 'sent'] as const);
    const [node, count] = [dice.below(nodes), 1 + dice.below(6)];
    return { kind: 'crashAt', at: dice.below(healsAt), node, point, count, downMs: dice.between(100, 20_000) };
  });
}

/** The power goes where all of them stand: each is lost as it has just said something. */
function powerCuts({ dice, nodes, healsAt }: Making): Fault[] {
  return Array.from({ length: 1 + dice.below(2) }, () => {
    const at = dice.below(healsAt);
    return Array.from({ length: nodes }, (_, node) => {
      const downMs = dice.between(500, 15_000);
      return { kind: 'crashAt', at, node, point: 'sent', count: 1, downMs } as const;
    });
  }).flat();
}

/** Operators put backups in place that are some seconds old, at most a minute. */
function oldDisks(at: Making): Fault[] {
  const { dice, nodes } = at;
  return Array.from({ length: dice.below(3) }, () => {
    const downMs = dice.between(100, 3_000);
    return { kind: 'oldDisk', ...stretch(at, 2_000, 60_000), node: dice.below(nodes), downMs };
  });
}

/** Hash power comes and goes: none, a tenth, three or ten times as much. */
function powers(at: Making): Fault[] {
  if (at.chain === 'stake') return [];
  const { dice, nodes } = at;
  return Array.from({ length: dice.below(4) }, () => {
    const factor = dice.pick([0, 1 / 10, 3, 10]);
    return { kind: 'power', ...stretch(at, 20_000, 120_000), node: dice.below(nodes), factor };
  });
}

/** Clocks are set half a minute, ten minutes or an hour wrong, of as many nodes as may be away. */
function clocks(at: Making): Fault[] {
  const { dice, nodes } = at;
  const order = dice.shuffled(Array.from({ length: nodes }, (_, node) => node));
  return order.slice(0, toleratedNodes(nodes)).flatMap((node) =>
    Array.from({ length: 1 + dice.below(3) }, () => {
      const ms = dice.pick([30_000, 600_000, 3_600_000]) * dice.pick([1, -1]);
      return { kind: 'clock', ...stretch(at, 5_000, 100_000), node, ms } as const;
    }),
  );
}

/** Some misbehave, of no more weight than is tolerated. */
function vices({ dice, chain, nodes, healsAt, vice: only }: Making): Fault[] {
  const faults: Fault[] = [];
  const order = dice.shuffled(Array.from({ length: nodes }, (_, node) => node));
  for (const node of order.slice(0, toleratedNodes(nodes))) {
    const vice = only ?? dice.pick(chain === 'stake' ? STAKE_VICES : ORDINARY_VICES);
    faults.push({ kind: 'vice', node, vice });
    if (vice === 'amnesia') {
      for (let i = 0; i < 6; i++) {
        faults.push({ kind: 'crash', at: dice.below(healsAt), node, downMs: dice.between(100, 3_000) });
      }
    }
  }
  return faults;
}

/** How many may be false in every set, whoever they are. */
export function toleratedNodes(nodes: number): number {
  const leastTotal = BigInt(nodes) * (MAX_WEIGHT - 1n) - 1n;
  return Number((leastTotal - 1n) / 3n / MAX_WEIGHT);
}

/** More than is tolerated, who tell each half of the others what it likes to hear. */
function traitors({ dice, nodes, healsAt }: Making): Fault[] {
  const order = dice.shuffled(Array.from({ length: nodes }, (_, node) => node));
  // Either half of the others with all of these must be a supermajority.
  let count = toleratedNodes(nodes) + 1;
  while (count + Math.floor((nodes - count) / 2) < nodes - toleratedNodes(nodes)) count++;
  const false_ = order.splice(0, count);
  // The traitors' machines stand on one side; their votes reach both.
  const side = order.slice(0, Math.ceil(order.length / 2));
  const from = dice.below(Math.max(1, Math.floor(healsAt / 3)));
  return [
    ...false_.map((node) => ({ kind: 'vice', node, vice: 'collude' }) as const),
    { kind: 'partition', from, until: healsAt, side },
  ];
}
