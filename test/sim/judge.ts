/** # Judge: whether the suite names a planted bug, and by what. */
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

/** The first run that shows the bug; undefined when none does. */
export function firstShown(mutant: Mutant, search: Search): Outcome | undefined {
  const { seed, minutes } = search;
  for (let i = 0; i < search.tries; i++) {
    const schedule = mutant.schedules[i % mutant.schedules.length] ?? 'mixed';
    const { chain = 'work' } = mutant;
    const nodes = search.nodes ?? LEAST_NODES[chain] + ((seed + i) % (8 - LEAST_NODES[chain]));
    const outcome = simulate(planOf({ seed: seed + i, chain, schedule, nodes, minutes }), mutant.changes);
    if (outcome.found !== undefined) return outcome;
  }
  return undefined;
}

/** Tells of each planted bug how it was found; false when more than one was missed. */
export function judgeMutants(seed: number, tell: (text: string) => void): boolean {
  let missed = 0;
  for (const mutant of MUTANTS) {
    const outcome = firstShown(mutant, { seed, tries: TRIES, minutes: 10 });
    if (outcome?.found === undefined) {
      missed++;
      tell(`${mutant.name.padEnd(30)} MISSED in ${TRIES} plans`);
      continue;
    }
    const { plan, found } = outcome;
    const where = `--chain ${plan.chain} --seed ${plan.seed} --schedule ${plan.schedule} --nodes ${plan.nodes}`;
    tell(`${mutant.name.padEnd(30)} ${found.violation.padEnd(10)} ${where.padEnd(60)} ${VIOLATIONS[found.violation]}`);
  }
  tell(`${MUTANTS.length - missed} of ${MUTANTS.length} planted bugs found`);
  return missed <= MAY_MISS;
}
