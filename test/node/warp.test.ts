/** # Warp over the network: a new node begins with the newest final block, and is a node like any other from there. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { authoritiesIn } from '../../src/node/rules.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { SlotsChain } from '../consensus/slots-chain.ts';
import { lonelyNode } from '../rpc/dev-node.ts';
import { grandpaSlotsSpec, growVoted } from './grandpa-slots.ts';

const BLOCKS = 39;
const SESSION = 10;
const PATIENCE = { timeout: 60_000 };
const dir = mkdtempSync(join(tmpdir(), 'maitoken-warp-'));
const spec = grandpaSlotsSpec({ finalityDepth: 8 });
const running: RunningNode[] = [];

/** A node with its own folder, joined to those that run. */
async function start(name: string, more: Partial<NodeConfig> = {}): Promise<RunningNode> {
  const p2p: NodeConfig['p2p'] = {
    listen: ['/ip4/127.0.0.1/tcp/0'],
    publicAddresses: [],
    bootnodes: [],
    reservedNodes: running.flatMap(({ network }) => network.addresses()),
    reservedOnly: false,
    inPeers: 8,
    outPeers: 8,
    mdns: false,
    nodeKey: undefined,
  };
  const node = await lonelyNode(join(dir, name), { spec, specSource: 'slots', name, p2p, ...more });
  running.push(node);
  return node;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setTimeout(done, 20));
}

before(async () => {
  await installFastPaths();
  const chain = new SlotsChain(spec);
  const store = await LevelStore.open({ dir: join(dir, 'old', 'chains', spec.id), genesis: chain.rules.genesis });
  Object.assign(chain, { store });
  growVoted(chain, BLOCKS, SESSION, 2);
  await store.close();
  await start('old');
}, PATIENCE);

after(async () => {
  for (const node of running) await node.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('it begins at the newest final block, with its state, and fetches what came after', PATIENCE, async () => {
  const [old] = running as [RunningNode];
  const node = await start('new', { sync: 'warp' });
  await until(() => node.store.best.number === BLOCKS);
  const { store } = node;
  const base = BLOCKS - 8;
  assert.equal(store.base, base);
  assert.equal(store.settled.number, base);
  assert.equal(toHex(store.best.hash), toHex(old.store.best.hash));
  assert.deepEqual(store.canonical(base), old.store.canonical(base));
  assert.deepEqual(store.body(store.settled.hash), old.store.body(store.settled.hash));
  assert.deepEqual(store.meta(store.settled.hash)?.slice(0, 64), old.store.meta(store.settled.hash)?.slice(0, 64));
  assert.equal(store.canonical(base - 1), undefined);
  const view = must(store.view(store.best.hash), 'the best block has its state');
  assert.equal(authoritiesIn(view).setId, 3n);
});

test('stopped and started again it goes on from there, whatever --sync says', PATIENCE, async () => {
  const node = must(running.pop(), 'the new node');
  await node.stop();
  const again = await start('new', { sync: 'warp' });
  assert.equal(again.store.base, BLOCKS - 8);
  assert.equal(again.store.best.number, BLOCKS);
});

test('a third node can warp with the help of both, though one of them has no past', PATIENCE, async () => {
  const node = await start('third', { sync: 'warp', tmp: true });
  await until(() => node.store.best.number === BLOCKS);
  assert.equal(node.store.base, BLOCKS - 8);
});

test('without peers nothing is made, and a stop is heeded', PATIENCE, async () => {
  const alone = join(dir, 'alone');
  const ending = new AbortController();
  const { startNode } = await import('../../src/node/node.ts');
  const config = { ...(running[0] as RunningNode).config, basePath: alone, sync: 'warp' as const };
  const p2p = { ...config.p2p, reservedNodes: [], nodeKey: new Uint8Array(32).fill(99) };
  const said: string[] = [];
  const log = (_: string, text: string): void => void said.push(text);
  const starting = startNode(
    { ...config, p2p },
    { log, onFatal: (error) => assert.fail(String(error)), signal: ending.signal },
  );
  assert.ok(!existsSync(join(alone, 'chains', spec.id, 'db')));
  ending.abort();
  const node = await starting;
  assert.equal(node.store.best.number, 0);
  await node.stop();
});
