/**
 * # Watch: what happens to an extrinsic, told to who asked.
 *
 * Always true: a watch ends with finalized, finalityTimeout, usurped, dropped or invalid, and is silent afterwards; at
 * most MAX_WATCHES are open, and the pool refuses to open more rather than forget one.
 */
import type { Bytes } from '../base/bytes.ts';

const MAX_WATCHES = 4_096;
/** Blocks on top of the one it is in, without finality: then the watcher is told to stop waiting (Substrate's 512). */
export const FINALITY_TIMEOUT_BLOCKS = 512;

/** As `author_extrinsicUpdate` says it. */
export type WatchEvent =
  | { readonly type: 'ready' | 'future' | 'dropped' | 'invalid' }
  | { readonly type: 'broadcast'; readonly peers: readonly string[] }
  | { readonly type: 'inBlock' | 'retracted' | 'finalized' | 'finalityTimeout'; readonly block: Bytes }
  | { readonly type: 'usurped'; readonly by: Bytes };

export interface Notice {
  readonly watch: string;
  readonly event: WatchEvent;
}

interface Watched {
  readonly watches: Set<string>;
  /** The block of the best chain that it is in. */
  included: { readonly block: Bytes; readonly blockKey: string; readonly number: number } | undefined;
}

const ENDS: ReadonlySet<WatchEvent['type']> = new Set([
  'finalized',
  'finalityTimeout',
  'usurped',
  'dropped',
  'invalid',
]);

export class Watches {
  private readonly byKey = new Map<string, Watched>();
  private readonly keyOf = new Map<string, string>();

  get isFull(): boolean {
    return this.keyOf.size >= MAX_WATCHES;
  }

  get isEmpty(): boolean {
    return this.byKey.size === 0;
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  /** Begins to watch; the caller has checked `isFull`. */
  open(watch: string, key: string): void {
    const watched = this.byKey.get(key) ?? { watches: new Set(), included: undefined };
    watched.watches.add(watch);
    this.byKey.set(key, watched);
    this.keyOf.set(watch, key);
  }

  close(watch: string): void {
    const key = this.keyOf.get(watch);
    if (key === undefined) return;
    this.keyOf.delete(watch);
    const watched = this.byKey.get(key);
    watched?.watches.delete(watch);
    if (watched?.watches.size === 0) this.byKey.delete(key);
  }

  /** Tells everybody who watches this extrinsic. */
  tell(key: string, event: WatchEvent): Notice[] {
    const watched = this.byKey.get(key);
    if (watched === undefined) return [];
    const notices = [...watched.watches].map((watch) => ({ watch, event }));
    if (ENDS.has(event.type)) for (const { watch } of notices) this.close(watch);
    return notices;
  }

  included(key: string, at: { readonly block: Bytes; readonly blockKey: string; readonly number: number }): Notice[] {
    const watched = this.byKey.get(key);
    if (watched === undefined) return [];
    watched.included = at;
    return this.tell(key, { type: 'inBlock', block: at.block });
  }

  /** The block that it was in left the best chain. */
  retracted(key: string, block: Bytes): Notice[] {
    const watched = this.byKey.get(key);
    if (watched?.included === undefined) return [];
    watched.included = undefined;
    return this.tell(key, { type: 'retracted', block });
  }

  /** These blocks are final. */
  finalized(blockKeys: ReadonlySet<string>): Notice[] {
    const out: Notice[] = [];
    for (const [key, { included }] of [...this.byKey]) {
      if (included === undefined || !blockKeys.has(included.blockKey)) continue;
      out.push(...this.tell(key, { type: 'finalized', block: included.block }));
    }
    return out;
  }

  /** The best chain has reached this height. */
  reached(number: number): Notice[] {
    const out: Notice[] = [];
    for (const [key, { included }] of [...this.byKey]) {
      if (included === undefined || number - included.number < FINALITY_TIMEOUT_BLOCKS) continue;
      out.push(...this.tell(key, { type: 'finalityTimeout', block: included.block }));
    }
    return out;
  }
}
