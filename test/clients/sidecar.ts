/**
 * # Sidecar: the unmodified @substrate/api-sidecar 18 in front of a dev node answers what the node's own state says.
 *
 * It brings @polkadot/api 10, which reads V14 metadata alone; what it says is compared with @polkadot/api 16, which
 * reads V16. Run by `npm run test:clients`, which installs it in `tools`, out of sight of this file's own imports.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

const MAIN = join(import.meta.dirname, 'tools', 'node_modules', '@substrate', 'api-sidecar', 'build', 'src', 'main.js');
const PATIENCE = { timeout: 90_000 };
const UNIT = 1_000_000_000_000n;
/** A final block comes four blocks after it was won, and one is won every half second or so. */
const WAITS_MS = 60_000;

type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;
// biome-ignore lint/suspicious/noExplicitAny: answers of two clients without types of this chain are compared whole.
type Json = any;

let dev: DevNode;
let miner: DevMiner;
let sidecar: ChildProcess;
let said = '';
let base: string;
let api: ApiPromise;

before(async () => {
  await cryptoWaitReady();
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
  const provider = new WsProvider(dev.ws) as unknown as Provider;
  api = await ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const settings = { SAS_SUBSTRATE_URL: dev.ws, SAS_EXPRESS_PORT: String(port), SAS_EXPRESS_BIND_HOST: '127.0.0.1' };
  sidecar = spawn(process.execPath, ['--no-warnings', MAIN], { env: { PATH: process.env.PATH, ...settings } });
  for (const stream of [sidecar.stdout, sidecar.stderr]) {
    stream?.on('data', (data) => {
      said += data;
    });
  }
  await until('sidecar is up', async () => (await fetch(base)).ok);
  await until('blocks are final', async () => (await get('/blocks/head')).number >= 2);
}, PATIENCE);

after(async () => {
  await api?.disconnect();
  if (sidecar?.exitCode === null) {
    const ended = new Promise((done) => sidecar.once('exit', done));
    sidecar.kill('SIGKILL');
    await ended;
  }
  miner?.stop();
  await dev?.stop();
});

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  await new Promise((done) => server.close(done));
  return port;
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + WAITS_MS; Date.now() < end; await new Promise((done) => setTimeout(done, 200))) {
    if (await look().catch(() => false)) return;
  }
  throw new Error(`${what}: not within a minute; sidecar said:\n${said.slice(-2_000)}`);
}

async function answer(path: string, init?: RequestInit): Promise<{ status: number; body: Json }> {
  const response = await fetch(base + path, init);
  return { status: response.status, body: await response.json() };
}

/** What a path answers; it must be 200. */
async function get(path: string): Promise<Json> {
  const { status, body } = await answer(path);
  assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
  return body;
}

const post = (path: string, body: object) =>
  answer(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const people = () => {
  const keyring = new Keyring({ type: 'sr25519' });
  const [alice, stash] = [keyring.addFromUri('//Alice'), keyring.addFromUri('//Alice//stash')];
  return { alice, stash, newcomer: keyring.addFromUri('//Newcomer//sidecar') };
};

const transfer = (to: string, amount: bigint): Json => (api.tx as Json).balances.transferKeepAlive(to, amount);
const accountAt = async (hash: string, address: string): Promise<Json> =>
  ((await api.at(hash)).query as Json).system.account(address);

/** The header of a block as the node itself says it, in the words of sidecar. */
async function headerOf(hash: string): Promise<Json> {
  const { parentHash, number, stateRoot, extrinsicsRoot } = await api.rpc.chain.getHeader(hash);
  return { ...JSON.parse(JSON.stringify({ parentHash, stateRoot, extrinsicsRoot })), number: number.toString(), hash };
}

async function agreesWithHeader(block: Json): Promise<void> {
  const { parentHash, stateRoot, extrinsicsRoot, number, hash } = block;
  assert.deepEqual({ parentHash, stateRoot, extrinsicsRoot, number, hash }, await headerOf(hash));
  assert.equal((await api.rpc.chain.getBlockHash(Number(number))).toHex(), hash);
}

test('/node/version names implementation, version and chain', PATIENCE, async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'));
  assert.deepEqual(await get('/node/version'), {
    clientVersion: version,
    clientImplName: 'maitoken-node',
    chain: dev.node.config.spec.name,
  });
});

test('/blocks/head is the last final block with its author, and ?finalized=false the best', PATIENCE, async () => {
  const head = await get('/blocks/head');
  await agreesWithHeader(head);
  assert.equal(head.finalized, true);
  assert.equal(head.authorId, people().stash.address);
  assert.deepEqual([head.logs.at(0).type, head.logs.at(-1).type], ['PreRuntime', 'Seal']);
  const best = await get('/blocks/head?finalized=false');
  await agreesWithHeader(best);
  assert.equal(best.finalized, false);
  assert.ok(Number(best.number) > Number(head.number));
});

test('/blocks/N is block N with its inherent and the events of it; a block to come is refused', PATIENCE, async () => {
  for (const number of [1, 2]) {
    const block = await get(`/blocks/${number}`);
    assert.equal(block.number, String(number));
    await agreesWithHeader(block);
    const [inherent] = block.extrinsics;
    assert.deepEqual(inherent.method, { pallet: 'timestamp', method: 'set' });
    assert.equal(inherent.signature, null);
    assert.equal(inherent.success, true);
    const now = await ((await api.at(block.hash)).query as Json).timestamp.now();
    assert.equal(inherent.args.now, now.toString());
    assert.deepEqual(inherent.events.at(-1).method, { pallet: 'system', method: 'ExtrinsicSuccess' });
    assert.deepEqual(await get(`/blocks/${block.hash}`), block);
  }
  const genesis = await get('/blocks/0');
  assert.equal(genesis.hash, api.genesisHash.toHex());
  assert.deepEqual(genesis.extrinsics, []);
  const { status, body } = await answer('/blocks/999999');
  assert.equal(status, 500);
  assert.match(body.message, /Unable to retrieve header/);
});

test('/accounts/A/balance-info is the account as it stands in the state of that block', PATIENCE, async () => {
  for (const { address } of [people().alice, people().newcomer]) {
    const { at, ...info } = await get(`/accounts/${address}/balance-info`);
    const { nonce, data } = await accountAt(at.hash, address);
    assert.equal(info.nonce, nonce.toString());
    for (const name of ['free', 'reserved', 'frozen']) assert.equal(info[name], data[name].toString(), name);
    assert.deepEqual(info.locks, []);
    assert.equal(info.tokenSymbol.toLowerCase(), dev.node.config.spec.properties.tokenSymbol.toLowerCase());
  }
  assert.equal((await answer('/accounts/nobody/balance-info')).status, 400);
});

test('/transaction/material has what an offline signer needs, metadata included', PATIENCE, async () => {
  const material = await get('/transaction/material?metadata=scale');
  const version = await api.rpc.state.getRuntimeVersion();
  assert.equal(material.genesisHash, api.genesisHash.toHex());
  assert.equal(material.chainName, dev.node.config.spec.name);
  assert.equal(material.specName, version.specName.toString());
  assert.equal(material.specVersion, version.specVersion.toString());
  assert.equal(material.txVersion, version.transactionVersion.toString());
  const call = { jsonrpc: '2.0', id: 1, method: 'state_getMetadata', params: [] };
  const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(call) };
  const { result } = (await (await fetch(dev.http, asked)).json()) as { result: string };
  assert.equal(material.metadata, result);
});

test('a transfer is estimated, submitted, and found in its block as it was meant', PATIENCE, async () => {
  const { alice, newcomer } = people();
  const before = await get(`/accounts/${newcomer.address}/balance-info`);
  const amount = 7n * UNIT;
  const signed = await transfer(newcomer.address, amount).signAsync(alice, { tip: 3 });
  const tx = signed.toHex();

  const { status, body: estimate } = await post('/transaction/fee-estimate', { tx });
  assert.equal(status, 200, JSON.stringify(estimate));
  const info = await (api.call as Json).transactionPaymentApi.queryInfo(signed.toU8a(), signed.encodedLength);
  assert.equal(estimate.partialFee, info.partialFee.toString());
  assert.equal(estimate.weight.refTime, info.weight.refTime.toString());
  assert.equal(estimate.class, 'Normal');

  const dry = await post('/transaction/dry-run', { tx });
  assert.equal(dry.status, 200, JSON.stringify(dry.body));
  assert.deepEqual(dry.body.dryRunResult, { resultType: 'DispatchOutcome', result: { ok: [] } });

  const sent = await post('/transaction', { tx });
  assert.deepEqual(sent, { status: 200, body: { hash: signed.hash.toHex() } });

  let found: Json;
  let number = 0;
  await until('the transfer is in a final block', async () => {
    const head = Number((await get('/blocks/head')).number);
    for (; !found && number <= head; number++) {
      const block = await get(`/blocks/${number}`);
      found = block.extrinsics.find(({ hash }: Json) => hash === signed.hash.toHex());
      if (found) break;
    }
    return found !== undefined;
  });
  assert.deepEqual(found.method, { pallet: 'balances', method: 'transferKeepAlive' });
  assert.deepEqual(found.args, { dest: { id: newcomer.address }, value: String(amount) });
  assert.equal(found.signature.signer.id, alice.address);
  assert.equal(found.signature.signature, signed.signature.toHex());
  assert.deepEqual([found.nonce, found.tip, found.success, found.paysFee], [signed.nonce.toString(), '3', true, true]);
  const event = (name: string) => found.events.find(({ method }: Json) => method.method === name)?.data;
  assert.deepEqual(event('Transfer'), [alice.address, newcomer.address, String(amount)]);
  const [payer, paid, tip] = event('TransactionFeePaid');
  assert.deepEqual([payer, tip], [alice.address, '3']);
  const off = BigInt(paid) - 3n - BigInt(estimate.partialFee);
  assert.ok((off < 0n ? -off : off) * 100n <= BigInt(estimate.partialFee), `paid ${paid}, of ${estimate.partialFee}`);

  const after = await get(`/accounts/${newcomer.address}/balance-info?at=${number}`);
  assert.equal(BigInt(after.free) - BigInt(before.free), amount);
  const raw = await get(`/blocks/${number}/extrinsics-raw`);
  assert.ok(raw.extrinsics.includes(tx));
  const index = raw.extrinsics.indexOf(tx);
  assert.equal((await get(`/blocks/${number}/extrinsics/${index}`)).extrinsics.hash, signed.hash.toHex());
});

test('a transaction that the node refuses is refused with the node’s reason', PATIENCE, async () => {
  const { alice, newcomer } = people();
  const stale = await transfer(newcomer.address, UNIT).signAsync(alice, { nonce: 0 });
  const forged = stale.toU8a();
  // One bit of the signature: after the length, the version, the kind and 32 bytes of the signer, and the scheme.
  forged[2 + 1 + 1 + 32 + 1] ^= 1;
  const broken: [string, RegExp][] = [
    [stale.toHex(), /Transaction is outdated/],
    [`0x${Buffer.from(forged).toString('hex')}`, /Transaction has a bad signature/],
  ];
  for (const [tx, reason] of broken) {
    const { status, body } = await post('/transaction', { tx });
    assert.equal(status, 400);
    assert.match(JSON.stringify(body), reason);
  }
  const { status, body } = await post('/transaction', { tx: '0x1234' });
  assert.deepEqual([status, body.error], [400, 'Failed to parse transaction.']);
});

test('/pallets/*/storage lists the items of every pallet, and its other lists are whole', PATIENCE, async () => {
  const { pallets } = (api.runtimeMetadata.asLatest as Json).toJSON();
  const typeOf = (id: number) => (api.registry.lookup.getSiType(id as Json) as Json).toJSON().def.variant.variants;
  const names = (items: Json[]) => items.map(({ name }) => name).sort();
  assert.ok(pallets.length >= 12);
  for (const pallet of pallets) {
    // Sidecar refuses to show the list that a pallet does not have.
    if (pallet.storage) {
      const { items, palletIndex } = await get(`/pallets/${pallet.name}/storage`);
      assert.deepEqual(names(items), names(pallet.storage.items), pallet.name);
      assert.equal(palletIndex, String(pallet.index));
    }
    if (pallet.constants.length > 0) {
      const { items } = await get(`/pallets/${pallet.name}/consts`);
      assert.deepEqual(names(items), names(pallet.constants), pallet.name);
    }
    for (const [list, held] of [
      ['dispatchables', pallet.calls],
      ['events', pallet.events],
      ['errors', pallet.errors],
    ]) {
      if (!held) continue;
      const { items: listed } = await get(`/pallets/${pallet.name}/${list}`);
      assert.deepEqual(names(listed), names(typeOf(held.type)), `${pallet.name} ${list}`);
    }
  }
});

test('/pallets/P/storage/I is the value of that block, of plain items and of maps', PATIENCE, async () => {
  const { alice } = people();
  const issued = await get('/pallets/Balances/storage/TotalIssuance');
  const there = (await api.at(issued.at.hash)).query as Json;
  assert.equal(issued.value, (await there.balances.totalIssuance()).toString());
  const account = await get(`/pallets/System/storage/Account?keys[]=${alice.address}`);
  const { nonce, providers, data } = await accountAt(account.at.hash, alice.address);
  assert.equal(account.value.nonce, nonce.toString());
  assert.equal(account.value.providers, providers.toString());
  assert.equal(account.value.data.free, data.free.toString());
  assert.equal(account.value.data.flags, data.flags.toString());
  const noItem = await answer('/pallets/System/storage/NoSuchItem');
  assert.match(noItem.body.message, /Could not find storage item/);
  const noPallet = await answer('/pallets/NoSuchPallet/storage');
  assert.match(noPallet.body.message, /not recognized as a queryable pallet/);
});
