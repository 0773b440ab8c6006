/**
 * # Load: a chain from its records, believed only after it was checked.
 *
 * Always true of a loaded chain: the settled state has the root of its header; every block above it hangs below it by
 * hash and was executed to the root of its header; the newest CHECKED_BELOW settled blocks are linked by hash.
 */
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { StoreError } from '../errors.ts';
import { bytesOf, keyOf } from '../key.ts';
import type { Base, BlockRef } from '../store.ts';
import { StateTree } from '../tree.ts';
import type { StateVersion } from '../trie/node.ts';
import {
  AUX_KEY,
  Aux,
  BlockRecord,
  Body,
  blockKey,
  COUNTED,
  type Counted,
  countsOf,
  decoded,
  HEAD_KEY,
  Head,
  headerFields,
  heightAt,
  heightKey,
  listOf,
  nameOf,
  present,
  SCHEMA,
} from './records.ts';
import { States } from './states.ts';
import { type ChainParts, heightBytes } from './stored-chain.ts';
import { Tail, type TailBlock } from './tail.ts';
import type { RecordSource, WriteQueue, Writes } from './write-queue.ts';

/** Settled blocks whose links are checked at every start; the rest by `verify`. */
const CHECKED_BELOW = 256;

/** The block and state that a chain begins with. */
export interface Genesis {
  readonly hash: Bytes;
  /** SCALE of the header. */
  readonly header: Bytes;
  readonly state: StateTree;
}

/** Records that must be read in order rather than one by one. */
export interface Loaded {
  /** Keys (without the column) and values of the settled state. */
  readonly state: Iterable<readonly [Bytes, Bytes]>;
  /** Keys in string form and values of the block column from the settled height on, ascending. */
  readonly blocks: Iterable<readonly [string, Bytes]>;
}

/** Entries of one batch while the first state is written. */
const PAGE_ENTRIES = 4_096;

/** The records of a chain that begins with genesis, or with a later block in its place; the state comes in pages. */
export function firstBatch(genesis: Genesis, queue: WriteQueue, base?: Base): Writes {
  const { hash, header, state } = genesis;
  ensureSound({ hash, number: 0, header, state });
  const counts = countsOf([]);
  const put = (column: Counted, key: string, value: Bytes): void => {
    counts[column]++;
    queue.put(key, value);
  };
  const begin = (block: Omit<Base, 'state'>, arrival: number): void => {
    const { number, meta } = block;
    const name = nameOf(block.hash);
    put('block', blockKey('block', number, name), BlockRecord.enc({ arrival, header: block.header, meta }));
    put('body', blockKey('body', number, name), Body.enc([...block.body]));
    put('number', COUNTED.number + name, heightBytes(number));
    put('canonical', COUNTED.canonical + heightKey(number), block.hash);
    if (block.opening !== undefined) put('opening', blockKey('opening', number, name), block.opening);
    if (block.justification === undefined) return;
    put('justification', blockKey('justification', number, name), block.justification);
  };
  begin({ hash, number: 0, header, body: [], meta: new Uint8Array(0) }, 0);
  if (base !== undefined) {
    ensureSound(base);
    begin(base, 1);
  }
  const at = base === undefined ? { hash, number: 0 } : { hash: base.hash, number: base.number };
  const head: Head = {
    stateVersion: (base ?? genesis).state.version,
    genesis: hash,
    best: at,
    settled: at,
    arrivals: base === undefined ? 1 : 2,
    undoFrom: at.number + 1,
    counts: listOf(counts),
    base: at.number,
  };
  queue.put(HEAD_KEY, Head.enc(head));
  queue.put(AUX_KEY, Aux.enc([]));
  return queue.take();
}

/** A whole state as batches of moderate size. */
export function* statePages(state: StateTree): Generator<Writes> {
  let page = new Map<string, Bytes>();
  for (const [key, value] of state.entries()) {
    page.set(keyOf(key), value);
    if (page.size < PAGE_ENTRIES) continue;
    yield { records: new Map(), state: page };
    page = new Map();
  }
  if (page.size > 0) yield { records: new Map(), state: page };
}

/** StoreError `WrongBlock` unless hash, height and state are those of the header. */
function ensureSound(block: BlockRef & { readonly header: Bytes; readonly state: StateTree }): void {
  const fields = headerFields(block.header);
  const sound =
    fields.number === block.number &&
    equal(blake2_256(block.header), block.hash) &&
    equal(fields.stateRoot, block.state.root);
  if (!sound) throw new StoreError('WrongBlock', `block ${block.number}, ${toHex(block.hash)}`);
}

/** The head record; StoreError `CorruptDatabase` or `NewerSchema`. */
export function readHead(records: RecordSource): Head {
  const record = present('head', HEAD_KEY, records.get(HEAD_KEY));
  const schema = record.length < 4 ? 0 : new DataView(record.buffer, record.byteOffset).getUint32(0, true);
  if (schema > SCHEMA) throw new StoreError('NewerSchema', `schema ${schema}, this program knows ${SCHEMA}`);
  return decoded('head', HEAD_KEY, record, (bytes) => Head.dec(bytes));
}

/** The parts of the chain that the records hold, checked. */
export function loaded(head: Head, load: Loaded, queue: RecordSource): ChainParts {
  const aux = decoded('aux', AUX_KEY, present('aux', AUX_KEY, queue.get(AUX_KEY)), (bytes) => Aux.dec(bytes));
  const version = versionOf(head.stateVersion);
  const base = StateTree.from(load.state, version);
  const foot = checkLinks(head, queue);
  if (!equal(base.root, foot.stateRoot)) {
    throw new StoreError('CorruptDatabase', `state of block ${foot.number} has root ${toHex(base.root)}`);
  }
  const tail = new Tail(foot);
  const states = new States(base, queue);
  const records = [...load.blocks].map(([key, value]) => {
    return { key, record: decoded('block', key, value, (bytes) => BlockRecord.dec(bytes)) };
  });
  // A parent arrived before its children, and children are told in order of arrival.
  for (const { key, record } of records.sort((a, b) => a.record.arrival - b.record.arrival)) {
    hang(tail, states, key, record);
  }
  const best = tail.get(nameOf(head.best.hash));
  if (best === undefined) throw new StoreError('CorruptDatabase', `best block ${toHex(head.best.hash)} is missing`);
  for (const block of tail.setBest(best).enacted) {
    const key = COUNTED.canonical + heightKey(block.number);
    if (!equal(present('canonical', key, queue.get(key)), block.hash)) {
      throw new StoreError('CorruptDatabase', `height ${block.number} names another block than the chain has`);
    }
  }
  return {
    genesis: { hash: head.genesis, number: 0 },
    first: head.base,
    tail,
    base,
    counts: countsOf(head.counts),
    arrivals: head.arrivals,
    undoFrom: head.undoFrom,
    aux: new Map(aux),
  };
}

/** Hangs a block of the tail below its parent, after executing its recorded changes. */
function hang(tail: Tail, states: States, key: string, record: BlockRecord): void {
  const number = heightAt(key, 1);
  const name = key.slice(5);
  if (name === tail.settled.name) return;
  const fields = decoded('header', key, record.header, headerFields);
  const parent = tail.get(keyOf(fields.parent));
  if (parent === undefined || parent.number + 1 !== number || keyOf(blake2_256(record.header)) !== name) {
    throw new StoreError('CorruptDatabase', `block ${number} does not hang on a block of the chain`);
  }
  const { stateRoot } = fields;
  states.at(tail.add(parent, { hash: bytesOf(name), name, stateRoot, arrival: record.arrival }));
}

/** Follows the settled chain downward by hash; returns its upper end. */
function checkLinks(head: Head, records: RecordSource): Omit<TailBlock, 'parent' | 'children'> {
  let foot: Omit<TailBlock, 'parent' | 'children'> | undefined;
  let wanted = head.settled.hash;
  const lowest = Math.max(head.base, head.settled.number - CHECKED_BELOW);
  for (let number = head.settled.number; number >= lowest; number--) {
    const name = keyOf(wanted);
    const heightName = COUNTED.canonical + heightKey(number);
    const atHeight = present('canonical', heightName, records.get(heightName));
    const key = blockKey('block', number, name);
    const record = decoded('block', key, present('block', key, records.get(key)), (bytes) => BlockRecord.dec(bytes));
    const fields = decoded('header', key, record.header, headerFields);
    if (!equal(atHeight, wanted) || fields.number !== number || !equal(blake2_256(record.header), wanted)) {
      throw new StoreError('CorruptDatabase', `block ${number} is not the one that its child names`);
    }
    const { stateRoot, parent } = fields;
    foot ??= { hash: wanted, name, number, stateRoot, arrival: record.arrival };
    if (number === 0 && !equal(wanted, head.genesis)) throw new StoreError('CorruptDatabase', 'block 0 is not genesis');
    wanted = parent;
  }
  const genesis = blockKey('block', 0, nameOf(head.genesis));
  present('block', genesis, records.get(genesis));
  return present('settled block', HEAD_KEY, foot);
}

function versionOf(version: number): StateVersion {
  if (version !== 0 && version !== 1) throw new StoreError('CorruptDatabase', `state version ${version}`);
  return version;
}
