/**
 * # Corpus: sealed blocks of the test chain, with forks, made once, and the plain truth about each of them.
 *
 * The truth is kept beside the machines under test: headers, bodies, openings and roots as they were made, by hash.
 * Bodies weigh up to 60 kB, so that a few dozen blocks fill LevelDB's log and memory table.
 */
import { deserialize, serialize } from 'node:v8';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { dice } from '../base/dice.ts';
import { type MadeBlock, MINERS, makeBlock, Node, note, START, T } from '../consensus/world.ts';

export interface TrueBlock {
  readonly hash: Bytes;
  readonly number: number;
  readonly parent: Bytes;
  readonly header: Bytes;
  readonly opening: Bytes;
  readonly extrinsics: readonly Bytes[];
  readonly stateRoot: Bytes;
}

/** A fork comes every so many blocks on average, one or two blocks deep: votes stay below it (loader.ts). */
const FORK_EVERY = 9;
const MAX_NOTE_BYTES = 60_000;

/** Makes blocks in an order in which a node can import them. */
export function forge(length: number, seed: number): TrueBlock[] {
  const roll = dice(seed);
  const node = new Node();
  const made: TrueBlock[] = [];
  let notes = 0;
  const add = (parent: Bytes, miner: number): MadeBlock => {
    const text = String.fromCharCode(97 + roll(26)).repeat(roll(3) === 0 ? roll(MAX_NOTE_BYTES) : roll(200));
    const options = { miner: MINERS[miner % 3] as (typeof MINERS)[0], extrinsics: [note(++notes, text)] };
    const block = makeBlock(node.store, parent, options);
    node.now = timeOf(block.decoded.number);
    node.give(block);
    const { hash, header, opening, extrinsics, decoded } = block;
    const { number, parentHash, stateRoot } = decoded;
    made.push({ hash, number, parent: parentHash, header, opening, extrinsics, stateRoot });
    return block;
  };
  while (made.length < length) {
    const { best } = node.store;
    const forks = best.number > 2 && roll(FORK_EVERY) === 0;
    const depth = forks ? 1 + roll(2) : 0;
    const from = node.store.canonical(best.number - depth) as Bytes;
    let parent = from;
    for (let i = 0; i < Math.max(1, depth); i++) parent = add(parent, roll(3)).hash;
  }
  return made;
}

/** When a block of this height may be imported. */
export function timeOf(number: number): number {
  return START + number * 2 * T;
}

export function encodeCorpus(blocks: readonly TrueBlock[]): Uint8Array {
  return serialize(blocks);
}

/** What `encodeCorpus` wrote: a file of our own, from this run. */
export function decodeCorpus(bytes: Uint8Array): TrueBlock[] {
  const plain = (value: Uint8Array): Bytes => new Uint8Array(value);
  return (deserialize(bytes) as TrueBlock[]).map((block) => ({
    hash: plain(block.hash),
    number: block.number,
    parent: plain(block.parent),
    header: plain(block.header),
    opening: plain(block.opening),
    extrinsics: block.extrinsics.map(plain),
    stateRoot: plain(block.stateRoot),
  }));
}

/** Blocks by hash. */
export function byHash(blocks: readonly TrueBlock[]): Map<string, TrueBlock> {
  return new Map(blocks.map((block) => [toHex(block.hash), block]));
}
