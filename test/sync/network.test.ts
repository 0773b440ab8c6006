/** # Network of nodes: late, lost and reordered messages, partitions, crashes; in the end one head. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, equal, toHex } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { MINERS, type Miner, note, T } from '../consensus/world.ts';
import { Host, Network } from './network.ts';

await installFastPaths();

/** Three mining nodes, connected. */
function three(seed: number, loss: number, delayMs: number, depth?: number) {
  const net = new Network(seed, { loss, delayMs });
  const hosts = ['a', 'b', 'c'].map((id, i) => new Host(net, id, MINERS[i] as Miner, depth)) as [Host, Host, Host];
  net.connect();
  return { net, hosts };
}

/** The numbers of the notes on a host's best chain, in order. */
function notesOn(host: Host): string[] {
  const out: string[] = [];
  for (let number = 1; number <= host.store.best.number; number++) {
    const body = host.store.body(host.store.canonical(number) as Bytes) ?? [];
    for (const extrinsic of body.slice(1)) out.push(toHex(extrinsic));
  }
  return out;
}

const SEEDS = [1, 2, 3, 4];

for (const seed of SEEDS) {
  test(`seed ${seed}: three miners under loss, delay and reordering end on one head with every note once`, () => {
    const { net, hosts } = three(seed, 0.15, 900);
    const notes = Array.from({ length: 9 }, (_, i) => note(i, `note ${i}`));
    notes.forEach((extrinsic, i) => {
      net.after(5_000 + i * 4_000, () => hosts[i % 3]?.submit(extrinsic));
    });
    net.run(20 * T);
    assert.ok(Math.max(...hosts.map((host) => host.store.best.number)) >= 8, 'blocks are found');
    net.mining = false;
    // Branches of equal weight may stand side by side, each seen first by somebody: the next block decides.
    assert.ok(net.run(90_000, () => net.weights().size === 1));
    const [first, ...others] = hosts;
    first.mineOne();
    assert.ok(net.run(90_000, () => net.heads().size === 1));
    for (const other of others) {
      assert.deepEqual(other.store.view(other.store.best.hash)?.root, first.store.view(first.store.best.hash)?.root);
    }
    // Each block ends what was in the pools; under 15 % loss a batch may have reached nobody else.
    hosts.forEach((host) => {
      host.mineOne();
      net.run(90_000, () => net.heads().size === 1);
    });
    const found = notesOn(hosts[0]);
    assert.deepEqual([...found].sort(), notes.map(toHex).sort(), 'each note exactly once');
    for (const host of hosts) {
      assert.deepEqual(
        host.reports.filter(({ fault }) => fault !== 'TimedOut' && fault !== 'ShortAnswers'),
        [],
        'honest peers are never blamed',
      );
    }
  });
}

for (const seed of [101, 104, 107]) {
  test(`seed ${seed}: a partition, a crash and a return in the middle of it change nothing about that`, () => {
    const { net, hosts } = three(seed, 0.02 * (seed % 10), 100 + 500 * (seed % 5), 30);
    const [, , third] = hosts;
    const at = (ms: number, spread: number, run: () => void) => net.after(ms + Math.floor(net.random() * spread), run);
    at(10_000, 10_000, () => net.partition(['a'], ['b', 'c'], true));
    at(15_000, 15_000, () => third.crash());
    at(30_000, 10_000, () => net.partition(['a'], ['b', 'c'], false));
    at(40_000, 8_000, () => third.restart());
    net.run(18 * T);
    net.mining = false;
    assert.ok(net.run(120_000, () => net.weights().size === 1));
    hosts[0].mineOne();
    assert.ok(net.run(120_000, () => net.heads().size === 1));
    const faults = hosts.flatMap(({ reports }) => reports.map(({ fault }) => fault));
    assert.ok(
      faults.every((fault) => fault === 'TimedOut'),
      `honest peers were blamed: ${faults}`,
    );
  });
}

test('two sides of a partition join on the heavier branch, and the lost branch’s notes come back', () => {
  const { net, hosts } = three(11, 0, 200);
  const [a, b, c] = hosts;
  net.mining = false;
  a.mineOne();
  net.run(5_000);
  assert.equal(net.heads().size, 1);
  net.partition(['a'], ['b', 'c'], true);
  a.submit(note(1, 'on the lost side'));
  a.mineOne();
  for (let i = 0; i < 4; i++) {
    net.run(3_000);
    (i % 2 === 0 ? b : c).mineOne();
  }
  net.run(30_000);
  assert.ok(!equal(a.store.best.hash, b.store.best.hash) && equal(b.store.best.hash, c.store.best.hash));
  net.partition(['a'], ['b', 'c'], false);
  assert.ok(net.run(30_000, () => net.heads().size === 1));
  assert.equal(a.store.best.number, 5);
  assert.equal(a.pool.counts.ready, 1, 'the note waits again');
  a.mineOne();
  assert.deepEqual(notesOn(a), [toHex(note(1, 'on the lost side'))]);
});

test('a node that was down for many blocks is at the head again within seconds', () => {
  const { net, hosts } = three(21, 0, 100, 20);
  const [a, b, c] = hosts;
  net.mining = false;
  for (let i = 0; i < 5; i++) {
    a.mineOne();
    net.run(3_000);
  }
  assert.equal(c.store.best.number, 5);
  c.crash();
  for (let i = 0; i < 80; i++) {
    (i % 2 === 0 ? a : b).mineOne();
    net.run(3_000);
  }
  c.restart();
  const from = net.now;
  assert.ok(net.run(20_000, () => equal(c.store.best.hash, a.store.best.hash)));
  assert.ok(net.now - from < 10_000, `took ${net.now - from} ms`);
  assert.equal(c.store.settled.number, a.store.settled.number);
});

test('a new node syncs from genesis, bodies from all peers at once', () => {
  const net = new Network(31, { loss: 0.02, delayMs: 150 });
  const miner = new Host(net, 'a', MINERS[0]);
  net.mining = false;
  for (let i = 0; i < 100; i++) {
    net.now += T;
    miner.mineOne();
  }
  const servers = ['b', 'c', 'd'].map((id) => new Host(net, id, undefined));
  net.connect();
  assert.ok(net.run(60_000, () => servers.every((host) => host.store.best.number === 100)));
  const fresh = new Host(net, 'e', undefined);
  for (const host of net.hosts.values()) {
    if (host === fresh) continue;
    host.onSync({ type: 'connected', peer: 'e' });
    fresh.onSync({ type: 'connected', peer: host.id });
  }
  let wasSyncing = false;
  const from = net.now;
  const done = net.run(60_000, () => {
    wasSyncing ||= fresh.sync.isSyncing();
    return fresh.store.best.number === 100;
  });
  assert.ok(done && wasSyncing && !fresh.sync.isSyncing());
  assert.ok(net.now - from < 30_000, `took ${net.now - from} ms`);
  assert.deepEqual(
    fresh.reports.filter(({ fault }) => fault !== 'TimedOut'),
    [],
  );
});
