/**
 * # Slots link: takes this node's turns at authoring, on time.
 *
 * Always true: a slot is on disk before its block leaves; while blocks are fetched, or the disk has no room, own slots
 * pass and are not made up for.
 */

import type { Bytes } from '../base/bytes.ts';
import type { ReceivedBlock } from '../consensus/import.ts';
import { LAST_SEALED, type SlotsAuthor } from '../consensus/slots-author.ts';
import { Slot } from '../primitives/slots.ts';
import type { DurableStore } from '../state/store.ts';
import type { Clocks } from './clocks.ts';

/** While own slots pass, so often it is looked whether that is over. */
const PASSING_MS = 200;

export interface SlotsLinkParts {
  readonly slots: SlotsAuthor;
  readonly store: DurableStore;
  /** Turns are times of the wall's clock. */
  readonly clocks: Clocks;
  /** Whether own slots may be taken now. */
  mayAuthor(): boolean;
  import(block: ReceivedBlock): void;
  invalid(hashes: readonly Bytes[]): void;
  readonly onFatal: (error: unknown) => void;
}

export class SlotsLink {
  readonly #parts: SlotsLinkParts;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: SlotsLinkParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Another block is the best, or the time has come. */
  step(type: 'head' | 'tick'): void {
    if (this.#stopped) return;
    const { mayAuthor, onFatal } = this.#parts;
    if (mayAuthor()) this.#seal(type).catch(onFatal);
    this.#wake();
  }

  #wake(): void {
    clearTimeout(this.#timer);
    const at = this.#parts.slots.wakeAt();
    if (at === undefined || this.#stopped) return;
    const least = this.#parts.mayAuthor() ? 1 : PASSING_MS;
    this.#timer = setTimeout(() => this.step('tick'), Math.max(least, at - this.#parts.clocks.wall()));
  }

  async #seal(type: 'head' | 'tick'): Promise<void> {
    const { clocks, slots, store } = this.#parts;
    for (const effect of slots.step(clocks.wall(), { type })) {
      if (effect.type === 'persist') {
        store.putAux(LAST_SEALED, Slot.enc(effect.slot));
        await store.flush(true);
      } else if (effect.type === 'block') this.#parts.import(effect.block);
      else this.#parts.invalid(effect.hashes);
    }
  }
}
