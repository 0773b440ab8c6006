/** # A node that restarts calls first whom it was connected to, by a file that is only a hint. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ANCHORS_FILE, Anchors } from '../../src/node/anchors.ts';
import { MAX_ANCHORS } from '../../src/p2p/dialer.ts';
import { peerIdOf } from '../../src/p2p/host.ts';
import { StoreError } from '../../src/state/errors.ts';
import { dialable, seed, started, until } from '../p2p/cluster.ts';
import { lonelyNode, privateNet } from '../rpc/dev-node.ts';

const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => peerIdOf(seed(100 + i))));
const address = (i: number, port = 30_333) => `/ip4/203.0.113.${i}/tcp/${port}/p2p/${ids[i]}`;

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'maitoken-anchors-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'network');
}

function hooks() {
  const said: string[] = [];
  const faults: unknown[] = [];
  const log = (level: string, text: string) => void said.push(`${level} ${text}`);
  return { said, faults, log, onFatal: (error: unknown) => void faults.push(error) };
}

test('a node meets again whom it knew, though nobody tells it where', async (t) => {
  const dir = folder(t);
  const heard = hooks();
  const boot = await started(t, 1);
  const other = await started(t, 2, { reservedNodes: [dialable(boot)], outPeers: 0 });
  const before = await Anchors.open(dir, heard);
  const first = await started(t, 3, { bootnodes: [dialable(boot)], anchors: before.addresses });
  await until('it calls whom the bootnode knows', () => first.anchors().length === 1);
  assert.deepEqual(first.anchors(), [dialable(other)], 'a bootnode is no anchor: the operator names it anyway');
  before.follow(first, () => false);
  await before.stop();
  await first.stop();
  await boot.stop();

  const after = await Anchors.open(dir, heard);
  const again = await started(t, 3, { anchors: after.addresses });
  await until('it is there', () => again.peers().some(({ id }) => id === other.peerId));
  assert.deepEqual(heard.said, []);
  assert.deepEqual(heard.faults, []);
});

test('a node keeps the file beside its key, one that is temporary keeps none', async (t) => {
  for (const tmp of [false, true]) {
    const dir = folder(t);
    const p2p = { ...privateNet(7), reservedOnly: false, inPeers: 8, outPeers: 8 };
    const node = await lonelyNode(dir, { tmp, p2p });
    let stopping: Promise<void> | undefined;
    const stop = () => (stopping ??= node.stop());
    t.after(stop);
    const genesisHash = node.store.genesis.hash;
    const boot = await started(t, 1, { genesisHash });
    const other = await started(t, 2, { genesisHash, reservedNodes: [dialable(boot)], outPeers: 0 });
    await until('they meet', () => other.peers().length === 1);
    node.network.addReserved(dialable(boot));
    await until('it learned of the other', () => node.network.anchors().length === 1);
    await stop();
    const kept = await Anchors.open(join(dir, 'chains', node.config.spec.id, 'network'), hooks());
    assert.deepEqual(kept.addresses, tmp ? [] : [dialable(other)]);
  }
});

test('the longest connected are kept first, then who was there before, at most eight and each peer once', async (t) => {
  const dir = folder(t);
  const heard = hooks();
  const first = await Anchors.open(dir, heard);
  assert.deepEqual(first.addresses, []);
  await first.save([0, 1, 2, 3, 4].map((i) => address(i)));
  await first.save([5, 1].map((i) => address(i, 40_000)));
  const kept = [address(5, 40_000), address(1, 40_000), ...[0, 2, 3, 4].map((i) => address(i))];
  assert.deepEqual((await Anchors.open(dir, heard)).addresses, kept);
  await first.save(Array.from({ length: 12 }, (_, i) => address(i + 6)).slice(0, 7));
  const { addresses } = await Anchors.open(dir, heard);
  assert.equal(addresses.length, MAX_ANCHORS);
  assert.equal(addresses[7], address(5, 40_000));
  assert.deepEqual(readdirSync(dir), [ANCHORS_FILE], 'nothing is left beside it');
  assert.ok(statSync(join(dir, ANCHORS_FILE)).size < 4_096);
  assert.deepEqual(heard.said, [], 'the first start has no file, and says nothing');
});

test('a node that is alone, or whose tip is stale, leaves the file as it was', async (t) => {
  const dir = folder(t);
  const first = await Anchors.open(dir, hooks());
  await first.save([address(0)]);
  const text = readFileSync(join(dir, ANCHORS_FILE), 'utf8');
  for (const [connected, isStale] of [
    [[], false],
    [[address(1)], true],
  ] as const) {
    const anchors = await Anchors.open(dir, hooks());
    anchors.follow({ anchors: () => [...connected] }, () => isStale);
    await anchors.stop();
    assert.equal(readFileSync(join(dir, ANCHORS_FILE), 'utf8'), text);
  }
});

test('a damaged file is ignored with one warning, and written anew', async (t) => {
  const dir = folder(t);
  mkdirSync(dir);
  const path = join(dir, ANCHORS_FILE);
  const whole = (anchors: unknown) => JSON.stringify({ version: 1, anchors });
  const damaged = [
    '',
    '{"version":1,"anchors":["/ip4/203.0',
    '\u0000\u0001\u0002',
    '[]',
    JSON.stringify({ version: 2, anchors: [] }),
    whole(['/ip4/203.0.113.1/tcp/30333']),
    whole([7]),
    whole(Array.from({ length: MAX_ANCHORS + 1 }, (_, i) => address(i))),
    whole([`/dns4/${'a'.repeat(200)}/tcp/1/p2p/${ids[0]}`]),
    `${whole([address(0)])}${' '.repeat(5_000)}x`,
  ];
  for (const text of damaged) {
    writeFileSync(path, text);
    const heard = hooks();
    const anchors = await Anchors.open(dir, heard);
    assert.deepEqual(anchors.addresses, [], text.slice(0, 60));
    assert.equal(heard.said.length, 1);
    assert.match(heard.said[0] ?? '', /^warn peers: .*anchors\.json is ignored/);
    await anchors.save([address(3)]);
    assert.deepEqual((await Anchors.open(dir, heard)).addresses, [address(3)]);
  }
});

test('a node without a folder keeps nothing; a folder that cannot be written ends the node', async (t) => {
  const nowhere = await Anchors.open(undefined, hooks());
  await nowhere.save([address(0)]);
  assert.deepEqual(nowhere.addresses, []);
  const dir = folder(t);
  writeFileSync(dir, 'a file where the folder should be');
  const heard = hooks();
  const anchors = await Anchors.open(dir, heard);
  assert.deepEqual(anchors.addresses, []);
  await anchors.save([address(0)]);
  assert.ok(heard.faults[0] instanceof StoreError && heard.faults[0].code === 'DiskError');
});
