/**
 * # Download: the missing chunks of one blob, dealt out to the peers that have it.
 *
 * Always true: chunks are asked of one peer at a time, of a second one only when the first is slow; at most WINDOW
 * questions of MAX_RUN chunks are under way per peer. A peer that lies, has not, or fails thrice leaves; when none is
 * left the download ends as Incomplete, and the chunks that came stay in the store.
 */
import type { Bytes } from '../base/bytes.ts';
import { BlobError } from './errors.ts';
import { askChunks, type BlobNetwork, faultOf, MAX_RUN } from './questions.ts';
import type { BlobStore } from './store.ts';
import { type BlobStat, CHUNK_BYTES, keyOf } from './tree.ts';

/** Questions under way per peer: three of 1 MiB keep the line busy while one answer is hashed. */
const WINDOW = 3;
/** A question that is under way for this long is also asked of another peer that has nothing to do. */
const SLOW_MS = 1_500;
const PAUSE_MS = 200;
const MAX_STRIKES = 3;
const LIE_PENALTY = -50;
const NONSENSE_PENALTY = -20;
const SLOW_PENALTY = -2;

/** At most MAX_RUN missing chunks in a row. */
interface Run {
  readonly first: number;
  readonly count: number;
}

interface Giver {
  readonly peer: string;
  strikes: number;
  gone: boolean;
  workers: number;
}

export interface DownloadParts {
  readonly id: Bytes;
  readonly stat: BlobStat;
  readonly store: BlobStore;
  readonly network: BlobNetwork;
}

export class Download {
  /** The blob, or BlobError Incomplete, Full or TooLarge. */
  readonly done: Promise<Bytes>;
  private readonly parts: DownloadParts;
  private readonly bytes: Bytes;
  /** Runs of chunks that nobody was asked for. */
  private readonly queue: Run[] = [];
  /** Runs under way: since when, and by whom. */
  private readonly asked = new Map<Run, { readonly since: number; readonly by: Set<string> }>();
  private readonly givers: Giver[] = [];
  private readonly have: Uint8Array;
  private left: number;
  private over = false;
  private resolve: (bytes: Bytes) => void = () => {};
  private reject: (error: unknown) => void = () => {};

  private constructor(parts: DownloadParts) {
    this.parts = parts;
    this.bytes = new Uint8Array(parts.stat.length);
    this.left = parts.stat.chunkRoots.length;
    this.have = new Uint8Array(this.left);
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever waits for `done` sees the error; nobody may be waiting yet when it comes.
    this.done.catch(() => {});
  }

  /** Starts with what an earlier download of the same description left. Add peers to go on. */
  static async begin(parts: DownloadParts): Promise<Download> {
    const download = new Download(parts);
    const before = await parts.store.resume(parts.id);
    const useful = before?.stat.length === parts.stat.length ? before : undefined;
    for (let index = 0; index < parts.stat.chunkRoots.length; index++) {
      const chunk = await useful?.chunk(index);
      if (chunk !== undefined) download.keep(index, chunk);
    }
    download.plan();
    if (download.left === 0) await download.finish();
    return download;
  }

  get ended(): boolean {
    return this.over;
  }

  /** One more peer that has the blob under this description. */
  addPeer(peer: string): void {
    if (this.over) return;
    const giver = { peer, strikes: 0, gone: false, workers: 0 };
    this.givers.push(giver);
    for (let i = 0; i < WINDOW; i++) void this.work(giver);
  }

  /** Ends it with an error; what came stays in the store. */
  fail(error: unknown): void {
    this.over = true;
    this.reject(error);
  }

  private async work(giver: Giver): Promise<void> {
    giver.workers++;
    try {
      while (!this.over && !giver.gone) {
        const run = this.take(giver.peer);
        if (run === undefined) await pause(PAUSE_MS);
        else await this.bring(giver, run);
      }
    } catch (error) {
      this.fail(error);
    }
    giver.workers--;
    if (!this.over && this.givers.every((one) => one.workers === 0)) {
      const have = this.parts.stat.chunkRoots.length - this.left;
      this.fail(new BlobError('Incomplete', `${have} of ${this.parts.stat.chunkRoots.length} chunks`));
    }
  }

  /** Cuts what is missing into runs. */
  private plan(): void {
    for (let first = 0; first < this.have.length; first++) {
      if (this.have[first] === 1) continue;
      let count = 1;
      while (count < MAX_RUN && this.have[first + count] === 0) count++;
      this.queue.push({ first, count });
      first += count - 1;
    }
  }

  /** What to ask this peer for: something unasked, or something with which another peer is slow. */
  private take(peer: string): Run | undefined {
    const now = performance.now();
    const next = this.queue.shift();
    if (next !== undefined) {
      this.asked.set(next, { since: now, by: new Set([peer]) });
      return next;
    }
    for (const [run, { since, by }] of this.asked) {
      if (now - since < SLOW_MS || by.size > 1 || by.has(peer)) continue;
      by.add(peer);
      return run;
    }
    return undefined;
  }

  private async bring(giver: Giver, run: Run): Promise<void> {
    const { id, stat, store, network } = this.parts;
    try {
      const chunks = await askChunks(network, giver.peer, { id, ...run, length: stat.length });
      if (chunks === undefined) giver.gone = true;
      else if (!this.over && this.asked.has(run)) {
        await store.putChunks(id, stat, run.first, chunks);
        for (let i = 0; i < run.count; i++) {
          this.keep(run.first + i, chunks.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES));
        }
        this.asked.delete(run);
        if (this.left === 0 && !this.over) await this.finish();
      }
    } catch (error) {
      await this.blame(giver, error);
    } finally {
      this.release(run, giver.peer);
    }
  }

  /** A second copy of a chunk, from the peer that was slow, changes nothing. */
  private keep(index: number, chunk: Bytes): void {
    if (this.have[index] === 1) return;
    this.have[index] = 1;
    this.bytes.set(chunk, index * CHUNK_BYTES);
    this.left--;
  }

  /** The run did not come by this peer: back to the queue, unless another is at it. */
  private release(run: Run, peer: string): void {
    const asked = this.asked.get(run);
    if (asked === undefined) return;
    asked.by.delete(peer);
    if (asked.by.size > 0) return;
    this.asked.delete(run);
    this.queue.push(run);
  }

  private async blame(giver: Giver, error: unknown): Promise<void> {
    const { network, id } = this.parts;
    if (error instanceof BlobError) {
      if (error.code !== 'Mismatch') throw error;
      if (!giver.gone) network.report(giver.peer, LIE_PENALTY, `false chunk of blob ${keyOf(id)}`);
      giver.gone = true;
      return;
    }
    const fault = faultOf(error);
    if (fault === 'TooLarge' || fault === 'Malformed') {
      network.report(giver.peer, NONSENSE_PENALTY, `blob answer ${fault}`);
      giver.gone = true;
    } else if (fault === 'Disconnected') {
      giver.gone = true;
    } else {
      if (fault === 'Timeout') network.report(giver.peer, SLOW_PENALTY, 'slow blob answer');
      giver.strikes++;
      giver.gone = giver.gone || giver.strikes >= MAX_STRIKES;
      await pause(PAUSE_MS);
    }
  }

  private async finish(): Promise<void> {
    const { id, store } = this.parts;
    this.over = true;
    // A resumed download may have been complete but for its name, and a download can be evicted by another.
    if (store.size(id) === undefined) await store.put(this.bytes);
    this.resolve(this.bytes);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
