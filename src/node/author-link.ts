/**
 * # Author link: builds templates while miners listen, and takes the tickets that they hand in.
 *
 * Always true: while blocks are fetched, or may not be made here, nothing is built; a template in work takes SLICE_MS
 * each time the event loop goes round; every ticket is answered once.
 */
import type { Bytes } from '../base/bytes.ts';
import type { Author, AuthorEffect, AuthorInput, Submission } from '../consensus/author.ts';
import type { ReceivedBlock } from '../consensus/import.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import type { ChainStore } from '../state/store.ts';
import type { Clocks } from './clocks.ts';
import { ticketResult } from './meter.ts';

/** Work is done this long at a time, as dear reads are answered (rpc/limits.ts). */
export const SLICE_MS = 3;
/** A template that has to wait while blocks are fetched is looked at this often. */
const LEAST_WAIT_MS = 50;

export type TicketAnswer = Extract<AuthorEffect, { type: 'answer' }>['outcome'];

export interface AuthorLinkParts {
  readonly author: Author;
  readonly store: ChainStore;
  readonly clocks: Clocks;
  readonly meter?: NodeMetrics | undefined;
  isSyncing(): boolean;
  /** Does something, unless the node has stopped; what is thrown stops it. */
  guard(work: () => void): void;
  /** There is a new template. */
  onTemplate(): void;
  import(block: ReceivedBlock): void;
  invalid(hashes: readonly Bytes[]): void;
}

export class AuthorLink {
  readonly #parts: AuthorLinkParts;
  readonly #tickets = new Map<number, (outcome: TicketAnswer) => void>();
  #request = 0;
  #miners = 0;
  #mayAuthor = true;
  /** What the template in work has taken so far. */
  #templateMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #stopped = false;

  constructor(parts: AuthorLinkParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
  }

  /** Miners that listen. */
  get miners(): number {
    return this.#miners;
  }

  /** Whether blocks are made here. */
  get mayAuthor(): boolean {
    return this.#mayAuthor;
  }

  /** A miner listens; until the returned function is called, templates are built. */
  addMiner(): () => void {
    this.#countMiners(1);
    return () => this.#countMiners(-1);
  }

  setAuthoring(may: boolean): void {
    this.#mayAuthor = may;
    this.#countMiners(0);
  }

  /** Gives a ticket to the machine; the block that it seals is imported like any other. */
  submitTicket(submission: Submission): Promise<TicketAnswer> {
    // As if there had never been a template.
    const { best } = this.#parts.store;
    if (!this.#mayAuthor) return Promise.resolve({ error: { code: 'UnknownTemplate', best } });
    const request = ++this.#request;
    return new Promise((resolve) => {
      this.#tickets.set(request, resolve);
      this.step({ type: 'submit', request, submission });
    });
  }

  /** Another block is the best, the pool took something, or the time has come. */
  step(input: AuthorInput): void {
    const { author, clocks, guard, meter } = this.#parts;
    guard(() => {
      // While blocks are fetched, a template would build on a block that the network has left behind.
      const steps = !this.#parts.isSyncing() || input.type === 'miners' || input.type === 'submit';
      const start = performance.now();
      const effects = steps ? author.step(clocks.steady(), input, clocks.wall()) : [];
      this.#templateMs += performance.now() - start;
      for (const effect of effects) {
        if (effect.type === 'template') {
          meter?.proposed(this.#templateMs / 1_000, effect.template.extrinsics.length);
          this.#templateMs = 0;
        }
        this.#perform(effect);
      }
      this.#wake();
    });
  }

  #countMiners(more: number): void {
    this.#miners += more;
    this.step({ type: 'miners', count: this.#mayAuthor ? this.#miners : 0 });
  }

  #wake(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    const { author, clocks, isSyncing } = this.#parts;
    const at = author.wakeAt();
    if (at === undefined || this.#stopped) return;
    if (at === 0 && !isSyncing()) {
      this.#turn = setImmediate(() => {
        const end = performance.now() + SLICE_MS;
        do this.step({ type: 'tick' });
        while (author.wakeAt() === 0 && performance.now() < end);
      });
      return;
    }
    this.#timer = setTimeout(() => this.step({ type: 'tick' }), Math.max(LEAST_WAIT_MS, at - clocks.steady()));
  }

  #perform(effect: AuthorEffect): void {
    const { meter, onTemplate, import: importBlock, invalid } = this.#parts;
    switch (effect.type) {
      case 'template':
        onTemplate();
        return;
      case 'answer':
        meter?.ticket(ticketResult(effect.outcome));
        this.#tickets.get(effect.request)?.(effect.outcome);
        this.#tickets.delete(effect.request);
        return;
      case 'block':
        importBlock(effect.block);
        return;
      case 'invalid':
        invalid(effect.hashes);
        return;
    }
  }
}
