/** # Snapshot: what comes out is the block and the state that went in, or nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, equal } from '../../src/base/bytes.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { SnapshotError, SnapshotIntake, snapshotOf } from '../../src/sync/snapshot.ts';
import { GENESIS, MINERS, Node, note } from '../consensus/world.ts';

await installFastPaths();

const SMALL = { bytes: 300, entries: 16_384 };

/** A node with ten blocks, six of them final, and notes in its state. */
function grown(): Node {
  const node = new Node({ finality: new DepthFinality(4) });
  for (let i = 0; i < 10; i++) {
    const extrinsics = [note(i, `${'long '.repeat(20)}${i}`)];
    node.grow(1, node.store.best.hash, { extrinsics, miner: MINERS[0] });
  }
  return node;
}

const { store } = grown();
const records = [...snapshotOf(store, undefined, SMALL)];

function taken(given: readonly Bytes[], genesis: Bytes = GENESIS): SnapshotIntake {
  const intake = new SnapshotIntake(genesis);
  for (const record of given) intake.take(record);
  return intake;
}

test('a snapshot is the last final block with its body, its opening and its state', () => {
  const intake = taken(records);
  assert.ok(intake.isComplete && records.length > 4, 'the state comes in several records');
  const { settled } = store;
  assert.equal(settled.number, 6);
  const base = intake.base();
  assert.deepEqual([base.hash, base.number], [settled.hash, 6]);
  assert.deepEqual(base.header, store.header(settled.hash));
  assert.deepEqual(base.body, store.body(settled.hash));
  assert.deepEqual(base.meta, store.meta(settled.hash));
  assert.deepEqual(base.opening, store.opening(settled.hash));
  assert.deepEqual([...base.state.entries()], [...(store.view(settled.hash)?.entries() ?? [])]);
});

test('the genesis of another chain, an early end and another order are refused', () => {
  assert.throws(
    () => taken(records, new Uint8Array(32)),
    (error: SnapshotError) => error.code === 'OtherChain',
  );
  assert.equal(taken(records.slice(0, -1)).isComplete, false);
  const swapped = [records[0], records[2], records[1], ...records.slice(3)] as Bytes[];
  assert.throws(
    () => taken(swapped),
    (error: SnapshotError) => error.code === 'WrongState',
  );
});

test('one changed byte anywhere is refused, or changes only what no header names', () => {
  const honest = taken(records).base();
  const place = fc.tuple(fc.nat(records.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(place, ([index, at, flip]) => {
      const record = records[index] as Bytes;
      const damaged = record.with(at % record.length, (record[at % record.length] ?? 0) ^ flip);
      const intake = new SnapshotIntake(GENESIS);
      try {
        for (const [i, one] of records.entries()) intake.take(i === index ? damaged : one);
      } catch (error) {
        assert.ok(error instanceof SnapshotError, String(error));
        return;
      }
      const base = intake.base();
      // Neither meta nor opening are hashed into the header's hash; the file's own hash covers them.
      assert.equal(index, 0);
      assert.deepEqual(base.state.root, honest.state.root);
      if (equal(base.hash, honest.hash)) assert.deepEqual(base.body, honest.body);
    }),
    { numRuns: 400 },
  );
});
