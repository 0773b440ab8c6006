/**
 * # Disk watch: a node stops making blocks before its disk is full, and stops altogether while it still can cleanly.
 *
 * Always true: it asks every CHECK_MS; between LEAST and ENOUGH free bytes nothing changes, so that a disk near an edge
 * does not turn authoring on and off. A full disk would fail some write, after which LevelDB refuses all others.
 */
import { statfs } from 'node:fs/promises';
import { StoreError } from '../state/errors.ts';

const MIB = 1024 * 1024;
const CHECK_MS = 10_000;
/** Below this no block is made: full blocks write about 4 MiB each 12 s, so at least ten minutes are left. */
const LEAST = 256 * MIB;
/** Above this blocks are made again. */
const ENOUGH = 384 * MIB;
/** Below this the node ends: LevelDB's log, its memory tables and one compaction. */
const LAST = 32 * MIB;

export type DiskState = 'fine' | 'low' | 'full';

/** The state that this many free bytes mean after `before`. */
export function diskState(before: DiskState, freeBytes: number): DiskState {
  if (freeBytes < LAST) return 'full';
  if (freeBytes < LEAST) return 'low';
  return freeBytes < ENOUGH && before !== 'fine' ? 'low' : 'fine';
}

export interface DiskWatchParts {
  /** Any folder on the disk. */
  readonly path: string;
  readonly log: (level: 'info' | 'warn', text: string) => void;
  /** Called when it changes; true at first. */
  readonly setAuthoring: (may: boolean) => void;
  /** The disk is all but full: the node must stop. */
  readonly onFatal: (error: unknown) => void;
  /** Bytes that the node may still write; asked of the file system if absent. */
  readonly free?: (path: string) => Promise<number>;
}

export class DiskWatch {
  readonly #parts: DiskWatchParts;
  #state: DiskState = 'fine';
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: DiskWatchParts) {
    this.#parts = parts;
  }

  /** Looks once, and from then on by itself. */
  async start(): Promise<void> {
    await this.check();
    this.#timer = setInterval(() => this.check().catch(this.#parts.onFatal), CHECK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks now. StoreError `DiskError` when the file system does not answer. */
  async check(): Promise<void> {
    const { path, log, setAuthoring, onFatal, free = freeBytes } = this.#parts;
    const left = await free(path);
    const before = this.#state;
    this.#state = diskState(before, left);
    if (this.#state === before) return;
    const said = `disk: ${Math.floor(left / MIB)} MiB are left`;
    if (this.#state === 'full') {
      this.stop();
      onFatal(new StoreError('DiskError', said));
      return;
    }
    setAuthoring(this.#state === 'fine');
    if (this.#state === 'low') log('warn', `${said}: no block is made here until there are ${ENOUGH / MIB}`);
    else log('info', `${said}: blocks are made again`);
  }
}

async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StoreError('DiskError', `statfs: ${code ?? error}`, error);
  }
}
