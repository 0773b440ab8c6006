/** # A node that hears of no new blocks says so once, and looks for other peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TipAge, TipWatch, tipLimit } from '../../src/node/tip-watch.ts';

const START = 1_700_000_000_000;
const BLOCK_MS = 12_000;
const LIMIT = tipLimit(BLOCK_MS);

/** A watch that looks each 10 s at a chain whose best block is what `best` says of the seconds since the start. */
function watched(
  best: (second: number) => { number: number; timestamp: number },
  { seconds = 600, isLoner = false, peers = 3 } = {},
) {
  const happened: string[] = [];
  let second = 0;
  const watch = new TipWatch({
    blockTimeMs: BLOCK_MS,
    best: () => best(second),
    network: { peers: () => Array(peers).fill({}), tryOthers: () => void happened.push(`${second} tries`) },
    isLoner,
    log: (level, text) => happened.push(`${second} ${level} ${text}`),
  });
  for (; second <= seconds; second += 10) watch.check(second * 1_000, START + second * 1_000);
  return { happened, watch };
}

test('the limit is ten block times, and a minute at least', () => {
  assert.deepEqual([100, 3_000, 6_000, 12_000].map(tipLimit), [60_000, 60_000, 60_000, 120_000]);
});

test('a chain that goes on says nothing', () => {
  const { happened } = watched((s) => ({ number: s, timestamp: START + Math.floor(s / 100) * 100_000 }));
  assert.deepEqual(happened, []);
});

test('a chain that stops is told once, its end once, and meanwhile one peer in each limit makes way', () => {
  const { happened, watch } = watched((s) => {
    return s < 450 ? { number: 7, timestamp: START } : { number: 8, timestamp: START + s * 1_000 };
  });
  assert.deepEqual(happened, [
    '130 warn tip: the best block #7 is 130 s old, with 3 peers: is this node cut off?',
    '130 tries',
    '250 tries',
    '370 tries',
    '450 info tip: newer blocks come, the best is #8',
  ]);
  assert.equal(watch.isStale, false);
});

test('a node without a chain and without peers says so after the limit, not at its start', () => {
  const { happened } = watched(() => ({ number: 0, timestamp: 0 }), { seconds: 200, peers: 0 });
  assert.deepEqual(happened, ['120 warn tip: no block but genesis, with 0 peers: is this node cut off?', '120 tries']);
});

test('a node that syncs old blocks is not alarmed', () => {
  const day = 86_400_000;
  const { happened } = watched((s) => ({ number: s, timestamp: Math.min(START, START - day + s * 200_000) }), {
    seconds: 480,
  });
  assert.deepEqual(happened, []);
});

test('a node that slept, or was cut off for a day, is alarmed no longer than it takes to begin to sync', () => {
  const slept = new TipAge(LIMIT);
  slept.look(0, 5_000);
  for (let i = 1; i <= 100; i++) assert.equal(slept.look(i * 10_000, 86_400_000 - i * 500_000), undefined);
  const cut = new TipAge(LIMIT);
  cut.look(0, 5_000);
  const changes = Array.from({ length: 8_640 }, (_, i) => cut.look((i + 1) * 10_000, (i + 1) * 10_000));
  assert.deepEqual([...changes.filter(Boolean), cut.look(86_410_000, 86_000_000)], ['stale', 'over']);
  assert.equal(cut.look(86_420_000, 80_000_000), undefined);
});

test('a node that is fed old blocks no faster than new ones are made is alarmed', () => {
  const { happened } = watched((s) => ({ number: s, timestamp: START - 3_600_000 + s * 1_500 }));
  assert.match(happened[0] ?? '', /^1\d\d warn tip: the best block/);
});

test('whoever is alone on purpose misses no blocks, until somebody comes', () => {
  const stands = () => ({ number: 5, timestamp: START - 3_600_000 });
  assert.deepEqual(watched(stands, { isLoner: true, peers: 0 }).happened, []);
  assert.equal(watched(stands, { isLoner: true, peers: 1 }).watch.isStale, true);
});

test('a clock that is set back or forward ends in no alarm while blocks come', () => {
  const age = new TipAge(LIMIT);
  for (const [at, lag] of [
    [0, 1_000],
    [10_000, -3_600_000],
    [20_000, 2_000],
    [200_000, 3_600_000],
    [210_000, 3_000],
  ] as const) {
    assert.equal(age.look(at, lag), at === 200_000 ? 'stale' : at === 210_000 ? 'over' : undefined);
  }
});
