/**
 * # Loader: a node reduced to what a crash can hurt: the chain machine, a voter and the store on disk, fed with blocks
 * as fast as it takes them, until somebody kills it.
 *
 * It says each step on standard output before it goes on, in one write, so that the pipe holds the truth when it dies:
 *   at POINT         a step towards the disk (STORE_POINTS)
 *   ready N F MS     open: best and finalized height, after so long
 *   import N         a block is given to the chain
 *   saved N          a flush resolved: all up to height N reached the operating system
 *   final N HASH     a synced flush resolved: this block is final for ever
 *   vote R STAGE N HASH   a vote leaves the process
 *   end N            no block is left
 * Arguments: folder, corpus file, and optionally `die=POINT:N` (SIGKILL to itself when it comes there the Nth time),
 * `below=N` (votes are for the block so far below the best one: lives differ, as they do where peers come and go), and
 * bugs that the harness must find: `plant=vote-first` (votes leave before they are written), `plant=no-sync`.
 */
import { readFileSync, writeSync } from 'node:fs';
import { toHex } from '../../src/base/bytes.ts';
import { Chain, type ChainEffect } from '../../src/consensus/chain.ts';
import { keepMemory, keptMemory } from '../../src/consensus/finality/memory.ts';
import type { SignedVote } from '../../src/consensus/finality/round.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { StoreError } from '../../src/state/errors.ts';
import { LevelStore, type StorePoint } from '../../src/state/level/level-store.ts';
import type { BlockRef } from '../../src/state/store.ts';
import { consensusRules, genesis } from '../consensus/world.ts';
import { Ballot } from './ballot.ts';
import { decodeCorpus, timeOf } from './corpus.ts';

const [dir = '', corpusFile = '', ...rest] = process.argv.slice(2);
const options = new Map(rest.map((option) => option.split('=') as [string, string]));
const [dieAt, dieTurn = '1'] = options.get('die')?.split(/:(?=\d+$)/) ?? [];
const plant = options.get('plant');
const STDOUT = 1;
/** What the operator's supervisor sees of a disk that failed (docs/operator.md). */
const EXIT_STORE = 4;

let turns = 0;
function onPoint(point: StorePoint): void {
  say(`at ${point}`);
  if (point === dieAt && ++turns === Number(dieTurn)) process.kill(process.pid, 'SIGKILL');
}

function say(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}

/** One failed write ends it, as it ends a node: nothing is voted or told after it. */
function fatal(error: unknown): never {
  if (!(error instanceof StoreError)) throw error;
  say(`fatal ${error.code}`);
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT_STORE);
}

async function load(): Promise<void> {
  await installFastPaths();
  const blocks = decodeCorpus(readFileSync(corpusFile));
  const started = performance.now();
  const store = await LevelStore.open({ dir, genesis, pruning: 64, onPoint });
  const votes: SignedVote[] = [];
  const now = timeOf(store.best.number);
  const finality = new Ballot({
    store,
    now,
    memory: keptMemory(store),
    persist: (memory) => keepMemory(store, memory),
    say: (vote) => votes.push(vote),
    below: Number(options.get('below') ?? 3),
  });
  const chain = new Chain({ rules: consensusRules, store, finality });
  say(`ready ${store.best.number} ${store.settled.number} ${Math.round(performance.now() - started)}`);
  const flushes: Promise<void>[] = [];
  for (const block of blocks) {
    if (store.number(block.hash) !== undefined || block.number <= store.settled.number) continue;
    say(`import ${block.number}`);
    const at = timeOf(block.number);
    const effects: ChainEffect[] = [...chain.step(at, { type: 'block', block: { ...block, origin: { type: 'own' } } })];
    while (chain.wakeAt() === 0) effects.push(...chain.step(at, { type: 'tick' }));
    flushes.push(perform(store, effects, votes.splice(0)));
    // As in a node the next block does not wait for the disk; here it waits for the write before the last.
    await flushes[flushes.length - 2];
    await new Promise((resolve) => setImmediate(resolve));
  }
  await store.flush(true);
  say(`end ${store.best.number}`);
  await store.close();
}

async function perform(store: LevelStore, effects: readonly ChainEffect[], votes: readonly SignedVote[]) {
  const finals: BlockRef[] = [];
  let [writes, sync] = [false, votes.length > 0];
  for (const effect of effects) {
    if (effect.type === 'flush') [writes, sync] = [true, sync || effect.sync];
    if (effect.type === 'finalized') finals.push(...effect.blocks.slice(-1));
  }
  if (!writes && votes.length === 0) return;
  const { number } = store.best;
  const tell = (): void => {
    for (const { hash, number } of finals) say(`final ${number} ${toHex(hash)}`);
  };
  const vote = (): void => {
    for (const { round, stage, target } of votes) say(`vote ${round} ${stage} ${target.number} ${toHex(target.hash)}`);
  };
  if (plant === 'vote-first') vote();
  await store.flush(sync && plant !== 'no-sync').catch(fatal);
  say(`saved ${number}`);
  tell();
  if (plant !== 'vote-first') vote();
}

await load().catch(fatal);
