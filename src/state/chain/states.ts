/**
 * # States: from the settled state, held whole, to the state of any block that is not pruned.
 *
 * Always true: a state is handed out only if its root is the one in the block's header. At most STATES_ABOVE states
 * above and STATES_BELOW below the settled one are kept ready; others are made again from the recorded changes.
 */
import { must } from '../../base/assert.ts';
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { addChanges, decodeDiff, encodeUndo } from '../diff.ts';
import { StoreError } from '../errors.ts';
import type { StateTree } from '../tree.ts';
import type { ChangeSet } from '../view.ts';
import { Lru } from './lru.ts';
import { blockKey, COUNTED, decoded, heightKey, present } from './records.ts';
import { stepDown } from './spans.ts';
import type { TailBlock } from './tail.ts';
import type { RecordSource } from './write-queue.ts';

/** A full block's state shares all but about 1 MiB with its parent's. */
const STATES_ABOVE = 64;
const STATES_BELOW = 8;

interface Kept {
  readonly tree: StateTree;
  /** What led here from the parent's state, where it is still at hand. */
  readonly changes: ChangeSet | undefined;
}

interface Past {
  readonly number: number;
  readonly tree: StateTree;
}

export class States {
  private readonly records: RecordSource;
  private base: StateTree;
  private readonly above = new Lru<Kept>(STATES_ABOVE);
  private readonly below = new Lru<Past>(STATES_BELOW);

  constructor(base: StateTree, records: RecordSource) {
    this.base = base;
    this.records = records;
  }

  /** The settled state. */
  get settled(): StateTree {
    return this.base;
  }

  /** States in memory. */
  get size(): number {
    return 1 + this.above.size + this.below.size;
  }

  /** Keeps the state of a new block ready. */
  keep(block: TailBlock, tree: StateTree, changes: ChangeSet): void {
    this.above.set(block.name, { tree, changes });
  }

  forget(block: TailBlock): void {
    this.above.delete(block.name);
  }

  /** The state of the settled block or of one above it. */
  at(block: TailBlock): StateTree {
    const later: TailBlock[] = [];
    let at = block;
    let from = this.ready(at);
    while (from === undefined) {
      later.push(at);
      at = must(at.parent, 'the tail hangs below the settled block');
      from = this.ready(at);
    }
    if (later.length === 0) return from;
    const sum = new Map<string, Bytes | null>();
    for (const step of later.reverse()) addChanges(sum, this.changesOf(step));
    const tree = proven(from.with(sum), block.stateRoot, block.number);
    this.above.set(block.name, { tree, changes: later.length === 1 ? sum : undefined });
    return tree;
  }

  private ready(block: TailBlock): StateTree | undefined {
    return block.parent === undefined ? this.base : this.above.get(block.name)?.tree;
  }

  /** What a block above the settled one changed. */
  changesOf(block: TailBlock): ChangeSet {
    const kept = this.above.get(block.name)?.changes;
    if (kept !== undefined) return kept;
    const key = blockKey('diff', block.number, block.name);
    return decoded('diff', key, present('diff', key, this.records.get(key)), decodeDiff);
  }

  /** Makes a child of the settled block the settled one; returns what it changed and the record that undoes it. */
  advance(block: TailBlock): { changes: ChangeSet; undo: Bytes } {
    const changes = this.changesOf(block);
    const undo = encodeUndo(changes, (key) => this.base.valueAt(key));
    const ready = this.above.get(block.name)?.tree;
    this.below.set(heightKey(block.number - 1), { number: block.number - 1, tree: this.base });
    this.base = ready ?? proven(this.base.with(changes), block.stateRoot, block.number);
    this.above.delete(block.name);
    return { changes, undo };
  }

  /** The state at a height below the settled one, given the settled height and the state root there. */
  past(number: number, settled: number, stateRoot: Bytes): StateTree {
    let from: Past = { number: settled, tree: this.base };
    for (const kept of this.below.values()) if (kept.number >= number && kept.number < from.number) from = kept;
    if (from.number === number) return from.tree;
    const sum = new Map<string, Bytes | null>();
    for (let height = from.number; height > number; ) {
      const next = stepDown(sum, height, number, this.records);
      height = present('undo', COUNTED.undo + heightKey(height), next);
    }
    const tree = proven(from.tree.with(sum), stateRoot, number);
    this.below.set(heightKey(number), { number, tree });
    return tree;
  }
}

function proven(tree: StateTree, root: Bytes, number: number): StateTree {
  if (equal(tree.root, root)) return tree;
  throw new StoreError('CorruptDatabase', `state of block ${number} has root ${toHex(tree.root)}, not ${toHex(root)}`);
}
