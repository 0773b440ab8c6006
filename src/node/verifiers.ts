/**
 * # Verifiers: threads that find signatures valid before they are asked for.
 *
 * Always true: nothing depends on them but time. What they find valid is remembered under the claim that this thread
 * sent; what they find invalid, or never answer, is verified where it is needed. A thread that ends, speaks nonsense or
 * says nothing for HANG_MS is ended, what it held is let go, and another takes its place, MAX_LOST times in all.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Claim, SignatureMemory } from './signatures.ts';
import { Claims, VALID } from './verifier-messages.ts';

/** Beside this file's own form: `.ts` in a checkout, `.js` once compiled. */
const THREAD = new URL(`./verifier-thread${extname(import.meta.url)}`, import.meta.url);

/** Claims of a message: about 2 ms of work, and 7 KB. */
const CHUNK = 32;
/** Messages that a thread has at once: it has work while this thread computes and hears no answer. */
const UNDER_WAY = 4;
/** Claims that wait or are under way, 1 KB each. Who fills this makes others' be verified where they are needed. */
const MAX_WAITING = 8_192;
/** A thread that was never scheduled meanwhile loses only what it held. */
const HANG_MS = 30_000;
const MAX_LOST = 3;
/** Of a thread's heap. It keeps nothing between two messages; without limits it takes 53 MB of memory, with them 38. */
const LIMITS_MB = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

export interface VerifiersParts {
  /** Threads at most; one is started when there is work that the others do not get to. */
  readonly threads: number;
  readonly memory: SignatureMemory;
  readonly log: (level: 'info' | 'warn', text: string) => void;
  /** Another module for the threads, and a shorter patience; tests let a thread die, lie or hang. */
  readonly thread?: URL;
  readonly hangMs?: number;
}

/** Claims that were offered together. */
interface Offer {
  left: number;
  readonly answered: () => void;
}

interface Item {
  readonly name: string;
  readonly claim: Claim;
  readonly offer: Offer;
}

interface Thread {
  readonly worker: Worker;
  /** In the order in which they will be answered. */
  readonly chunks: (readonly Item[])[];
  watchdog: NodeJS.Timeout | undefined;
}

export class Verifiers {
  readonly #parts: VerifiersParts;
  readonly #threads = new Set<Thread>();
  readonly #queue: Item[] = [];
  /** Names of all that wait or are under way. */
  readonly #pending = new Set<string>();
  #lost = 0;
  #verified = 0;
  #stopped = false;

  constructor(parts: VerifiersParts) {
    this.#parts = parts;
  }

  /** Claims that were found valid. */
  get verified(): number {
    return this.#verified;
  }

  /** Claims that wait or are under way. */
  get waiting(): number {
    return this.#pending.size;
  }

  /**
   * Has claims verified that are neither known nor under way, as far as there is room. Resolves when each was answered
   * or let go; undefined if there is nothing to wait for.
   */
  offer(claims: readonly Claim[]): Promise<void> | undefined {
    const { memory } = this.#parts;
    if (this.#mostThreads() === 0) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const offer: Offer = { left: 0, answered: resolve };
    for (const claim of claims) {
      if (this.#pending.size >= MAX_WAITING) break;
      const name = memory.name(claim);
      if (name === undefined || memory.has(name) || this.#pending.has(name)) continue;
      this.#pending.add(name);
      this.#queue.push({ name, claim, offer });
      offer.left++;
    }
    if (offer.left === 0) return undefined;
    this.#dispatch();
    return promise;
  }

  /** Ends the threads; nobody waits for an answer any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const threads = [...this.#threads];
    for (const thread of threads) this.#release(thread);
    this.#settle(this.#queue.splice(0));
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  /** Each that is lost beyond MAX_LOST leaves its place empty. */
  #mostThreads(): number {
    return this.#stopped ? 0 : this.#parts.threads - Math.max(0, this.#lost - MAX_LOST);
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const thread = this.#freeThread();
      if (thread === undefined) break;
      const chunk = this.#nextChunk();
      if (chunk.length > 0) this.#ask(thread, chunk);
    }
    if (this.#mostThreads() === 0) this.#settle(this.#queue.splice(0));
  }

  /** Without what was verified meanwhile where it was needed. */
  #nextChunk(): Item[] {
    const chunk: Item[] = [];
    let taken = 0;
    for (const item of this.#queue) {
      if (chunk.length === CHUNK) break;
      taken++;
      if (this.#parts.memory.has(item.name)) this.#settle([item]);
      else chunk.push(item);
    }
    this.#queue.splice(0, taken);
    return chunk;
  }

  /** The thread with the least to do that has room; a new one if each has something. */
  #freeThread(): Thread | undefined {
    let least: Thread | undefined;
    for (const thread of this.#threads) {
      if (least === undefined || thread.chunks.length < least.chunks.length) least = thread;
    }
    const isIdle = least?.chunks.length === 0;
    if (!isIdle && this.#threads.size < this.#mostThreads()) return this.#start();
    return least !== undefined && least.chunks.length < UNDER_WAY ? least : undefined;
  }

  #start(): Thread {
    const worker = new Worker(this.#parts.thread ?? THREAD, { resourceLimits: LIMITS_MB });
    const thread: Thread = { worker, chunks: [], watchdog: undefined };
    this.#threads.add(thread);
    worker.on('message', (verdicts: unknown) => this.#answered(thread, verdicts));
    worker.on('error', (error) => this.#lose(thread, error instanceof Error ? error.message : String(error)));
    worker.on('exit', () => this.#lose(thread, 'it ended'));
    return thread;
  }

  #ask(thread: Thread, chunk: readonly Item[]): void {
    thread.chunks.push(chunk);
    if (thread.chunks.length === 1) this.#watch(thread);
    thread.worker.postMessage(Claims.enc(chunk.map(({ claim }) => claim)));
  }

  /** An answer is due from now on. */
  #watch(thread: Thread): void {
    clearTimeout(thread.watchdog);
    if (thread.chunks.length === 0) return;
    const hangMs = this.#parts.hangMs ?? HANG_MS;
    thread.watchdog = setTimeout(() => this.#lose(thread, `no answer within ${hangMs} ms`), hangMs);
  }

  #answered(thread: Thread, verdicts: unknown): void {
    if (!this.#threads.has(thread)) return;
    const [chunk] = thread.chunks;
    if (chunk === undefined || !(verdicts instanceof Uint8Array) || verdicts.length !== chunk.length) {
      this.#lose(thread, 'its answer fits no question');
      return;
    }
    thread.chunks.shift();
    chunk.forEach(({ name }, i) => {
      if (verdicts[i] !== VALID) return;
      this.#verified++;
      this.#parts.memory.add(name);
    });
    this.#settle(chunk);
    this.#watch(thread);
    this.#dispatch();
  }

  #lose(thread: Thread, why: string): void {
    if (!this.#threads.has(thread)) return;
    this.#lost++;
    this.#parts.log('warn', `verifiers: a thread is lost: ${why}`);
    this.#release(thread);
    // What comes of ending it changes nothing.
    void thread.worker.terminate();
    this.#dispatch();
  }

  /** Lets go of a thread and of what it held. */
  #release(thread: Thread): void {
    clearTimeout(thread.watchdog);
    this.#threads.delete(thread);
    this.#settle(thread.chunks.splice(0).flat());
  }

  #settle(items: readonly Item[]): void {
    for (const { name, offer } of items) {
      this.#pending.delete(name);
      offer.left--;
      if (offer.left === 0) offer.answered();
    }
  }
}
