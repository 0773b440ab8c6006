/**
 * # Disk: a disk that is full or fails a sync. Required of the process: it says so by name, tells and votes nothing more,
 * ends with the code of its own, and what it had told is found again.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { dice } from '../base/dice.ts';
import { genesis } from '../consensus/world.ts';
import { byHash, encodeCorpus, type TrueBlock } from './corpus.ts';
import { type Death, live, never } from './kills.ts';
import { PRUNING } from './life.ts';
import { differences, Promises } from './truth.ts';

/** What main.ts gives for a StoreError (docs/operator.md). */
const EXIT_STORE = 4;

export interface DiskOptions {
  readonly folder: string;
  readonly corpus: readonly TrueBlock[];
  readonly seed: number;
  readonly shim: string | undefined;
  readonly tell: (line: string) => void;
}

export interface DiskReport {
  readonly cases: number;
  readonly faults: string[];
}

/** Each kind of failing disk, at several places. Without the shim: a file that may not grow. */
export async function diskFaults(options: DiskOptions): Promise<DiskReport> {
  const { folder, corpus, seed, shim, tell } = options;
  const roll = dice(seed);
  const corpusFile = join(folder, 'corpus.bin');
  writeFileSync(corpusFile, encodeCorpus(corpus));
  const plans =
    shim === undefined
      ? ['grow']
      : ['grow', ...['write:full', 'write:fail', 'sync:fail', 'rename:fail'].flatMap((kind) => [kind, kind])];
  const faults: string[] = [];
  for (const [index, kind] of plans.entries()) {
    const dir = join(folder, `disk-${index}`);
    mkdirSync(dir);
    const [op, action] = kind.split(':');
    // Behind the first steps: a node that never started has nothing to lose.
    const plan = `${op}:${16 + roll(20)}:${action}`;
    const life = {
      kind: 'moment',
      args: [],
      after: never,
      ...(kind === 'grow' ? { maxFileKiB: 256 } : { plan }),
    } as const;
    const death = await live({ folder, dir, corpusFile, shim }, life, roll);
    const name = kind === 'grow' ? 'a file that may not grow' : plan;
    tell(`disk ${index + 1}/${plans.length}: ${name}: exit ${death.code}, ${death.errors.trim()}`);
    for (const fault of await judged(death, dir, corpus)) faults.push(`${name}: ${fault}`);
  }
  return { cases: plans.length, faults };
}

async function judged(death: Death, dir: string, corpus: readonly TrueBlock[]): Promise<string[]> {
  const out: string[] = [];
  if (death.code !== EXIT_STORE) out.push(`exit ${death.code} ${death.signal}`);
  // Of the store, or of the file of votes.
  if (!/(the disk refused to|the file cannot be) read or writ.*check free space/.test(death.errors))
    out.push(`says ${death.errors}`);
  const after = death.lines.slice(death.lines.findIndex((line) => line.startsWith('fatal')) + 1);
  if (after.length > 0) out.push(`goes on after it: ${after[0]}`);
  const told = new Promises();
  for (const line of death.lines) told.hear(line);
  const copy = `${dir}-again`;
  rmSync(copy, { recursive: true, force: true });
  cpSync(dir, copy, { recursive: true });
  const store = await LevelStore.open({ dir: copy, genesis, pruning: PRUNING });
  out.push(...differences(store, byHash(corpus), told));
  await store.verify();
  await store.close();
  return out;
}
