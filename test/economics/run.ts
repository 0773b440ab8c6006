/** # Economics: the tables of docs/selfish-mining.md, from the production rules: `npm run economics`. */
import { absorbed, aheadShare, bias, hop, spread, stampedAhead } from './asert.ts';
import { mean, standardError } from './dice.ts';
import { effectiveShare, eyalSirer, withhold } from './selfish.ts';

const BLOCKS = 100_000;
const SEED = 17;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const ALPHAS = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45];
const GAMMAS = [0, 0.5, 1];

const row = (cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`);
function head(cells: readonly string[]): void {
  row(cells);
  row(cells.map(() => '---'));
}

for (const [asert, boost] of [
  [false, 1],
  [true, 1],
  [true, 1.5],
] as const) {
  console.log(`\n${asert ? 'D by ASERT' : 'D the same for all blocks'}, boost ${boost}\n`);
  head(['alpha', 'honest', ...GAMMAS.flatMap((gamma) => [`gamma ${gamma}`, 'formula'])]);
  for (const alpha of ALPHAS) {
    const honest = effectiveShare(alpha, boost);
    const cells = GAMMAS.flatMap((gamma) => {
      const got = withhold({ alpha, gamma, boost, asert, seed: SEED, blocks: BLOCKS });
      const said = `${got.share.toFixed(3)} ± ${(2 * got.standardError).toFixed(3)}`;
      // The formula is for less than half of all chances.
      return [
        got.share - 2 * got.standardError > honest ? `**${said}**` : said,
        honest < 0.5 ? eyalSirer(honest, gamma).toFixed(3) : '-',
      ];
    });
    row([alpha.toFixed(2), honest.toFixed(3), ...cells]);
  }
}

console.log('\nASERT\n');
head(['what', 'claimed', 'measured']);
function figure(what: string, claimed: string, unit: string, digits: number, of: (seed: number) => number): void {
  const values = SEEDS.map(of);
  row([what, claimed, `${mean(values).toFixed(digits)} ± ${(2 * standardError(values)).toFixed(digits)} ${unit}`]);
}
figure('spread of D at constant power', '8.5 %', '%', 2, (seed) => 100 * spread(seed, 12_000));
figure('bias of the block time', '0', '%', 3, (seed) => 100 * bias(seed, 12_000));
figure('x10 absorbed in', '100 T', 'T', 0, (seed) => absorbed(seed, 10));
figure('/10 absorbed in', '251 T', 'T', 0, (seed) => absorbed(seed, 0.1));
for (const [times, until] of [
  [2, 1.2],
  [2, 1.5],
  [10, 1.2],
  [10, 3.2],
  [10, 8],
] as const) {
  const what = `hopping x${times}, there while D < ${until}: gain a unit of work`;
  figure(what, 'none', '%', 1, (seed) => 100 * hop(seed, 12_000, { times, until }).gain);
}
figure('blocks in a time, every third one stamped 15 s ahead', '<= 0.1 %', '%', 3, (seed) => {
  return 100 * stampedAhead(seed, 24_000);
});
for (const seconds of [3, 12]) {
  for (const alpha of [0.1, 0.3]) {
    const what = `stamping all own blocks 15 s ahead, alpha ${alpha}, T ${seconds} s: gain`;
    figure(what, '<= 0.1 %', '%', 2, (seed) => 100 * (aheadShare(seed, 20_000, alpha, seconds * 1000) / alpha - 1));
  }
}

console.log('\nHopping by part of the work: revenue over share\n');
head(['alpha', 'comes below D of', 'without boost', 'comes below D of', 'boost 1.5']);
/** Where D lies between what it is without him and with him all the time. */
const BOUNDS = [0.05, 0.2, 0.4, 0.6];
for (const alpha of ALPHAS) {
  const cells = [1, 1.5].flatMap((boost) => {
    const times = 1 + (boost * alpha) / (1 - alpha);
    const tried = BOUNDS.map((bound) => {
      const until = 1 + bound * (times - 1);
      const gains = SEEDS.map((seed) => hop(seed, 12_000, { times, until }).gain);
      return { until, gain: mean(gains), error: 2 * standardError(gains) };
    });
    const best = tried.reduce((one, other) => (other.gain > one.gain ? other : one));
    return [best.until.toFixed(2), `${(1 + best.gain).toFixed(4)} ± ${best.error.toFixed(4)}`];
  });
  row([alpha.toFixed(2), ...cells]);
}
