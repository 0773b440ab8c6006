/** # Two nodes that take turns, over libp2p: one chain, in which each authors its own slots, and who cheats is told. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Bytes, equal, toHex } from '../../src/base/bytes.ts';
import { LAST_SEALED } from '../../src/consensus/slots-author.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { Header } from '../../src/primitives/header.ts';
import { readSlotSealed, Slot } from '../../src/primitives/slots.ts';
import { reader, readStorage } from '../../src/runtime/access.ts';
import { SlotsDeclared } from '../../src/runtime/pallets/slots.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { SlotsChain, slotsSpec, Validator } from '../consensus/slots-chain.ts';
import { lonelyNode, privateNet } from '../rpc/dev-node.ts';

const NAMES = ['Alice', 'Bob'];
const spec = slotsSpec({ names: NAMES, blockTimeMs: 1_000, epochSlots: 4, finalityDepth: 4 });
const dirs: string[] = [];
const nodes: RunningNode[] = [];
const PATIENCE = { timeout: 120_000 };

async function start(name: string, key: number, dir = mkdtempSync(join(tmpdir(), 'maitoken-slots-'))) {
  dirs.push(dir);
  const p2p = privateNet(key);
  const node = await lonelyNode(dir, { spec, specSource: 'slots', p2p, validator: true, identity: { name } });
  nodes.push(node);
  return node;
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 90_000;
  while (!isSo()) {
    if (performance.now() > deadline) assert.fail(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let alice: RunningNode;
let bob: RunningNode;

function introduce(a: RunningNode, b: RunningNode): void {
  a.network.addReserved(b.network.addresses()[0] ?? '');
  b.network.addReserved(a.network.addresses()[0] ?? '');
}

before(async () => {
  [alice, bob] = [await start('Alice', 1), await start('Bob', 2)];
  introduce(alice, bob);
});

after(async () => {
  for (const node of nodes) await node.stop();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

const headerAt = ({ store }: RunningNode, number: number): Header => {
  const hash = store.canonical(number);
  return Header.dec(store.header(hash as Bytes) as Bytes);
};

test('both author, in their own slots, and come to one chain', PATIENCE, async () => {
  const authors = (node: RunningNode) => {
    const { number } = node.store.settled;
    return Array.from({ length: number }, (_, i) => toHex(readSlotSealed(headerAt(node, i + 1)).author));
  };
  await until('both are in what is final for both', () =>
    [alice, bob].every((node) => node.store.settled.number >= 4 && new Set(authors(node)).size === 2),
  );
  const final = Math.min(alice.store.settled.number, bob.store.settled.number);
  for (let n = 1; n <= final; n++) assert.deepEqual(alice.store.canonical(n), bob.store.canonical(n));
  let last = 0;
  for (let n = 1; n <= final; n++) {
    const { slot } = readSlotSealed(headerAt(alice, n));
    assert.ok(slot > last);
    last = slot;
  }
});

test('a transfer that one node was given is final on both', PATIENCE, async () => {
  const chain = new SlotsChain(spec, NAMES);
  const rpc = new RpcClient(`ws://127.0.0.1:${alice.rpcPort}`);
  await until('connected', () => rpc.connected);
  await rpc.call('author_submitExtrinsic', [toHex(chain.transfer(0, 1))]);
  rpc.close();
  const sender = new Validator('Alice').purse.accountId;
  const nonce = ({ store }: RunningNode): number => {
    const view = store.view(store.settled.hash);
    return view ? readStorage(view, System.storage.Account, sender).nonce : 0;
  };
  await until('it is final on both', () => nonce(alice) === 1 && nonce(bob) === 1);
});

test('a node that starts again goes on in later slots than it ever sealed', PATIENCE, async () => {
  const sealedBy = (node: RunningNode): number => Slot.dec(node.store.aux(LAST_SEALED) ?? Slot.enc(0));
  const dir = alice.config.basePath;
  await alice.stop();
  nodes.splice(nodes.indexOf(alice), 1);
  const before = sealedBy(alice);
  assert.ok(before > 0);
  alice = await start('Alice', 1, dir);
  assert.equal(sealedBy(alice), before);
  introduce(alice, bob);
  await until('it has sealed again', () => sealedBy(alice) > before);
  await until('its block is final for the other', () => {
    const { number } = bob.store.settled;
    for (let n = number; n > 0; n--) {
      const { author, slot } = readSlotSealed(headerAt(bob, n));
      if (slot <= before) return false;
      if (equal(author, new Validator('Alice').account)) return true;
    }
    return false;
  });
});

test('a key that runs on two nodes is accused on chain by what they sealed', PATIENCE, async () => {
  const twin = await start('Alice', 3);
  introduce(twin, bob);
  introduce(twin, alice);
  const { account } = new Validator('Alice');
  const accused = ({ store }: RunningNode): boolean => {
    const view = store.view(store.settled.hash);
    const reports = view ? [...reader(SlotsDeclared, view).Reported.entries()] : [];
    return reports.some(([, list]) => list.some((one) => equal(one, account)));
  };
  await until('it is final', () => accused(bob));
});
