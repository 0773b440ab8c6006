/**
 * # Kills: one folder, many short lives: each loader is killed (at a random moment, at a named step of the store, inside
 * a system call, or with the power), and what it left is compared with the truth on a copy, so that the next life has
 * to recover from the very files of the crash.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { StoreError } from '../../src/state/errors.ts';
import { LevelStore, STORE_POINTS } from '../../src/state/level/level-store.ts';
import { dice } from '../base/dice.ts';
import { genesis } from '../consensus/world.ts';
import { byHash, encodeCorpus, type TrueBlock } from './corpus.ts';
import { PRUNING } from './life.ts';
import { powerCut, shimEnv, sizesIn } from './shim.ts';
import { differences, Promises } from './truth.ts';

const LOADER = join(import.meta.dirname, 'loader.ts');
/** A life that nothing ended within this is a fault of the harness. */
const LIFE_MS = 120_000;

export interface KillOptions {
  readonly folder: string;
  readonly corpus: readonly TrueBlock[];
  readonly kills: number;
  readonly seed: number;
  /** The compiled shim; without it no kill hits the inside of a system call, and the power stays on. */
  readonly shim: string | undefined;
  /** A bug that the loader is to have (loader.ts). */
  readonly plant?: string;
  readonly tell: (line: string) => void;
  /** Stops at the first fault. */
  readonly untilFault?: boolean;
  /** What the lives die of, in this order, instead of what the seed draws. */
  readonly lives?: readonly Life[];
}

export interface KillReport {
  kills: number;
  /** Kills by the operation that was in flight. */
  readonly during: Map<string, number>;
  recovery: number;
  flush: number;
  powerCuts: number;
  /** Power cuts after which the store refused to open, by name: allowed, and counted. */
  refused: number;
  votes: number;
  finalized: number;
  slowestOpenMs: number;
  /** Everything that must not be. */
  readonly faults: string[];
}

/** Nothing but its own end ends it. */
export const never: Life['after'] = { lines: 100_000, match: /./, ms: 0 };

type Kind = 'moment' | 'flush point' | 'system call' | 'recovery' | 'power';

export interface Life {
  readonly kind: Kind;
  /** Options of the loader. */
  readonly args: readonly string[];
  /** For the shim. */
  readonly plan?: string;
  /** No file may grow beyond this. */
  readonly maxFileKiB?: number;
  /** The parent kills after this many lines that match, and this long. */
  readonly after: { readonly lines: number; readonly match: RegExp; readonly ms: number };
}

export interface Death {
  readonly pid: number | undefined;
  readonly signal: string | null;
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
}

export async function killMany(options: KillOptions): Promise<KillReport> {
  const { folder, kills, seed, shim, tell } = options;
  const roll = dice(seed);
  const truth = byHash(options.corpus);
  const dir = join(folder, 'chain');
  const corpusFile = join(folder, 'corpus.bin');
  mkdirSync(dir, { recursive: true });
  writeFileSync(corpusFile, encodeCorpus(options.corpus));
  const report: KillReport = {
    kills: 0,
    during: new Map(),
    recovery: 0,
    flush: 0,
    powerCuts: 0,
    refused: 0,
    votes: 0,
    finalized: 0,
    slowestOpenMs: 0,
    faults: [],
  };
  let told = new Promises();
  const renew = (): void => {
    report.votes += told.votes.size;
    report.finalized += told.final.number;
    told = new Promises();
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
  };
  while (report.kills < kills && !(options.untilFault && report.faults.length > 0)) {
    const life = options.lives?.[report.kills] ?? lifeOf(roll, shim !== undefined);
    const sizes = sizesIn(dir);
    const log = join(folder, 'synced.log');
    rmSync(log, { force: true });
    const death = await live({ folder, dir, corpusFile, shim, log, plant: options.plant }, life, roll);
    for (const line of death.lines) told.hear(line);
    if (death.code === 0) {
      renew();
      continue;
    }
    report.kills++;
    const during = operation(death.lines);
    const fault = (what: string): void => {
      const line = `kill ${report.kills} (seed ${seed}, ${life.kind}, ${during}): ${what}`;
      report.faults.push(line);
      tell(`FAULT ${line}`);
    };
    if (death.signal !== 'SIGKILL') fault(`ended with ${death.signal ?? death.code}: ${death.errors}`);
    report.during.set(during, (report.during.get(during) ?? 0) + 1);
    if (during.startsWith('recovery')) report.recovery++;
    if (during.startsWith('flush')) report.flush++;
    let lost: string[] = [];
    if (life.kind === 'power') {
      lost = powerCut(dir, sizes, log, roll);
      report.powerCuts++;
      told.saved = told.final.number;
    }
    tell(
      `kill ${report.kills}/${kills}: signal 9, pid ${death.pid}, ${life.kind}, during ${during} ${lost.join(', ')}`,
    );
    const before = report.faults.length;
    const ms = await compareCopy(dir, join(folder, 'copy'), truth, told, life.kind, fault);
    if (ms === undefined) report.refused++;
    else report.slowestOpenMs = Math.max(report.slowestOpenMs, ms);
    // What is wrong once would be told again at every later life.
    if (ms === undefined || report.faults.length > before) renew();
  }
  renew();
  return report;
}

/** Opens a copy of what is there and compares it; the milliseconds until it served, or undefined where it refused. */
async function compareCopy(
  dir: string,
  copy: string,
  truth: ReadonlyMap<string, TrueBlock>,
  told: Promises,
  kind: Kind,
  fault: (what: string) => void,
): Promise<number | undefined> {
  rmSync(copy, { recursive: true, force: true });
  cpSync(dir, copy, { recursive: true });
  for (const vote of told.slashable.splice(0)) fault(`slashable: ${vote}`);
  const started = performance.now();
  let store: LevelStore;
  try {
    store = await LevelStore.open({ dir: copy, genesis, pruning: PRUNING });
  } catch (error) {
    const isRefusal = error instanceof StoreError && error.code === 'CorruptDatabase' && error.hint !== undefined;
    // What a power cut took may be refused by name; a killed process takes nothing.
    if (!isRefusal || kind !== 'power') fault(`does not open: ${error}`);
    return undefined;
  }
  const ms = performance.now() - started;
  try {
    for (const what of differences(store, truth, told)) fault(what);
    await store.verify();
    told.saved = store.best.number;
  } catch (error) {
    fault(`does not read: ${error}`);
  }
  await store.close();
  return ms;
}

/** What the next life dies of. */
function lifeOf(roll: (sides: number) => number, hasShim: boolean): Life {
  const args = [`below=${3 + roll(3)}`];
  const moment = { lines: 5 + roll(160), match: /^(import|saved|at flush|vote)/, ms: roll(12) };
  const die = roll(100);
  if (die < 20) {
    const opens = STORE_POINTS.filter((point) => point.startsWith('open:'));
    const how = roll(hasShim ? 3 : 2);
    if (how === 0) return { kind: 'recovery', args: [...args, `die=${opens[roll(opens.length)]}:1`], after: never };
    if (how === 1) return { kind: 'recovery', args, after: { lines: 1 + roll(6), match: /^at open/, ms: roll(8) } };
    // LevelDB turns its log into a table when it opens: a few writes, syncs and renames.
    const plan = `${['write', 'sync', 'rename'][roll(3)]}:${1 + roll(4)}:kill`;
    return { kind: 'recovery', args, plan, after: never };
  }
  if (die < 45) {
    const points = [...STORE_POINTS.filter((point) => point.startsWith('flush:')), 'vote', 'saved'];
    return { kind: 'flush point', args: [...args, `die=${points[roll(points.length)]}:${1 + roll(40)}`], after: never };
  }
  if (die < 65 && hasShim) {
    const [op, turns] = (
      [
        ['write', 90],
        ['sync', 60],
        ['rename', 30],
      ] as const
    )[roll(3)] as [string, number];
    const how = op === 'write' && roll(2) === 0 ? 'torn' : 'kill';
    return { kind: 'system call', args, plan: `${op}:${6 + roll(turns)}:${how}`, after: never };
  }
  return { kind: die < 82 && hasShim ? 'power' : 'moment', args, after: moment };
}

export interface Place {
  /** Where compiled code is kept. */
  readonly folder: string;
  /** The chain. */
  readonly dir: string;
  readonly corpusFile: string;
  readonly shim?: string | undefined;
  /** What the shim notes. */
  readonly log?: string;
  readonly plant?: string | undefined;
}

/** Runs a loader until it dies. */
export function live(options: Place, life: Life, roll: (sides: number) => number): Promise<Death> {
  const { dir, corpusFile, shim, log, plant } = options;
  const plan = life.plan === undefined ? {} : { plan: life.plan };
  const preload = shim === undefined ? {} : shimEnv(shim, dir, { ...plan, ...(log === undefined ? {} : { log }) });
  const argv = [dir, corpusFile, ...life.args, ...(plant === undefined ? [] : [`plant=${plant}`])];
  const limits = life.maxFileKiB === undefined ? '' : `ulimit -f ${life.maxFileKiB} && `;
  const child = spawn(
    'bash',
    ['-c', `${limits}exec "$@"`, 'bash', process.execPath, '--no-warnings', LOADER, ...argv],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...preload, NODE_COMPILE_CACHE: join(options.folder, 'compiled') },
    },
  );
  const lines: string[] = [];
  let errors = '';
  let left = life.after.lines;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    // A little of chance in when it dies: between two lines it may be anywhere.
    if (life.after.match.test(line) && --left === 0) setTimeout(() => child.kill('SIGKILL'), life.after.ms + roll(2));
  });
  const limit = setTimeout(() => child.kill('SIGABRT'), LIFE_MS);
  const read = new Promise<void>((resolve) => reader.on('close', resolve));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      void read.then(() => resolve({ pid: child.pid, signal, code, lines, errors }));
    });
  });
}

/** What was in flight when the last line was said. */
function operation(lines: readonly string[]): string {
  const last = lines.findLast((line) => line.startsWith('at ')) ?? 'at start';
  const point = last.slice(3);
  if (!lines.some((line) => line.startsWith('ready'))) {
    const made = lines.includes('at open:made');
    return point === 'start' ? 'start' : `${made ? 'recovery' : 'first steps'} after ${point}`;
  }
  const since = lines.slice(lines.lastIndexOf(last));
  const saved = since.some((line) => line.startsWith('saved') || line.startsWith('final'));
  switch (point) {
    case 'flush:taken':
      return 'flush: database write';
    case 'flush:written':
      return saved ? 'import' : 'flush: written, anchor not begun or not synced';
    case 'flush:anchor':
      return 'flush: anchor rename';
    case 'flush:anchored':
      return saved ? 'import' : 'flush: done, not told';
    default:
      return point.startsWith('inside:') ? `flush: inside ${point.slice(7)}` : 'import';
  }
}
