/**
 * # Loader: a life (life.ts) in a process of its own, until somebody kills it.
 *
 * It says each step on standard output before it goes on, in one write, so that the pipe holds the truth when it dies:
 *   at POINT         a step towards the disk (STORE_POINTS)
 *   ready N F MS     open: best and finalized height, after so long
 *   import N         a block is given to the chain
 *   saved N          a flush resolved: all up to height N reached the operating system
 *   final N HASH     a synced flush resolved: this block is final for ever
 *   vote R STAGE N HASH   a vote leaves the process
 *   end N            no block is left
 *   fatal CODE       a write failed
 * Arguments: folder, corpus file, and optionally `die=POINT:N` (SIGKILL to itself when it comes there, or says that word, the
 * Nth time),
 * `below=N` (votes are for the block so far below the best one: lives differ, as they do where peers come and go), and
 * bugs that the harness must find: `plant=vote-first` (votes leave before they are written), `plant=no-sync`.
 */
import { readFileSync, writeSync } from 'node:fs';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { KeystoreError } from '../../src/keystore/errors.ts';
import { StoreError } from '../../src/state/errors.ts';
import type { StorePoint } from '../../src/state/level/level-store.ts';
import { decodeCorpus } from './corpus.ts';
import { grow } from './life.ts';

const [dir = '', corpusFile = '', ...rest] = process.argv.slice(2);
const options = new Map(rest.map((option) => option.split('=') as [string, string]));
const [dieAt, dieTurn = '1'] = options.get('die')?.split(/:(?=\d+$)/) ?? [];
const STDOUT = 1;
/** What the operator's supervisor sees of a disk that failed (docs/operator.md). */
const EXIT_STORE = 4;

let turns = 0;
function onPoint(point: StorePoint): void {
  say(`at ${point}`);
}

function say(line: string): void {
  writeSync(STDOUT, `${line}\n`);
  const dies = line === `at ${dieAt}` || line.startsWith(`${dieAt} `);
  if (dies && ++turns === Number(dieTurn)) process.kill(process.pid, 'SIGKILL');
}

/** One failed write ends it, as it ends a node: nothing is voted or told after it. */
function fatal(error: unknown): never {
  if (!(error instanceof StoreError) && !(error instanceof KeystoreError && error.code === 'Disk')) throw error;
  say(`fatal ${error.code}`);
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT_STORE);
}

async function load(): Promise<void> {
  await installFastPaths();
  const blocks = decodeCorpus(readFileSync(corpusFile));
  const [below, plant] = [Number(options.get('below') ?? 3), options.get('plant')];
  const store = await grow({ dir, blocks, say, onPoint, below, plant });
  await store.flush(true);
  say(`end ${store.best.number}`);
  await store.close();
}

// The write before the last is waited for; that of the last one may fail before anybody does.
process.on('unhandledRejection', fatal);
await load().catch(fatal);
