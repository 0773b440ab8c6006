/**
 * # Checker: has Spin search all states of finality.pml.
 *
 * Always true: a claim holds only where the search was complete. Needs `spin` and `cc` (Debian: apt-get install spin
 * gcc libc6-dev). Files are written to a folder of their own, which is removed again.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODEL = join(import.meta.dirname, 'finality.pml');
/** A search takes seconds; beyond this something else is wrong. */
const LIMIT_MS = 600_000;

export type Claim = 'no_conflict' | 'said_once' | 'estimate_binds' | 'all' | 'rounds_complete';

export interface Search {
  readonly claim: Claim;
  /** Names, or NAME=value: -D switches of the model. */
  readonly switches?: readonly string[];
  /** Compiled without optimization: less time in all where there is little to search. */
  readonly plain?: boolean;
}

export interface Mutant {
  readonly name: string;
  /** What is wrong with it. */
  readonly bug: string;
  readonly claim: Claim;
  /** What it needs beside its own switch. */
  readonly with?: string;
}

/** Each breaks one rule; `claim` is what must fall first. */
export const MUTANTS: readonly Mutant[] = [
  { name: 'QUORUM_TOO_SMALL', bug: 'two of four are a supermajority', claim: 'no_conflict' },
  { name: 'ESTIMATE_IGNORED', bug: 'votes heed what is final, not the estimate', claim: 'no_conflict' },
  { name: 'CHILDREN_FORGOTTEN', bug: 'completable though a child of the GHOST is possible', claim: 'no_conflict' },
  { name: 'SECOND_VOTES_FORGOTTEN', bug: 'nobody is expected to vote twice later', claim: 'no_conflict' },
  { name: 'LEAVES_INCOMPLETE', bug: 'a round is left that is not completable', claim: 'estimate_binds' },
  { name: 'PRECOMMIT_WITHOUT_GHOST', bug: 'precommits without a supermajority of prevotes', claim: 'estimate_binds' },
  { name: 'SET_ID_IGNORED', bug: 'votes of the set before count', claim: 'estimate_binds' },
  { name: 'AMNESIA', bug: 'a restarted voter has forgotten its votes', claim: 'said_once' },
  { name: 'ROUND_FORGOTTEN', bug: 'a restarted voter begins with round 1', claim: 'said_once' },
  { name: 'SENT_BEFORE_PERSISTED', bug: 'a vote leaves before it is on disk', claim: 'said_once' },
  { name: 'NEVER_REPEATED', bug: 'what a crash kept back is lost', claim: 'rounds_complete', with: 'LIAR_GONE' },
];

export interface Verdict {
  readonly holds: boolean;
  readonly states: number;
  /** Of the search alone, as it measures itself. */
  readonly seconds: number;
}

/** Why there can be no search here; undefined where there can. */
export function missing(): string | undefined {
  for (const [tool, flag] of [
    ['spin', '-V'],
    ['cc', '--version'],
  ] as const) {
    if (spawnSync(tool, [flag]).status !== 0) return `${tool} is not installed: finality.pml is not checked`;
  }
  return undefined;
}

/** Searches all states for one that breaks the claim. */
export function check({ claim, switches = [], plain = false }: Search): Verdict {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  try {
    run(folder, 'spin', [...switches.map((name) => `-D${name}`), '-a', MODEL]);
    run(folder, 'cc', [plain ? '-O0' : '-O1', '-w', '-DSAFETY', '-DNOREDUCE', '-DMEMLIM=2048', '-o', 'pan', 'pan.c']);
    return verdictOf(run(folder, join(folder, 'pan'), ['-m10000', '-N', claim]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the model says of all views of a round: lines of its Table process. */
export function table(): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  try {
    const text = run(folder, 'spin', ['-T', '-DTABLE', '-DBLOCKS=5', MODEL]);
    return text.split('\n').filter((line) => line.startsWith('ghost') || line.startsWith('estimate'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(cwd: string, command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: 64 << 20 });
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stdout}${done.stderr}`);
  return done.stdout;
}

function verdictOf(report: string): Verdict {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(report)?.[1];
    if (found === undefined) throw new Error(`no ${pattern} in the report of the search:\n${report}`);
    return Number(found);
  };
  const holds = number(/errors: (\d+)/) === 0;
  const cut = /error: max search depth|Search not completed|out of memory|memory bound/i.test(report);
  if (holds && cut) throw new Error(`the search is not complete:\n${report}`);
  if (!holds && !report.includes('assertion violated')) throw new Error(`no claim fell, but something did:\n${report}`);
  return { holds, states: number(/(\d\S*) states, stored/), seconds: number(/elapsed time (\S+) seconds/) };
}
