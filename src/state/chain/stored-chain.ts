/**
 * # StoredChain: blocks and states of one chain over records that somebody else brings to the disk.
 *
 * Always true: what `best`, `settled` and the canonical line say is what the records say; each method leaves both in
 * step, so that any batch taken between two calls is a whole and consistent chain.
 */
import { assert, must } from '../../base/assert.ts';
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { encodeDiff } from '../diff.ts';
import { StoreError } from '../errors.ts';
import type { BlockRef, ChainStore, NewBlock, Route, Settlement, StoreStats } from '../store.ts';
import type { StateTree } from '../tree.ts';
import { Lru } from './lru.ts';
import {
  AUX_KEY,
  Aux,
  BlockRecord,
  Body,
  blockKey,
  COUNTED,
  type Counted,
  type Counts,
  decoded,
  HEAD_KEY,
  Head,
  type HeaderFields,
  headerFields,
  heightAt,
  heightKey,
  listOf,
  MAX_AUX_BYTES,
  MAX_AUX_NAMES,
  nameOf,
  present,
} from './records.ts';
import { spanKeysAt, spansAt } from './spans.ts';
import { States } from './states.ts';
import type { Tail, TailBlock } from './tail.ts';
import { sizeOf, type WriteQueue, type Writes } from './write-queue.ts';

/** How far back states are kept: blocks below the settled one, or all of them. */
export type Pruning = number | 'archive';

/** What a chain is made of when it is created or loaded. */
export interface ChainParts {
  readonly genesis: BlockRef;
  /** Height of the block that the store began with. */
  readonly first: number;
  readonly tail: Tail;
  readonly base: StateTree;
  readonly counts: Counts;
  readonly arrivals: number;
  readonly undoFrom: number;
  readonly aux: ReadonlyMap<string, Bytes>;
}

// Undo records dropped at one settlement, when the window was made smaller: the rest goes with the next ones.
const MAX_PRUNED_AT_ONCE = 64;
const RECENT_BLOCKS = 512;

export class StoredChain implements ChainStore {
  readonly genesis: BlockRef;
  readonly base: number;
  protected readonly queue: WriteQueue;
  protected readonly counts: Counts;
  private readonly pruning: Pruning;
  private readonly tail: Tail;
  private readonly states: States;
  private readonly named: Map<string, Bytes>;
  private readonly recent = new Lru<BlockRecord>(RECENT_BLOCKS);
  private arrivals: number;
  private undoFrom: number;

  constructor(parts: ChainParts, pruning: Pruning, queue: WriteQueue) {
    this.genesis = parts.genesis;
    this.base = parts.first;
    this.tail = parts.tail;
    this.states = new States(parts.base, queue);
    this.counts = { ...parts.counts };
    this.arrivals = parts.arrivals;
    this.undoFrom = parts.undoFrom;
    this.named = new Map(parts.aux);
    this.pruning = pruning;
    this.queue = queue;
  }

  get best(): BlockRef {
    return refOf(this.tail.best);
  }

  get settled(): BlockRef {
    return refOf(this.tail.settled);
  }

  number(hash: Bytes): number | undefined {
    const name = nameOf(hash);
    const block = this.tail.get(name);
    if (block !== undefined) return block.number;
    const record = this.queue.get(COUNTED.number + name);
    return record === undefined ? undefined : heightAt(nameOf(record), 0);
  }

  header(hash: Bytes): Bytes | undefined {
    return this.record(hash)?.header;
  }

  parent(hash: Bytes): Bytes | undefined {
    return this.fields(hash)?.parent;
  }

  stateRoot(hash: Bytes): Bytes | undefined {
    return this.fields(hash)?.stateRoot;
  }

  meta(hash: Bytes): Bytes | undefined {
    return this.record(hash)?.meta;
  }

  arrival(hash: Bytes): number | undefined {
    return this.record(hash)?.arrival;
  }

  body(hash: Bytes): Bytes[] | undefined {
    const number = this.number(hash);
    if (number === undefined) return undefined;
    const key = blockKey('body', number, nameOf(hash));
    return decoded('body', key, present('body', key, this.queue.get(key)), (bytes) => Body.dec(bytes));
  }

  opening(hash: Bytes): Bytes | undefined {
    return this.beside('opening', hash);
  }

  justification(hash: Bytes): Bytes | undefined {
    return this.beside('justification', hash);
  }

  canonical(number: number): Bytes | undefined {
    if (number > this.tail.best.number || (number > 0 && number < this.base)) return undefined;
    if (number > this.tail.settled.number) return must(this.tail.canonical(number), 'the line has no gap').hash.slice();
    const key = COUNTED.canonical + heightKey(number);
    return present('canonical', key, this.queue.get(key));
  }

  children(hash: Bytes): Bytes[] {
    return this.tail.get(nameOf(hash))?.children.map((child) => child.hash.slice()) ?? [];
  }

  leaves(): BlockRef[] {
    return this.tail.leaves().map(refOf);
  }

  view(hash: Bytes): StateTree | undefined {
    const block = this.tail.get(nameOf(hash));
    if (block !== undefined) return this.states.at(block);
    const fields = this.fields(hash);
    if (fields === undefined || fields.number + 1 < this.undoFrom) return undefined;
    if (typeof this.pruning === 'number' && fields.number + this.pruning < this.tail.settled.number) return undefined;
    return this.states.past(fields.number, this.tail.settled.number, fields.stateRoot);
  }

  append(block: NewBlock): StateTree {
    this.queue.ensureRoom();
    const name = nameOf(block.hash);
    const known = this.tail.get(name);
    if (known !== undefined) return this.states.at(known);
    const parent = this.tail.get(nameOf(block.parent));
    if (parent === undefined) throw new StoreError('UnknownBlock', toHex(block.parent));
    const fields = continues(parent, block);
    const ready = block.tree?.follows(parent.stateRoot, block.changes) ? block.tree : undefined;
    const tree = ready ?? this.states.at(parent).with(block.changes);
    if (!equal(tree.root, fields.stateRoot)) throw new StoreError('WrongStateRoot', toHex(tree.root));
    const stateRoot = fields.stateRoot;
    const added = this.tail.add(parent, { hash: block.hash.slice(), name, stateRoot, arrival: this.arrivals });
    this.put('block', blockKey('block', added.number, name), BlockRecord.enc({ ...block, arrival: this.arrivals }));
    this.put('body', blockKey('body', added.number, name), Body.enc([...block.body]));
    this.put('number', COUNTED.number + name, heightBytes(added.number));
    const { changes } = block;
    this.counts.diff++;
    this.queue.putLater(blockKey('diff', added.number, name), sizeOf(changes), () => encodeDiff(changes));
    if (block.opening !== undefined) this.put('opening', blockKey('opening', added.number, name), block.opening);
    this.arrivals++;
    this.states.keep(added, tree, block.changes);
    return tree;
  }

  setBest(hash: Bytes): Route {
    const to = this.inTail(hash);
    const { retracted, enacted } = this.tail.setBest(to);
    // A height that both lines have is written once, not deleted and put.
    for (const block of retracted) {
      if (block.number > to.number) this.drop('canonical', COUNTED.canonical + heightKey(block.number));
    }
    const before = retracted[0]?.number ?? (enacted[0]?.number ?? 1) - 1;
    for (const block of enacted) {
      const key = COUNTED.canonical + heightKey(block.number);
      if (block.number > before) this.put('canonical', key, block.hash);
      else this.queue.put(key, block.hash);
    }
    return { retracted: retracted.map(refOf), enacted: enacted.map(refOf) };
  }

  settle(hash: Bytes): Settlement {
    const to = this.inTail(hash);
    const way = this.tail.settle(to);
    for (const block of way.settled) {
      const { changes, undo } = this.states.advance(block);
      this.put('undo', COUNTED.undo + heightKey(block.number), undo);
      this.drop('diff', blockKey('diff', block.number, block.name));
      this.queue.change(changes);
      const spans = this.pruning === 'archive' ? spansAt(block.number, this.queue) : [];
      for (const [key, span] of spans) this.put('span', key, span);
    }
    for (const block of way.dropped) this.forget(block);
    this.prune();
    return { settled: way.settled.map(refOf), dropped: way.dropped.map(refOf) };
  }

  revert(count: number): number {
    let to = this.tail.best;
    let taken = 0;
    for (; taken < count && to.parent !== undefined; taken++) to = to.parent;
    this.setBest(to.hash);
    const keep = new Set<TailBlock>();
    for (let block: TailBlock | undefined = to; block !== undefined; block = block.parent) keep.add(block);
    // Highest first: each is a leaf when its turn comes.
    const gone = this.tail.blocks().filter((block) => !keep.has(block));
    for (const block of gone.sort((a, b) => b.number - a.number)) {
      this.tail.remove(block);
      this.forget(block);
    }
    return taken;
  }

  putJustification(hash: Bytes, justification: Bytes): void {
    const number = this.number(hash);
    if (number === undefined) throw new StoreError('UnknownBlock', toHex(hash));
    const key = blockKey('justification', number, nameOf(hash));
    if (this.queue.get(key) === undefined) this.counts.justification++;
    this.queue.put(key, justification);
  }

  aux(name: string): Bytes | undefined {
    return this.named.get(name)?.slice();
  }

  putAux(name: string, value: Bytes | undefined): void {
    const next = new Map(this.named);
    if (value === undefined) next.delete(name);
    else next.set(name, value.slice());
    const size = [...next].reduce((sum, [key, bytes]) => sum + key.length + bytes.length, 0);
    if (next.size > MAX_AUX_NAMES || size > MAX_AUX_BYTES)
      throw new StoreError('TooMuchAux', `${next.size} names, ${size} bytes`);
    if (value === undefined) this.named.delete(name);
    else this.named.set(name, value.slice());
    this.queue.put(AUX_KEY, Aux.enc([...this.named]));
  }

  stats(): StoreStats {
    return { unsettled: this.tail.size, trees: this.states.size, queuedBytes: this.queue.bytes };
  }

  /** All that was written since the last batch, with the head that goes with it. */
  protected takeBatch(): Writes {
    this.queue.put(HEAD_KEY, this.headRecord());
    return this.queue.take();
  }

  private headRecord(): Bytes {
    return Head.enc({
      stateVersion: this.states.settled.version,
      genesis: this.genesis.hash,
      best: this.best,
      settled: this.settled,
      arrivals: this.arrivals,
      undoFrom: this.undoFrom,
      counts: listOf(this.counts),
      base: this.base,
    });
  }

  private record(hash: Bytes): BlockRecord | undefined {
    const name = nameOf(hash);
    const known = this.recent.get(name);
    if (known !== undefined) return known;
    const number = this.number(hash);
    if (number === undefined) return undefined;
    const key = blockKey('block', number, name);
    const record = decoded('block', key, present('block', key, this.queue.get(key)), (bytes) => BlockRecord.dec(bytes));
    this.recent.set(name, record);
    return record;
  }

  private fields(hash: Bytes): HeaderFields | undefined {
    const record = this.record(hash);
    return record === undefined ? undefined : headerFields(record.header);
  }

  private beside(column: 'opening' | 'justification', hash: Bytes): Bytes | undefined {
    const number = this.number(hash);
    return number === undefined ? undefined : this.queue.get(blockKey(column, number, nameOf(hash)));
  }

  private inTail(hash: Bytes): TailBlock {
    const block = this.tail.get(nameOf(hash));
    if (block === undefined) throw new StoreError('UnknownBlock', toHex(hash));
    return block;
  }

  /** Drops undo records that the window has left behind. */
  private prune(): void {
    if (this.pruning === 'archive') return;
    const wanted = Math.max(1, this.tail.settled.number - this.pruning + 1);
    for (let left = MAX_PRUNED_AT_ONCE; left > 0 && this.undoFrom < wanted; left--) {
      this.drop('undo', COUNTED.undo + heightKey(this.undoFrom));
      for (const key of spanKeysAt(this.undoFrom)) this.dropIfThere('span', key);
      this.undoFrom++;
    }
  }

  /** Removes all records of a block that is no longer in the tail. */
  private forget(block: TailBlock): void {
    const { number, name } = block;
    this.drop('block', blockKey('block', number, name));
    this.drop('body', blockKey('body', number, name));
    this.drop('number', COUNTED.number + name);
    this.drop('diff', blockKey('diff', number, name));
    this.dropIfThere('opening', blockKey('opening', number, name));
    this.dropIfThere('justification', blockKey('justification', number, name));
    this.recent.delete(name);
    this.states.forget(block);
  }

  private put(column: Counted, key: string, value: Bytes): void {
    this.counts[column]++;
    this.queue.put(key, value);
  }

  private drop(column: Counted, key: string): void {
    this.counts[column]--;
    assert(this.counts[column] >= 0, 'only records that exist are dropped');
    this.queue.delete(key);
  }

  private dropIfThere(column: Counted, key: string): void {
    if (this.queue.get(key) !== undefined) this.drop(column, key);
  }
}

function refOf(block: BlockRef): BlockRef {
  return { hash: block.hash.slice(), number: block.number };
}

export function heightBytes(number: number): Bytes {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, number);
  return out;
}

/** The header's fields, if the block is what it says and follows its parent; StoreError `WrongBlock` otherwise. */
function continues(parent: TailBlock, block: NewBlock): HeaderFields {
  const fields = headerFields(block.header);
  const fits =
    equal(blake2_256(block.header), block.hash) &&
    equal(fields.parent, parent.hash) &&
    fields.number === parent.number + 1 &&
    block.number === fields.number &&
    equal(fields.stateRoot, block.stateRoot);
  if (!fits) throw new StoreError('WrongBlock', toHex(block.hash));
  return fields;
}
