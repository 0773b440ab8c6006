/** # Model: searches finality.pml and its mutants, and prints what fell: `npm run test:model [-- --wide]`. */
import { check, MUTANTS, missing, type Verdict } from './checker.ts';

const absent = missing();
if (absent !== undefined) {
  console.log(`skipped: ${absent}`);
  process.exit(0);
}

let asExpected = true;
function row(name: string, claim: string, verdict: Verdict, holds: boolean, bug = ''): void {
  const right = verdict.holds === holds;
  asExpected &&= right;
  const word = `${verdict.holds ? 'holds' : 'broken'}${right ? '' : ', NOT AS EXPECTED'}`;
  const [states, seconds] = [verdict.states.toLocaleString('en'), verdict.seconds.toFixed(1)];
  const cells = [
    name.padEnd(44),
    claim.padEnd(15),
    states.padStart(12),
    seconds.padStart(8),
    ` ${word.padEnd(7)}`,
    bug,
  ];
  console.log(cells.join(' ').trimEnd());
}

console.log(`${'model'.padEnd(44)} ${'claim'.padEnd(15)} ${'states'.padStart(12)} ${'seconds'.padStart(8)}  verdict`);
row('4 voters, 2 rounds, 1 liar, 1 crash, 4 blocks', 'all', check({ claim: 'all' }), true);
if (process.argv.includes('--wide')) {
  row('the same, 5 blocks', 'all', check({ claim: 'all', switches: ['BLOCKS=5'] }), true);
}
const silent = check({ claim: 'rounds_complete', switches: ['LIAR_GONE'], plain: true });
row('one voter gone, another crashes and returns', 'rounds_complete', silent, true);
for (const { name, bug, claim, with: more } of MUTANTS) {
  const verdict = check({ claim, switches: more === undefined ? [name] : [name, more] });
  row(name, claim, verdict, false, bug);
}
process.exitCode = asExpected ? 0 : 1;
