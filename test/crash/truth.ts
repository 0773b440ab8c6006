/**
 * # Truth: what must be found after a crash, kept as plain lists of what was told, and compared record by record.
 *
 * Always true: a promise is only what the process had told before it died; the blocks are those of the corpus.
 */
import { type Bytes, compare, equal, toHex } from '../../src/base/bytes.ts';
import type { LevelStore } from '../../src/state/level/level-store.ts';
import { StateTree } from '../../src/state/tree.ts';
import { GENESIS } from '../consensus/world.ts';
import { memoryIn } from './ballot.ts';
import type { TrueBlock } from './corpus.ts';

/** What a process has told before it died. */
export class Promises {
  /** Highest block told final. */
  final: { number: number; hash: string } = { number: 0, hash: toHex(GENESIS) };
  /** Height told to have reached the operating system. */
  saved = 0;
  /** Votes that left, by round and stage: the block. */
  readonly votes = new Map<string, string>();
  round = 0n;
  /** Two votes of one round and stage. */
  readonly slashable: string[] = [];

  hear(line: string): void {
    const [word, first = '', second = '', , hash = ''] = line.split(' ');
    if (word === 'saved') this.saved = Math.max(this.saved, Number(first));
    if (word === 'final' && Number(first) > this.final.number) this.final = { number: Number(first), hash: second };
    if (word !== 'vote') return;
    const place = `${first} ${second}`;
    const before = this.votes.get(place);
    if (before !== undefined && before !== hash) this.slashable.push(line);
    this.votes.set(place, hash);
    if (BigInt(first) > this.round) this.round = BigInt(first);
  }
}

/** What is different from the truth in an opened store, one sentence each; nothing, where all is well. */
export function differences(store: LevelStore, truth: ReadonlyMap<string, TrueBlock>, told: Promises): string[] {
  const out: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) out.push(what);
  };
  const { best, settled } = store;
  expect(settled.number >= told.final.number, `final ${told.final.number} was told, ${settled.number} is there`);
  const final = store.canonical(told.final.number);
  expect(final !== undefined && toHex(final) === told.final.hash, `final block ${told.final.number} is another`);
  expect(best.number >= told.saved, `block ${told.saved} was saved, the best is ${best.number}`);
  expect(best.number >= settled.number, 'the best block is below the final one');
  let parent: Bytes = GENESIS;
  for (let number = 1; number <= best.number; number++) {
    const hash = store.canonical(number) ?? new Uint8Array(32);
    const block = truth.get(toHex(hash));
    expect(block !== undefined && block.number === number, `height ${number} is no block of the corpus`);
    if (block === undefined) continue;
    expect(equal(block.parent, parent), `block ${number} is not the child of the one below`);
    expect(same(store.header(hash), block.header), `header ${number} differs`);
    expect(same(store.opening(hash), block.opening), `opening ${number} differs`);
    const body = store.body(hash) ?? [];
    const bodies =
      body.length === block.extrinsics.length && body.every((bytes, i) => same(bytes, block.extrinsics[i]));
    expect(bodies, `body ${number} differs`);
    parent = hash;
  }
  for (const { number, hash } of [best, settled]) {
    const root = truth.get(toHex(hash))?.stateRoot;
    if (number > 0) expect(same(rootOf(store, hash), root), `state root of block ${number} differs`);
  }
  const memory = memoryIn(store);
  if (told.round > 0n) {
    expect(memory !== undefined && memory.round >= told.round, `a vote of round ${told.round} left unremembered`);
    for (const [place, target] of told.votes) {
      if (memory === undefined || BigInt(place.split(' ')[0] as string) !== memory.round) continue;
      const own = memory.own.find((vote) => `${vote.round} ${vote.stage}` === place);
      expect(own !== undefined && toHex(own.target.hash) === target, `vote ${place} is not the one remembered`);
    }
  }
  if (told.final.number > 0 && final !== undefined) {
    expect(store.justification(final) !== undefined, `final block ${told.final.number} has no justification`);
  }
  return out;
}

/** The root of a state, from its entries alone. */
function rootOf(store: LevelStore, hash: Bytes): Bytes | undefined {
  const view = store.view(hash);
  return view && StateTree.from([...view.entries()], view.version).root;
}

function same(found: Bytes | undefined, wanted: Bytes | undefined): boolean {
  return found !== undefined && wanted !== undefined && compare(found, wanted) === 0;
}
