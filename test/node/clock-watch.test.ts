/** # Clock watch: a clock that is set, or that nobody else believes, is told and makes no blocks; nothing else hangs on it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_DRIFT_MS } from '../../src/consensus/rules.ts';
import { ClockWatch } from '../../src/node/clock-watch.ts';
import { PeerTime } from '../../src/node/peer-time.ts';

const HOUR = 3_600_000;
const PEERS = ['a', 'b', 'c', 'd', 'e'];

/** A watch over clocks that the test sets; peers live at `steady`, which is right. */
function watched() {
  const happened: string[] = [];
  const clock = { time: 1_700_000_000_000, off: 0 };
  const watch = new ClockWatch({
    clocks: { steady: () => clock.time, wall: () => clock.time + clock.off },
    log: (level, text) => happened.push(`${level} ${text}`),
    onSet: () => happened.push('set'),
    setAuthoring: (may) => happened.push(may ? 'authors' : 'rests'),
  });
  const wall = () => clock.time + clock.off;
  const ask = (peers: readonly string[], ahead = 0) => {
    for (const peer of peers) {
      const asked = wall();
      clock.time += 40;
      watch.heard(peer, { asked, answered: wall(), theirs: clock.time - 20 + ahead });
    }
  };
  const set = (ms: number) => {
    clock.off += ms;
    watch.look();
  };
  const take = () => happened.splice(0);
  return { watch, clock, ask, set, take };
}

test('a clock that is put back or forward by an hour is told once, and makes no blocks until it is right again', () => {
  for (const by of [HOUR, -HOUR]) {
    const { ask, set, take, watch } = watched();
    ask(PEERS.slice(0, 3));
    assert.deepEqual(take(), []);
    set(by);
    const [way, side] = by > 0 ? ['forward', 'ahead of'] : ['back', 'behind'];
    assert.deepEqual(take(), [
      `warn clock: it was set 3600.0 s ${way}`,
      `warn clock: it is 3600.0 s ${side} most peers: no block is made here until it is set`,
      'rests',
      'set',
    ]);
    ask(PEERS.slice(0, 3));
    watch.look();
    assert.deepEqual(take(), []);
    set(-by);
    assert.deepEqual(take().slice(1), ['info clock: it agrees with most peers again', 'authors', 'set']);
  }
});

test('a clock that drifts by a thousandth is told of at 2 s, and stops making blocks at the drift that blocks may have', () => {
  const { clock, ask, take, watch } = watched();
  const told: [number, string[]][] = [];
  for (let s = 0; s < 20_000; s++) {
    clock.time += 1_000;
    clock.off += 1;
    watch.look();
    if (s % 10 === 0) ask(PEERS);
    const said = take();
    if (said.length > 0) told.push([clock.off, said]);
  }
  const [off, wrong] = told;
  assert.equal(told.length, 2);
  assert.ok(off !== undefined && Math.abs(off[0] - 2_000) < 50, `${off?.[0]}`);
  assert.match(off[1].join(), /ahead of most peers: a time server should set it/);
  assert.ok(wrong !== undefined && Math.abs(wrong[0] - MAX_DRIFT_MS) < 50, `${wrong?.[0]}`);
  assert.equal(wrong[1].at(-1), 'rests');
});

test('a clock at an edge is not told of again and again', () => {
  const { ask, set, take } = watched();
  ask(PEERS);
  const said: string[] = [];
  for (let i = 0; i < 20; i++) {
    ask(PEERS, i % 2 === 0 ? 2_100 : 1_900);
    said.push(...take());
  }
  assert.equal(said.length, 1);
  set(0);
  ask(PEERS, 900);
  assert.deepEqual(take(), ['info clock: it agrees with most peers again']);
});

test('two peers judge nobody, nor do answers that took longer than a second', () => {
  const { ask, take, watch } = watched();
  ask(['a', 'b'], HOUR);
  watch.heard('c', { asked: 0, answered: 1_001, theirs: HOUR });
  watch.heard('d', { asked: 1_000, answered: 0, theirs: HOUR });
  assert.equal(watch.skew, undefined);
  assert.deepEqual(take(), []);
  ask(['c'], HOUR);
  assert.deepEqual(take().length, 2);
  // Who leaves has no word any more; what was found stays until others know better.
  watch.left('c');
  assert.equal(watch.skew, undefined);
  assert.deepEqual(take(), []);
});

test('as long as fewer than half lie, the median lies between what honest clocks say', () => {
  const honest = fc.array(fc.integer({ min: -500, max: 500 }), { minLength: 2, maxLength: 8 });
  const lies = fc.array(fc.integer({ min: -(10 ** 12), max: 10 ** 12 }), { maxLength: 8 });
  fc.assert(
    fc.property(honest, lies, (truths, liars) => {
      const all = [...truths, ...liars.slice(0, truths.length - 1)];
      const time = new PeerTime();
      for (const [i, ahead] of all.entries()) time.heard(`${i}`, { asked: 0, answered: 0, theirs: ahead });
      if (all.length < 3) return time.skew === undefined;
      return time.skew !== undefined && time.skew >= Math.min(...truths) && time.skew <= Math.max(...truths);
    }),
  );
});
