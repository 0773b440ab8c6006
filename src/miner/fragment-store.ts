/**
 * # Fragment store: a miner's unfinished and unverified fragments on disk, so that a kill costs at most one segment.
 *
 * Always true: a fragment resumes from the last state whose root stands in its saved transcript. Nothing is fsynced:
 * what a power cut takes is trained again from the segment before (DECISIONS.md section 3).
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, equal, fromHex, toHex } from '../base/bytes.ts';
import { bool, hash, type Of, struct, u32, vec } from '../codec/index.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';
import { Transcript } from '../compute/transcript.ts';
import type { JobJson } from './wire.ts';

/** What is kept beside the states of a fragment. */
const Progress = struct({
  /** Steps whose transcript leaves are complete; a multiple of the segment length. */
  steps: u32,
  states: vec(hash),
  losses: vec(hash),
  operands: vec(hash),
  /** Whether all steps are done; then what the claim says. */
  finished: bool,
  transcript: hash,
  deltaId: hash,
});
export type FragmentProgress = Of<typeof Progress>;

/** At most this many fragments are kept: 21 states of 20.7 MB each, 1.3 GB in all for the dev job. */
const MAX_FRAGMENTS = 4;

export class FragmentStore {
  /** The miner's own folder. */
  readonly dir: string;
  readonly #dir: string;
  /** Progress as last read: it is asked for at every head, and changes once a segment. */
  readonly #seen = new Map<string, { readonly mark: bigint; readonly progress: FragmentProgress | undefined }>();

  /** `dir` is created if absent. */
  constructor(dir: string) {
    this.dir = dir;
    this.#dir = join(dir, 'fragments');
    mkdirSync(this.#dir, { recursive: true });
  }

  /** Ids (hex with 0x) of the fragments on disk. */
  list(): string[] {
    return readdirSync(this.#dir).filter((name) => /^0x[0-9a-f]{64}$/.test(name));
  }

  /** Makes room for a new fragment by dropping those not in `keep`. */
  makeRoom(keep: ReadonlySet<string>): void {
    const all = this.list();
    for (const id of all) if (all.length >= MAX_FRAGMENTS && !keep.has(id)) this.remove(id);
  }

  /** Writes the state at the end of segment `index`. */
  writeState(id: string, index: number, state: Bytes): void {
    this.#write(id, `state-${index}`, state);
  }

  /** Writes the transcript so far; from then on the fragment resumes here. */
  writeProgress(id: string, progress: FragmentProgress): void {
    this.#write(id, 'progress', Progress.enc(progress));
  }

  /** Writes the delta of a finished fragment, before its progress says so. */
  writeDelta(id: string, delta: Bytes): void {
    this.#write(id, 'delta', delta);
  }

  /** The saved progress, or undefined when there is none or it does not decode. Another thread may write it. */
  progress(id: string): FragmentProgress | undefined {
    const mark = statSync(join(this.#dir, id, 'progress'), { bigint: true, throwIfNoEntry: false })?.mtimeNs;
    if (mark === undefined) {
      this.#seen.delete(id);
      return undefined;
    }
    const seen = this.#seen.get(id);
    if (seen?.mark === mark) return seen.progress;
    const saved = this.#read(id, 'progress');
    const progress = saved && decoded(saved);
    this.#seen.set(id, { mark, progress });
    return progress;
  }

  /** The transcript that progress saved. */
  transcript(progress: FragmentProgress, job: JobJson): Transcript {
    return Transcript.load(shapeOf(job), progress);
  }

  /** The state at the end of segment `index`, checked against `root`; undefined when absent or torn. */
  state(id: string, index: number, root: Bytes): Bytes | undefined {
    const state = this.#read(id, `state-${index}`);
    return state && equal(stateRoot([state]), root) ? state : undefined;
  }

  /** The state at the end of segment `index` as it stands on disk, for whoever checks it. */
  uncheckedState(id: string, index: number): Bytes | undefined {
    return this.#read(id, `state-${index}`);
  }

  /** The delta of a finished fragment as it stands on disk, for whoever checks it. */
  uncheckedDelta(id: string): Bytes | undefined {
    return this.#read(id, 'delta');
  }

  remove(id: string): void {
    this.#seen.delete(id);
    rmSync(join(this.#dir, toHex(fromHex(id))), { recursive: true, force: true });
  }

  #write(id: string, name: string, data: Bytes): void {
    const dir = join(this.#dir, id);
    mkdirSync(dir, { recursive: true });
    // A rename is atomic: a kill leaves the old file or the new one.
    writeFileSync(join(dir, `${name}.new`), data);
    renameSync(join(dir, `${name}.new`), join(dir, name));
  }

  #read(id: string, name: string): Bytes | undefined {
    try {
      return readFileSync(join(this.#dir, id, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

function decoded(saved: Bytes): FragmentProgress | undefined {
  try {
    return Progress.dec(saved);
  } catch {
    return undefined;
  }
}

/** The sizes of a job's transcripts. */
export function shapeOf(job: JobJson) {
  return { steps: job.steps, segmentSteps: job.segment_steps, nodes: job.mined_nodes.length };
}
