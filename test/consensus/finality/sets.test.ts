/**
 * # Sets of voters on a real chain: blocks with work, a runtime that changes the voters, ed25519 votes, and whoever
 * comes later with blocks and their proofs alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, equal } from '../../../src/base/bytes.ts';
import type { ChainEffect } from '../../../src/consensus/chain.ts';
import { Grandpa } from '../../../src/consensus/finality/grandpa.ts';
import type { Watermark } from '../../../src/consensus/finality/watermark.ts';
import type { Keypair } from '../../../src/crypto/keypair.ts';
import { readStorage } from '../../../src/runtime/access.ts';
import { SIGNATURES } from '../../../src/runtime/host.ts';
import { GrandpaDeclared } from '../../../src/runtime/pallets/grandpa.ts';
import { MemoryStore } from '../../../src/state/level/memory-store.ts';
import { elect, type MadeBlock, Node, newStore, refusalOf, START, T, VOTERS } from '../world.ts';

const GOSSIP_MS = 300;
const [alice, bob, carol, dave] = VOTERS;

/** A node that votes with a key, if it has one. */
class Seat {
  readonly node: Node;
  readonly grandpa: Grandpa;
  mark: Watermark | undefined;

  constructor(key?: Keypair, store: MemoryStore = newStore()) {
    this.grandpa = new Grandpa({
      setAt: ({ hash }) => {
        const view = store.view(hash);
        assert.ok(view !== undefined);
        return {
          setId: readStorage(view, GrandpaDeclared.storage.CurrentSetId),
          authorities: readStorage(view, GrandpaDeclared.storage.Authorities),
        };
      },
      gossipMs: GOSSIP_MS,
      keys: () => (key === undefined ? [] : [key]),
      markOf: () => this.mark,
      verify: (signature, message, id) => SIGNATURES.verifyEd25519(signature, message, id),
      keepEvery: 1_000,
    });
    this.node = new Node({ store, finality: this.grandpa });
  }

  get final(): number {
    return this.node.store.settled.number;
  }
}

/** Seats that hear each other at once, and share a clock; blocks come from outside. */
class Hall {
  now = START;
  readonly maker = new Node();
  /** Heights of final blocks that somebody lacked. */
  readonly proven: string[] = [];
  readonly seats: Seat[];

  constructor(keys: readonly (Keypair | undefined)[]) {
    this.seats = keys.map((key) => new Seat(key));
  }

  /** Blocks on the best one, imported by all; the first holds these extrinsics. */
  grow(count: number, extrinsics: readonly Bytes[] = []): MadeBlock[] {
    const first = this.maker.grow(1, undefined, { extrinsics });
    return this.give([...first, ...this.maker.grow(count - 1)]);
  }

  give(blocks: MadeBlock[]): MadeBlock[] {
    this.now = Math.max(this.now, this.maker.now);
    for (const seat of this.seats) {
      seat.node.now = this.now;
      for (const block of blocks) this.hear(seat, seat.node.give(block));
    }
    return blocks;
  }

  /** Time passes until every seat has finalized this height. */
  finalize(height: number): void {
    for (const end = this.now + 20 * T; this.seats.some(({ final }) => final < height); ) {
      assert.ok(this.now < end, `${this.seats.map(({ final }) => final)} of ${height}`);
      this.tick();
    }
  }

  tick(): void {
    this.now += GOSSIP_MS;
    for (const seat of this.seats) this.hear(seat, seat.node.tick(this.now));
  }

  private hear(from: Seat, effects: readonly ChainEffect[]): void {
    const peer = String(this.seats.indexOf(from));
    for (const effect of effects) {
      if (effect.type === 'persist') from.mark = effect.mark;
      if (effect.type === 'proven') this.proven.push(String(effect.block.number));
      assert.notEqual(effect.type, 'report');
      if (effect.type !== 'broadcast' && effect.type !== 'tell') continue;
      for (const [i, to] of this.seats.entries()) {
        if (to === from || (effect.type === 'tell' && effect.peer !== String(i))) continue;
        const input = { type: 'finality', peer, message: effect.message } as const;
        this.hear(to, to.node.chain.step(this.now, input));
      }
    }
  }
}

/** A chain whose voters changed in blocks 3 and 7, final up to block 10. */
function threeSets() {
  const hall = new Hall([alice, bob, carol, dave]);
  const blocks = [
    ...hall.grow(2),
    ...hall.grow(4, [elect([alice, bob])]),
    ...hall.grow(4, [elect([bob, carol, dave])]),
  ];
  hall.finalize(10);
  return { hall, blocks };
}

const { hall, blocks } = threeSets();
const [first] = hall.seats as [Seat];

test('each set finalizes up to the block that names the next one, which goes on from there', () => {
  for (const { node, grandpa, final } of hall.seats) {
    assert.equal(final, 10);
    assert.equal(grandpa.state()?.setId, 2n);
    const kept = blocks.filter(({ hash }) => node.store.justification(hash) !== undefined);
    assert.deepEqual(
      kept.map(({ decoded }) => decoded.number),
      [3, 7],
      'the proofs of the ends are stored',
    );
  }
});

/** The blocks of a seat as sync hands them over. */
function* served({ node: { store } }: Seat, blocks: readonly MadeBlock[], withProofs = true) {
  for (const block of blocks) {
    yield { ...block, justification: withProofs ? store.justification(block.hash) : undefined };
  }
}

test('who comes later changes sets as it imports, by the proofs that come with the blocks', () => {
  const late = new Seat();
  late.node.now = hall.now;
  const heights: number[] = [];
  for (const block of served(first, blocks)) {
    assert.equal(refusalOf(late.node.give(block)), undefined);
    heights.push(late.final);
  }
  assert.deepEqual(heights, [0, 0, 3, 3, 3, 3, 7, 7, 7, 7]);
  assert.equal(late.grandpa.state()?.setId, 2n);
  const blind = new Seat();
  blind.node.now = hall.now;
  for (const block of served(first, blocks, false)) assert.equal(refusalOf(blind.node.give(block)), undefined);
  assert.deepEqual([blind.final, blind.grandpa.state()?.setId], [0, 0n]);
});

test('a proof of the wrong block or set, or changed in a byte, finalizes nothing and costs its sender', () => {
  const { store } = first.node;
  const [third, seventh] = [2, 6].map((i) => store.justification((blocks[i] as MadeBlock).hash)) as [Bytes, Bytes];
  const changed = third.slice();
  changed[changed.length - 40] = (changed.at(-40) as number) ^ 1;
  for (const [at, proof, reports] of [
    [2, changed, 1],
    [2, third.subarray(1), 1],
    [2, seventh, 1],
    // Of a set to come: it cannot be judged, and nobody is to blame.
    [6, seventh, 0],
  ] as const) {
    const late = new Seat();
    late.node.now = hall.now;
    const effects = blocks.flatMap((block, i) => late.node.give(i === at ? { ...block, justification: proof } : block));
    assert.equal(late.final, 0);
    assert.equal(effects.filter(({ type }) => type === 'report').length, reports);
  }
});

test('a restarted node goes on in its set and round, and says no other vote', async () => {
  const [, second] = hall.seats as [Seat, Seat];
  const before = second.grandpa.state();
  await second.node.store.flush(true);
  const again = new Seat(bob, MemoryStore.load(second.node.store.records, 'archive'));
  again.mark = second.mark;
  again.node.now = hall.now;
  again.node.tick(hall.now);
  const { setId, rounds } = again.grandpa.state() ?? {};
  assert.equal(setId, 2n);
  assert.ok(rounds !== undefined && before !== undefined && rounds.length === 2);
  assert.equal(rounds[1]?.number, second.mark?.round);
  hall.seats[1] = again;
  hall.grow(1);
  hall.finalize(11);
  assert.ok((again.mark?.round ?? 0n) > (second.mark?.round ?? 0n));
});

test('a branch without the change goes on in the old set, and the other one ends where it names the next', () => {
  const hall = new Hall([alice, bob, carol, dave]);
  const { maker, seats } = hall;
  const root = (hall.grow(2).at(-1) as MadeBlock).hash;
  const side = maker.grow(1, root, { extrinsics: [elect([alice])] });
  const main = maker.grow(3, root);
  hall.give([...main, ...side]);
  hall.finalize(5);
  for (const { node, grandpa } of seats) {
    assert.equal(grandpa.state()?.setId, 0n);
    assert.ok(equal(node.store.best.hash, (main.at(-1) as MadeBlock).hash));
  }
});

test('who holds a heavier branch learns what is final on a lighter one, asks for it, and moves there', () => {
  const hall = new Hall([alice, bob, carol, dave]);
  const { maker, seats } = hall;
  const root = (hall.grow(2).at(-1) as MadeBlock).hash;
  const light = maker.grow(2, root, { extrinsics: [elect([alice, bob, carol, dave])] });
  const heavy = maker.grow(4, root);
  const [apart] = seats.splice(3) as [Seat];
  hall.give(light);
  hall.finalize(4);
  apart.node.now = hall.now;
  for (const block of heavy) apart.node.give(block);
  assert.deepEqual([apart.final, apart.grandpa.state()?.setId], [0, 0n]);
  // Back among the others: they are in the next set, and know where the last one ended.
  seats.push(apart);
  for (let i = 0; i < 20 && hall.proven.length === 0; i++) hall.tick();
  assert.deepEqual(hall.proven, ['3'], 'the block that ends the set is wanted');
  assert.equal(apart.final, 0);
  for (const block of light) apart.node.give(block);
  assert.ok(apart.final >= 3);
  assert.deepEqual(apart.node.chain.best().hash, (light.at(-1) as MadeBlock).hash);
});
