/**
 * # Overlay: a state while a block runs: the base seen through the block's changes.
 *
 * Always true: reads see the latest write that was not rolled back; the base is never touched; a rollback restores
 * exactly what was there at its `begin`. Holds what one block reads and writes, which its weight bounds.
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { bytesOf, keyOf } from './key.ts';
import type { ChangeSet, StateView } from './view.ts';

/** How many keys a prefix deletion removed, and whether keys with the prefix are left. */
export interface PrefixDeletion {
  readonly deleted: number;
  readonly more: boolean;
}

/** Reads and writes since the overlay was made, for weights and metrics. */
export interface OverlayCounts {
  /** Reads answered by the base. */
  readonly baseReads: number;
  readonly reads: number;
  readonly writes: number;
}

interface Undo {
  readonly key: string;
  /** What the overlay held: undefined when nothing. */
  readonly before: Bytes | null | undefined;
}

/** Changes on top of a state, with nested transactions. Byte strings given and returned must not be modified. */
export class Overlay {
  private readonly base: StateView;
  private readonly changed = new Map<string, Bytes | null>();
  // Pallets read the same few keys for each extrinsic; making the bytes again costs more than finding them here.
  private readonly seen = new Map<string, Bytes | undefined>();
  /** What to restore, oldest first; each open transaction remembers where it began. */
  private readonly undo: Undo[] = [];
  private readonly marks: number[] = [];
  private readonly tally = { baseReads: 0, reads: 0, writes: 0 };

  constructor(base: StateView) {
    this.base = base;
  }

  get(key: Bytes): Bytes | undefined {
    this.tally.reads++;
    const name = keyOf(key);
    const change = this.changed.get(name);
    if (change !== undefined) return change ?? undefined;
    const known = this.seen.get(name);
    if (known !== undefined || this.seen.has(name)) return known;
    this.tally.baseReads++;
    const value = this.base.get(key);
    this.seen.set(name, value);
    return value;
  }

  put(key: Bytes, value: Bytes): void {
    this.write(keyOf(key), value);
  }

  delete(key: Bytes): void {
    this.write(keyOf(key), null);
  }

  /** Deletes the first `limit` keys under a prefix, in order. */
  deletePrefix(prefix: Bytes, limit: number): PrefixDeletion {
    const keys = this.keys(prefix, undefined, limit);
    for (const key of keys) this.write(keyOf(key), null);
    return { deleted: keys.length, more: this.keys(prefix, undefined, 1).length > 0 };
  }

  /** Keys under a prefix as the changes leave them, in order, strictly after `after`, at most `limit`. */
  keys(prefix: Bytes, after: Bytes | undefined, limit: number): Bytes[] {
    const start = keyOf(prefix);
    const bound = after === undefined ? undefined : keyOf(after);
    const written: string[] = [];
    let removed = 0;
    for (const [key, value] of this.changed) {
      if (!key.startsWith(start) || (bound !== undefined && key <= bound)) continue;
      if (value === null) removed++;
      else written.push(key);
    }
    written.sort();
    // Enough keys of the base that `limit` are left after all removals.
    const held = this.base.keys(prefix, after, limit + removed).map(keyOf);
    const left = removed === 0 ? held : held.filter((key) => this.changed.get(key) !== null);
    return merge(left, written, limit).map(bytesOf);
  }

  /** Opens a transaction inside the current one. */
  begin(): void {
    this.marks.push(this.undo.length);
  }

  /** Closes the innermost transaction and keeps its changes. */
  commit(): void {
    assert(this.marks.length > 0, 'commit without begin');
    this.marks.pop();
    if (this.marks.length === 0) this.undo.length = 0;
  }

  /** Closes the innermost transaction and takes its changes back. */
  rollback(): void {
    const mark = this.marks.pop();
    assert(mark !== undefined, 'rollback without begin');
    for (let i = this.undo.length - 1; i >= mark; i--) {
      const { key, before } = this.undo[i] as Undo;
      if (before === undefined) this.changed.delete(key);
      else this.changed.set(key, before);
    }
    this.undo.length = mark;
  }

  /** All changes so far; no transaction may be open. The overlay must not be written to afterwards. */
  changes(): ChangeSet {
    assert(this.marks.length === 0, 'changes are taken outside transactions');
    return this.changed;
  }

  get counts(): OverlayCounts {
    return { ...this.tally };
  }

  private write(key: string, value: Bytes | null): void {
    this.tally.writes++;
    if (this.marks.length > 0) this.undo.push({ key, before: this.changed.get(key) });
    this.changed.set(key, value);
  }
}

/** The first `limit` of two ascending lists without duplicates in either. */
function merge(a: readonly string[], b: readonly string[], limit: number): string[] {
  const out: string[] = [];
  let i = 0;
  let j = 0;
  while (out.length < limit && (i < a.length || j < b.length)) {
    const x = a[i];
    const y = b[j];
    if (y === undefined || (x !== undefined && x <= y)) {
      out.push(x as string);
      i++;
      if (x === y) j++;
    } else {
      out.push(y);
      j++;
    }
  }
  return out;
}
