/**
 * # State intake: a state that is put together from chunks of whomever.
 *
 * Always true: what is held so far is a part of the one state with this root, from its beginning to `after`; a chunk
 * that is not what the root says of that place changes nothing. When it is complete its root is the wanted one.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, equal } from '../base/bytes.ts';
import { keyOf } from '../state/key.ts';
import { StateTree } from '../state/tree.ts';
import type { StateChunk } from '../state/trie/chunk.ts';
import { type ChunkFault, chunkFault } from '../state/trie/chunk-check.ts';

export class StateIntake {
  readonly root: Bytes;
  private held = StateTree.empty();
  private last: Bytes | undefined;
  private isWhole = false;
  private counted = { keys: 0, bytes: 0 };

  constructor(root: Bytes) {
    this.root = root;
  }

  /** The last key that is here; the next chunk begins after it. */
  get after(): Bytes | undefined {
    return this.last;
  }

  get isComplete(): boolean {
    return this.isWhole;
  }

  /** Keys that are here, and bytes of keys and values. */
  get count(): { readonly keys: number; readonly bytes: number } {
    return this.counted;
  }

  /** Takes the chunk after `after`, or says why it is none. */
  take(chunk: StateChunk): ChunkFault | undefined {
    const fault = chunkFault(this.root, this.last, chunk);
    if (fault !== undefined) return fault;
    this.held = this.held.with(new Map(chunk.entries.map(([key, value]) => [keyOf(key), value])));
    let { keys, bytes } = this.counted;
    for (const [key, value] of chunk.entries) {
      keys++;
      bytes += key.length + value.length;
    }
    this.counted = { keys, bytes };
    this.last = chunk.entries.at(-1)?.[0] ?? this.last;
    this.isWhole = chunk.complete;
    return undefined;
  }

  /** The whole state. */
  tree(): StateTree {
    assert(this.isWhole && equal(this.held.root, this.root), 'chunks that passed make the state of their root');
    return this.held;
  }
}
