/** # Follow: what a follower of `chainHead_v1` is told, over random histories of a chain. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Follow, type FollowEvent, MAX_LAG, MAX_PINNED } from '../../src/rpc/chain-head/follow.ts';

const begun = (): Follow => {
  const follow = new Follow();
  follow.start({ finalized: ['0'], blocks: [], best: '0' });
  return follow;
};

test('it begins with the final blocks, those above them and the best', () => {
  const events = new Follow().start({
    finalized: ['a', 'b'],
    blocks: [
      { hash: 'c', parent: 'b' },
      { hash: 'd', parent: 'c' },
    ],
    best: 'd',
  });
  assert.deepEqual(events, [
    { event: 'initialized', finalizedBlockHashes: ['a', 'b'] },
    { event: 'newBlock', blockHash: 'c', parentBlockHash: 'b' },
    { event: 'newBlock', blockHash: 'd', parentBlockHash: 'c' },
    { event: 'bestBlockChanged', bestBlockHash: 'd' },
  ]);
});

test('branches that a final block leaves behind are pruned, and the best block moves before that is told', () => {
  const follow = begun();
  follow.imported({ hash: '1', parent: '0' });
  follow.imported({ hash: '1x', parent: '0' });
  follow.imported({ hash: '2x', parent: '1x' });
  follow.head('2x');
  assert.deepEqual(follow.finalized(['1']), [
    { event: 'bestBlockChanged', bestBlockHash: '1' },
    { event: 'finalized', finalizedBlockHashes: ['1'], prunedBlockHashes: ['1x', '2x'] },
  ]);
  assert.ok(follow.isPinned('1x') && follow.isPinned('1') && follow.isPinned('0'));
  assert.deepEqual(follow.imported({ hash: '3x', parent: '2x' }), []);
});

test('unpinning is all or nothing', () => {
  const follow = begun();
  follow.imported({ hash: '1', parent: '0' });
  assert.equal(follow.unpin(['1', '1']), 'duplicate');
  assert.equal(follow.unpin(['1', 'unknown']), 'notPinned');
  assert.ok(follow.isPinned('1'));
  assert.equal(follow.unpin(['0', '1']), 'done');
  assert.ok(!follow.isPinned('0') && !follow.isPinned('1'));
  // Unpinned, it is still a parent that was told of.
  assert.equal(follow.imported({ hash: '2', parent: '1' }).length, 1);
});

test('a follower that pins too much is stopped, and hears nothing more', () => {
  const follow = begun();
  let last: FollowEvent[] = [];
  for (let n = 1; n <= MAX_PINNED; n++) last = follow.imported({ hash: `${n}`, parent: `${n - 1}` });
  assert.deepEqual(last, [{ event: 'stop' }]);
  assert.deepEqual([...follow.head('1'), ...follow.finalized(['1']), ...follow.stop()], []);
});

test('a follower that keeps an old block pinned is stopped; one that unpins is not', () => {
  for (const unpins of [true, false]) {
    const follow = begun();
    for (let n = 1; n <= MAX_LAG + 1; n++) {
      follow.imported({ hash: `${n}`, parent: `${n - 1}` });
      follow.finalized([`${n}`]);
      if (unpins) follow.unpin([`${n - 1}`]);
    }
    assert.equal(follow.isStopped, !unpins);
  }
});

test('in any history, parents come first, final blocks have no gap, and each block ends once', () => {
  const step = fc.record({ on: fc.nat(50), final: fc.boolean(), best: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const follow = begun();
      const parents = new Map<string, string>();
      let [last, alive] = ['0', ['0']];
      const events: FollowEvent[] = [];
      for (const [i, { on, final, best }] of steps.entries()) {
        const parent = alive[on % alive.length] as string;
        const hash = `${i + 1}`;
        parents.set(hash, parent);
        alive.push(hash);
        events.push(...follow.imported({ hash, parent }));
        events.push(...follow.head(alive[best % alive.length] as string));
        if (!final) continue;
        const path: string[] = [];
        for (let at = hash; at !== last; at = parents.get(at) as string) path.unshift(at);
        const told = path.slice(0, Math.ceil(path.length / 2));
        events.push(...follow.finalized(told));
        last = told.at(-1) as string;
        const isAbove = (at: string | undefined): boolean =>
          at !== undefined && (at === last || isAbove(parents.get(at)));
        alive = alive.filter((at) => isAbove(at));
      }
      const known = new Set(['0']);
      const ended = new Set<string>();
      let final = '0';
      for (const event of events) {
        if (event.event === 'newBlock') {
          assert.ok(known.has(event.parentBlockHash) && !ended.has(event.parentBlockHash));
          assert.ok(!known.has(event.blockHash));
          known.add(event.blockHash);
        } else if (event.event === 'bestBlockChanged') {
          assert.ok(known.has(event.bestBlockHash) && !ended.has(event.bestBlockHash));
        } else if (event.event === 'finalized') {
          for (const hash of event.finalizedBlockHashes) {
            assert.equal(parents.get(hash), final);
            final = hash;
          }
          for (const hash of event.prunedBlockHashes) {
            assert.ok(known.has(hash) && !ended.has(hash));
            ended.add(hash);
          }
        }
      }
      assert.equal(known.size, steps.length + 1);
    }),
    { numRuns: 200 },
  );
});
