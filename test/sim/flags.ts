/**
 * # Flags: what a run of the simulator is asked for.
 *
 * Always true: what makes no sense is a BadFlag, one line that names the flag and its range; nothing has run by then.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { LEAST_NODES, SCHEDULES, STAKE_SCHEDULES } from '../../src/sim/plan.ts';
import { ORDINARY_VICES, STAKE_VICES } from '../../src/sim/vices.ts';
import { CHAINS, MAX_NODES } from '../../src/sim/world.ts';

/** Half the time holds as many faults of most kinds. */
const MINUTES_OF_ONE = '10';
const MINUTES_OF_MANY = '5';
/** What misbehaves the same way wherever it stands. */
const ON_BOTH = ORDINARY_VICES.filter((name) => STAKE_VICES.some((other) => other === name));
/** With less, nothing goes wrong before the healed phase. */
const LEAST_MINUTES = 3;
const MOST_MINUTES = 1_000;
const MOST_SCHEDULES = 1_000_000;
const MOST_SECONDS = 1_000_000;
const MOST_JOBS = 256;
const MOST_SEED = 2 ** 52;

/** What was asked for makes no sense; the message is one line that names the flag and its range. */
export class BadFlag extends Error {}

/** What these arguments ask for; throws BadFlag. */
export function flagsOf(args: string[]) {
  const { values } = parsed(args);
  const count = values.schedules === undefined ? undefined : numberOf('schedules', values.schedules, 1, MOST_SCHEDULES);
  const isOne = count === undefined;
  const schedule = values.schedule === undefined ? undefined : oneOf('schedule', values.schedule, SCHEDULES);
  const named = values.chain === undefined ? undefined : oneOf('chain', values.chain, CHAINS);
  // Traitors stand on chains by work: of many, all are.
  const chain = named ?? (isOne || schedule === 'traitors' ? 'work' : undefined);
  if (chain === 'stake' && schedule !== undefined) oneOf('schedule', schedule, STAKE_SCHEDULES, ' on a chain of stake');
  const known = chain === 'stake' ? [...new Set(STAKE_VICES)] : chain === 'work' ? ORDINARY_VICES : ON_BOTH;
  const least = chain === undefined ? Math.max(...Object.values(LEAST_NODES)) : LEAST_NODES[chain];
  const where = ` on ${chain === undefined ? 'chains of both kinds' : `a chain of ${chain}`}`;
  return {
    count,
    chain,
    schedule: schedule ?? (isOne ? 'mixed' : undefined),
    mutants: values.mutants,
    seed: numberOf('seed', values.seed, 0, MOST_SEED),
    nodes: values.nodes === undefined ? undefined : numberOf('nodes', values.nodes, least, MAX_NODES, where),
    vice: values.vice === undefined ? undefined : oneOf('vice', values.vice, known, where),
    minutes: numberOf(
      'minutes',
      values.minutes ?? (isOne ? MINUTES_OF_ONE : MINUTES_OF_MANY),
      LEAST_MINUTES,
      MOST_MINUTES,
    ),
    within: values.within === undefined ? undefined : numberOf('within', values.within, 1, MOST_SECONDS),
    jobs: numberOf('jobs', values.jobs, 1, MOST_JOBS),
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        seed: { type: 'string', default: '1' },
        chain: { type: 'string' },
        nodes: { type: 'string' },
        schedule: { type: 'string' },
        minutes: { type: 'string' },
        vice: { type: 'string' },
        schedules: { type: 'string' },
        within: { type: 'string' },
        jobs: { type: 'string', default: String(Math.min(MOST_JOBS, availableParallelism())) },
        mutants: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    // What is not a flag, or lacks its value: node says which.
    throw new BadFlag(error instanceof Error ? error.message.split('\n')[0] : String(error));
  }
}

function oneOf<T extends string>(name: string, text: string, list: readonly T[], where = ''): T {
  const found = list.find((one) => one === text);
  if (found === undefined) throw new BadFlag(`--${name}${where} is one of ${list.join(', ')}, not ${text}`);
  return found;
}

function numberOf(name: string, text: string, least: number, most: number, where = ''): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new BadFlag(`--${name}${where} is a whole number from ${least} to ${most}, not ${text}`);
}
