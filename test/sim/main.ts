/**
 * # npm run sim: simulations by seed, one to look at or many to find faults (docs/simulator.md).
 *
 * One seed: `--seed 7 --nodes 7 --schedule swizzle --minutes 10`. Many: `--schedules 200`, on `--jobs` threads.
 * `--within 150`: none begins after as many seconds. `--mutants`: what the suite says of each planted bug. It ends with 1
 * where something was found, with 2 where a flag is wrong.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { must } from '../../src/base/assert.ts';
import { concat } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { activeVerifiers, type Verifier } from '../../src/crypto/verify.ts';
import {
  LEAST_NODES,
  type Plan,
  type PlanOptions,
  planOf,
  SCHEDULES,
  type Schedule,
  STAKE_SCHEDULES,
} from '../../src/sim/plan.ts';
import { shrink } from '../../src/sim/shrink.ts';
import { type Outcome, simulate } from '../../src/sim/simulation.ts';
import { VIOLATIONS } from '../../src/sim/watch.ts';
import type { ChainKind } from '../../src/sim/world.ts';
import { Lru } from '../../src/state/chain/lru.ts';
import { keyOf } from '../../src/state/key.ts';
import { BadFlag, flagsOf } from './flags.ts';
import { judgeMutants } from './judge.ts';

/** As many nodes as plans have in turn; a flag may name more. */
const MOST_NODES = 7;
/** Of many schedules so many are run twice, and must do the same both times. */
const REPLAYED = 20;
/** One of so many schedules is of a chain of stake. */
const STAKE_EVERY = 4;
const SHRINK_TRIES = 60;
/** Schedules between two words of progress. */
const TOLD_EVERY = 50;
/** Signatures of the blocks that nodes may still ask for. */
const REMEMBERED = 1_024;

interface Task extends PlanOptions {
  readonly twice: boolean;
}

interface Report {
  readonly task: Task;
  readonly outcome: Outcome;
  /** Whether the second run was the first one again. */
  readonly same: boolean;
}

function runTask(task: Task): Report {
  const plan = planOf(task);
  const outcome = simulate(plan);
  return { task, outcome, same: !task.twice || simulate(plan).hash === outcome.hash };
}

/** Runs the tasks on threads; none begins after `until`. */
async function many(tasks: readonly Task[], jobs: number, until: number): Promise<Report[]> {
  const reports: Report[] = [];
  const queue = [...tasks];
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { execArgv: ['--no-warnings'] });
      const next = () => {
        const task = performance.now() < until ? queue.shift() : undefined;
        if (task !== undefined) worker.postMessage(task);
        else worker.terminate().then(() => resolve(), reject);
      };
      worker.on('message', (report: Report | 'ready') => {
        if (report !== 'ready') {
          reports.push(report);
          if (report.outcome.found !== undefined || !report.same) console.log(line(report));
          if (reports.length % TOLD_EVERY === 0) console.log(`${reports.length} of ${tasks.length} schedules`);
        }
        next();
      });
      worker.on('error', reject);
    });
  await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, work));
  return reports;
}

function line({ task, outcome, same }: Report): string {
  const { found, hash } = outcome;
  const name = `--chain ${task.chain ?? 'work'} --seed ${task.seed} --schedule ${task.schedule} --nodes ${task.nodes} --minutes ${task.minutes}${task.vice ? ` --vice ${task.vice}` : ''}`;
  const said =
    found === undefined
      ? 'well'
      : `${found.violation}: ${VIOLATIONS[found.violation]} (${found.node}: ${found.detail})`;
  return `${name}  ${hash}  ${said}${same ? '' : '  NOT THE SAME TWICE'}`;
}

function tell(outcome: Outcome): void {
  const { found, plan } = outcome;
  if (found === undefined) return;
  console.log(`\n${(found.at / 1_000).toFixed(3)} s: ${found.violation}: ${VIOLATIONS[found.violation]}`);
  console.log(`  ${found.node}: ${found.detail}\nlast of the trace:`);
  for (const text of outcome.trace) console.log(`  ${text}`);
  const same = (smaller: Plan) => simulate(smaller).found?.violation === found.violation;
  const small = shrink(plan, same, SHRINK_TRIES);
  console.log(`fails with ${small.faults.length} of ${plan.faults.length} faults:`);
  console.log(JSON.stringify({ ...small, faults: small.faults }, undefined, 1));
}

function economyOf(outcomes: readonly Outcome[]): string {
  const sum = (of: (economy: Outcome['economy']) => number) =>
    outcomes.reduce((total, { economy }) => total + of(economy), 0);
  return (
    `${sum(({ eras }) => eras)} eras, ${sum(({ elections }) => elections)} elections, ` +
    `${sum(({ slashes }) => slashes)} slashes, ${sum(({ certificates }) => certificates)} certificates`
  );
}

function summary(reports: readonly Report[], seconds: number): boolean {
  const sum = (of: (outcome: Outcome) => number) => reports.reduce((total, { outcome }) => total + of(outcome), 0);
  const failed = reports.filter(({ outcome }) => outcome.found !== undefined);
  const different = reports.filter(({ same }) => !same);
  const twice = reports.filter(({ task }) => task.twice).length;
  const blocks = sum((outcome) => outcome.imports);
  console.log(
    `${reports.length} schedules in ${seconds.toFixed(1)} s: ${(reports.length / seconds).toFixed(2)} a second, ` +
      `${Math.round(blocks / seconds)} block imports a second`,
  );
  console.log(
    `${sum(({ crashes }) => crashes)} crashes, ${sum(({ finalized }) => finalized)} blocks finalized, ` +
      `${sum(({ broken }) => (broken ? 1 : 0))} times finality broken by traitors, who were named`,
  );
  console.log(`on chains of stake: ${economyOf(reports.map(({ outcome }) => outcome))}`);
  console.log(`${twice - different.length} of ${twice} replays identical, ${failed.length} schedules failed`);
  for (const name of Object.keys(VIOLATIONS)) {
    const count = failed.filter(({ outcome }) => outcome.found?.violation === name).length;
    if (count > 0) console.log(`  ${name}: ${count}`);
  }
  return failed.length === 0 && different.length === 0;
}

async function main(): Promise<boolean> {
  const flags = flagsOf(process.argv.slice(2));
  const { seed, count, minutes } = flags;
  if (flags.mutants) return judgeMutants(seed, (text) => console.log(text));
  const optionsOf = (index: number): PlanOptions => {
    const course = courseOf(index, flags.chain, flags.schedule);
    const nodes = flags.nodes ?? spread(seed + index, course.chain);
    return { seed: seed + index, ...course, nodes, minutes, ...(flags.vice && { vice: flags.vice }) };
  };
  if (count === undefined) {
    const report = runTask({ ...optionsOf(0), twice: false });
    const { outcome } = report;
    console.log(line(report));
    console.log(
      `${outcome.steps} steps, ${outcome.imports} imports, head #${outcome.head}, ${outcome.finalized} final, ` +
        `${outcome.crashes} crashes, ${economyOf([outcome])}`,
    );
    tell(outcome);
    return outcome.found === undefined;
  }
  const start = performance.now();
  const tasks = Array.from({ length: count }, (_, index) => ({ ...optionsOf(index), twice: index < REPLAYED }));
  const { within = Number.POSITIVE_INFINITY } = flags;
  const reports = await many(tasks, flags.jobs, start + 1_000 * within);
  const isWell = summary(reports, (performance.now() - start) / 1_000);
  const first = reports.find(({ outcome }) => outcome.found !== undefined);
  if (first !== undefined) tell(first.outcome);
  return isEnough(reports, tasks, within) && isWell;
}

/** Says where time ran out; false where not even those were done that are run twice. */
function isEnough(reports: readonly Report[], tasks: readonly Task[], within: number): boolean {
  if (reports.length === tasks.length) return true;
  console.log(`NOT ALL: stopped after ${within} s, with ${reports.length} of ${tasks.length} schedules done`);
  const twice = tasks.filter((task) => task.twice).length;
  if (reports.filter(({ task }) => task.twice).length === twice) return true;
  console.log(`FAILED: too few; at least the first ${twice}, which are run twice, must be done`);
  return false;
}

/** Every node checks the seal of every block; whether it holds follows from what is asked alone. */
function remembering(verify: Verifier): Verifier {
  const known = new Lru<boolean>(REMEMBERED);
  return (signature, message, publicKey) => {
    const key = keyOf(concat(signature, message, publicKey));
    const answer = known.get(key) ?? verify(signature, message, publicKey);
    known.set(key, answer);
    return answer;
  };
}

/** Every fourth schedule is one of a chain of stake; both kinds take their schedules in turn. */
function courseOf(index: number, only: ChainKind | undefined, schedule: Schedule | undefined) {
  const chain = only ?? (index % STAKE_EVERY === STAKE_EVERY - 1 ? 'stake' : 'work');
  const stakes = Math.floor(index / STAKE_EVERY);
  const place = only !== undefined ? index : chain === 'stake' ? stakes : index - stakes;
  const list = chain === 'stake' ? STAKE_SCHEDULES : SCHEDULES;
  return { chain, schedule: schedule ?? must(list[place % list.length], 'a schedule') };
}

function spread(seed: number, chain: ChainKind): number {
  // Not in step with the schedules, whose number is no multiple of what follows.
  const least = LEAST_NODES[chain];
  return least + (Math.floor(seed / SCHEDULES.length) % (MOST_NODES - least + 1));
}

await installFastPaths();
activeVerifiers.ed25519 = remembering(activeVerifiers.ed25519);
if (isMainThread) {
  process.exitCode = await main().then(
    (isWell) => (isWell ? 0 : 1),
    (error: unknown) => {
      if (!(error instanceof BadFlag)) throw error;
      console.error(error.message);
      return 2;
    },
  );
} else {
  parentPort?.on('message', (task: Task) => parentPort?.postMessage(runTask(task)));
  parentPort?.postMessage('ready');
}
