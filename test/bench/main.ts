/**
 * # Bench: our ratios to limits and peers, all measured in this one run; nothing is asserted.
 *
 * Prints one JSON line per row, then a table with what was to be reached. Compared runs are interleaved, medians of at
 * least three rounds are shown, and times are of CPU wherever other processes could disturb them. `npm run bench -- C1
 * C2` measures these rows only; `--quick` takes fewer rounds and smaller sizes.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { useEngineFlags } from '../../src/node/children.ts';
import { electionRows } from './election.bench.ts';
import { finalityRows } from './finality.bench.ts';
import { gossipRows } from './gossip.bench.ts';
import { diskRows, importRows } from './import.bench.ts';
import { type BenchOptions, isMet, type Row } from './measure.ts';
import { nodeRows } from './node.bench.ts';
import { productRows, verifyRows } from './pouw.bench.ts';
import { readRows } from './reads.bench.ts';
import { portRows } from './rpc.bench.ts';
import { rootRows, storeRows } from './state.bench.ts';
import { checkingRows, stepRows } from './step.bench.ts';
import { syncRows } from './sync.bench.ts';
import { threadRows } from './threads.bench.ts';
import { transferRow } from './transfers.bench.ts';

/** Which rows a topic gives: a filter must know before it runs. */
const TOPICS: readonly { readonly ids: readonly string[]; run(options: BenchOptions): Promise<Row[]> }[] = [
  { ids: ['G1', 'G2'], run: importRows },
  { ids: ['G12'], run: diskRows },
  { ids: ['G3'], run: (options) => transferRow('G3', options) },
  { ids: ['G5'], run: (options) => transferRow('G5', options) },
  { ids: ['G8'], run: threadRows },
  { ids: ['G10'], run: rootRows },
  { ids: ['G13'], run: storeRows },
  { ids: ['G14'], run: portRows },
  { ids: ['G16'], run: readRows },
  { ids: ['G17', 'G18'], run: nodeRows },
  { ids: ['G19'], run: gossipRows },
  { ids: ['G22'], run: syncRows },
  { ids: ['G21'], run: finalityRows },
  { ids: ['S1'], run: electionRows },
  { ids: ['C3'], run: verifyRows },
  // From here on WASM is compiled as in a miner's process: every topic above is measured without.
  { ids: ['C1', 'C2', 'C4'], run: minerFlags },
  { ids: ['C1', 'C2'], run: stepRows },
  { ids: ['C2'], run: productRows },
  { ids: ['C4'], run: checkingRows },
];

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const wanted = args.filter((arg) => !arg.startsWith('-')).map((arg) => arg.toUpperCase());
const known = new Set(TOPICS.flatMap(({ ids }) => ids));
const strange = [
  ...wanted.filter((id) => !known.has(id)),
  ...args.filter((arg) => /^-/.test(arg) && arg !== '--quick'),
];
if (strange.length > 0) {
  process.stderr.write(
    `bench: no row or option ${strange.join(', ')}; there are ${[...known].join(' ')} and --quick\n`,
  );
  process.exit(2);
}

await installFastPaths();
process.stderr.write(`${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores, load ${load()}\n`);
const rows: Row[] = [];
for (const { ids, run } of TOPICS) {
  if (wanted.length > 0 && !ids.some((id) => wanted.includes(id))) continue;
  for (const row of await run({ quick })) {
    if (wanted.length > 0 && !wanted.includes(row.id)) continue;
    rows.push(row);
    process.stdout.write(`${JSON.stringify({ ...row, met: isMet(row), quick, load: load() })}\n`);
  }
}
process.stdout.write(`\n${rows.map(line).join('\n')}\n`);
process.exit(0);

function line(row: Row): string {
  const { id, name, value, unit, must, better } = row;
  const bound = must === undefined ? '' : `${better === 'more' ? 'at least' : 'at most'} ${must}`;
  const measured = `${value} ${unit}`;
  const met = { true: 'met', false: 'MISSED', undefined: 'NO PEER' }[`${isMet(row)}`];
  return `${id.padEnd(4)} ${name.padEnd(62)} ${measured.padStart(11)}   ${bound.padEnd(14)} ${met}`;
}

async function minerFlags(): Promise<Row[]> {
  useEngineFlags();
  return [];
}

/** Of the last minute. */
function load(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1));
}
