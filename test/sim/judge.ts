/**
 * # Judge: whether the suite names a planted bug.
 *
 * Always true: a bug counts as found only where the watch says what it must say of it, and the same plan without the
 * bug is well.
 */
import { LEAST_NODES, planOf } from '../../src/sim/plan.ts';
import { type Outcome, simulate } from '../../src/sim/simulation.ts';
import { VIOLATIONS } from '../../src/sim/watch.ts';
import { MUTANTS, type Mutant } from './mutants.ts';

/** Plans of a bug's schedules that are tried before it counts as missed. */
const TRIES = 40;
/** Of all planted bugs so many may be missed. */
const MAY_MISS = 1;

export interface Search {
  /** The first; the others follow. */
  readonly seed: number;
  readonly tries: number;
  readonly minutes: number;
  /** From the least to 7 in turn where it is not said. */
  readonly nodes?: number;
}

/** The first run that shows something; undefined when none does. */
export function firstShown(mutant: Mutant, search: Search): Outcome | undefined {
  const { seed, minutes } = search;
  for (let i = 0; i < search.tries; i++) {
    const schedule = mutant.schedules[i % mutant.schedules.length] ?? 'mixed';
    const { chain = 'work' } = mutant;
    const nodes = search.nodes ?? LEAST_NODES[chain] + ((seed + i) % (8 - LEAST_NODES[chain]));
    const { vice } = mutant;
    const options = { seed: seed + i, chain, schedule, nodes, minutes, ...(vice && { vice }) };
    const outcome = simulate(planOf(options), mutant.changes);
    if (outcome.found !== undefined) return outcome;
  }
  return undefined;
}

/** Why what a run shows is not the planted bug; undefined where it is. */
export function doubt({ by }: Mutant, { plan, found }: Outcome): string | undefined {
  if (found === undefined) return 'nothing was found';
  if (!by.includes(found.violation)) return `found as ${found.violation}, which is not ${by.join(' or ')}`;
  const without = simulate(plan).found;
  return without && `found without the bug as well, as ${without.violation}`;
}

/** Tells of each planted bug how it was found; false when more than one was missed, or one mistaken for another. */
export function judgeMutants(seed: number, tell: (text: string) => void): boolean {
  let [found, doubted] = [0, 0];
  for (const mutant of MUTANTS) {
    const name = mutant.name.padEnd(30);
    const outcome = firstShown(mutant, { seed, tries: TRIES, minutes: 10 });
    if (outcome?.found === undefined) {
      tell(`${name} MISSED in ${TRIES} plans`);
      continue;
    }
    const { plan } = outcome;
    const { violation } = outcome.found;
    const where = `--chain ${plan.chain} --seed ${plan.seed} --schedule ${plan.schedule} --nodes ${plan.nodes}${mutant.vice ? ` --vice ${mutant.vice}` : ''}`;
    const why = doubt(mutant, outcome);
    if (why === undefined) found++;
    else doubted++;
    const said = why === undefined ? VIOLATIONS[violation] : `NOT IT: ${why}`;
    tell(`${name} ${violation.padEnd(10)} ${where.padEnd(60)} ${said}`);
  }
  tell(`${found} of ${MUTANTS.length} planted bugs found`);
  return doubted === 0 && found >= MUTANTS.length - MAY_MISS;
}
