/**
 * # Shrink: of the faults of a failing plan those without which it does not fail.
 *
 * Always true: what is returned fails too; taking away any one of its faults alone makes it pass, unless the tries ran
 * out (delta debugging, Zeller and Hildebrandt, 2002).
 */
import type { Fault, Plan } from './plan.ts';

/** The smallest failing plan found in at most `tries` runs of `fails`. */
export function shrink(plan: Plan, fails: (plan: Plan) => boolean, tries: number): Plan {
  let { faults } = plan;
  let parts = 2;
  let left = tries;
  const stillFails = (fewer: readonly Fault[]) => left-- > 0 && fails({ ...plan, faults: fewer });
  if (faults.length > 0 && stillFails([])) return { ...plan, faults: [] };
  while (faults.length >= 2 && left > 0) {
    const size = Math.ceil(faults.length / parts);
    const without = Array.from({ length: parts }, (_, part) =>
      faults.filter((_fault, index) => Math.floor(index / size) !== part),
    );
    const smaller = without.find((fewer) => fewer.length < faults.length && stillFails(fewer));
    if (smaller !== undefined) {
      faults = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) {
      break;
    } else {
      parts = Math.min(faults.length, parts * 2);
    }
  }
  return { ...plan, faults };
}
