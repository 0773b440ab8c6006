/** # Methods: what each of them answers on a chain that grows; what one says must agree with what another says. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromHex } from '../../src/base/bytes.ts';
import { u32 } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { RpcClient, RpcRefused } from '../../src/miner/rpc-client.ts';
import type { DutiesJson, FragmentJson, JobJson, WorkJson } from '../../src/miner/wire.ts';
import { Header } from '../../src/primitives/header.ts';
import { toHex } from '../../src/rpc/hex.ts';
import { allMethods } from '../../src/rpc/methods/index.ts';
import { DevMiner, type DevNode, startDevNode } from './dev-node.ts';
import { call, hex, until } from './stub.ts';

let dev: DevNode;
let miner: DevMiner;
let rpc: RpcClient;
/** A block with others above and below it, and its height. */
let block: string;
const HEIGHT = 3;

const owner = toHex(keypairFromSuri('//Alice//stash', 'sr25519').accountId);
const NOW = '0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb';
const ask = <T>(method: string, params: readonly unknown[] = []): Promise<T> => rpc.call<T>(method, params);

before(async () => {
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
  rpc = new RpcClient(dev.ws);
  let [best, finalized] = [0, 0];
  rpc.subscribe('chain_subscribeNewHeads', [], (header) => {
    best = Number((header as { number: string }).number);
  });
  rpc.subscribe('chain_subscribeFinalizedHeads', [], (header) => {
    finalized = Number((header as { number: string }).number);
  });
  await until('some blocks are final', () => best > HEIGHT + 1 && finalized > HEIGHT);
  block = await ask('chain_getBlockHash', [HEIGHT]);
});

after(async () => {
  rpc?.close();
  miner?.stop();
  await dev?.stop();
});

test('rpc_methods lists every name and alias once, sorted, of both API generations', async () => {
  const { methods } = await ask<{ methods: string[] }>('rpc_methods');
  const names = allMethods().flatMap(({ name, aliases }) => [name, ...aliases]);
  assert.deepEqual(methods, [...names].sort());
  assert.equal(new Set(names).size, names.length);
  assert.ok(methods.includes('chain_subscribeNewHead') && methods.includes('account_nextIndex'));
  for (const name of [
    'chainHead_v1_follow',
    'archive_v1_storage',
    'transaction_v1_broadcast',
    'chainSpec_v1_chainName',
  ])
    assert.ok(methods.includes(name), name);
});

test('system_*: the node says what it is', async () => {
  const { spec } = dev.node.config;
  assert.equal(await ask('system_chain'), spec.name);
  assert.equal(await ask('system_chainType'), 'Development');
  assert.deepEqual(await ask('system_properties'), spec.properties);
  assert.deepEqual(await ask('system_health'), { peers: 0, isSyncing: false, shouldHavePeers: false });
  assert.deepEqual(await ask('system_nodeRoles'), ['Full']);
  assert.match(await ask('system_localPeerId'), /^12D3Koo/);
  assert.ok((await ask<string[]>('system_localListenAddresses')).every((address) => address.startsWith('/ip4/127.')));
  const { startingBlock, currentBlock, highestBlock } = await ask<Record<string, number>>('system_syncState');
  assert.ok(startingBlock === 0 && (currentBlock as number) > HEIGHT && highestBlock === currentBlock);
  await assert.rejects(ask('system_peers'), RpcRefused);
});

test('chain_*: a block’s hash is that of its header, which the state root and the children name', async () => {
  const header = await ask<{ number: string; parentHash: string; stateRoot: string; digest: { logs: string[] } }>(
    'chain_getHeader',
    [block],
  );
  assert.equal(Number(header.number), HEIGHT);
  const stored = dev.node.store.header(fromHex(block)) as Uint8Array;
  assert.equal(toHex(blake2_256(stored)), block);
  assert.equal(header.stateRoot, toHex(Header.dec(stored).stateRoot));
  assert.equal(header.digest.logs.filter((log) => log.startsWith('0x06706f775f')).length, 1);
  assert.ok(header.digest.logs.at(-1)?.startsWith('0x05706f775f'));
  const hashes = await ask<(string | null)[]>('chain_getBlockHash', [[HEIGHT - 1, '0x3', 1_000_000]]);
  assert.deepEqual(hashes, [header.parentHash, block, null]);
  const whole = await ask<{ block: { header: unknown; extrinsics: string[] }; justifications: number[][][] }>(
    'chain_getBlock',
    [block],
  );
  assert.deepEqual(whole.block.header, header);
  assert.equal(whole.block.extrinsics.length, 1);
  assert.deepEqual(whole.justifications[0]?.[0], [112, 111, 119, 95]);
});

test('state_*: values, hashes, sizes, keys and changes agree at a block of the past', async () => {
  const value = await ask<string>('state_getStorage', [NOW, block]);
  assert.equal(value.length, 2 + 16);
  assert.equal(await ask('state_getStorageHash', [NOW, block]), toHex(blake2_256(fromHex(value))));
  assert.equal(await ask('state_getStorageSize', [NOW, block]), 8);
  assert.notEqual(await ask('state_getStorage', [NOW]), value);
  assert.equal(await ask('state_getStorage', [`${NOW}00`]), null);
  assert.deepEqual(await ask('state_queryStorageAt', [[NOW, '0x00'], block]), [
    {
      block,
      changes: [
        [NOW, value],
        ['0x00', null],
      ],
    },
  ]);
  const all = await ask<string[]>('state_getKeys', ['0x', block]);
  assert.ok(all.length > 20 && all.includes(NOW));
  const pages: string[] = [];
  for (let after: string | null = null; ; after = pages.at(-1) as string) {
    const page = await ask<string[]>('state_getKeysPaged', [null, 7, after, block]);
    pages.push(...page);
    if (page.length < 7) break;
  }
  assert.deepEqual(pages, all);
  const proof = await ask<{ at: string; proof: string[] }>('state_getReadProof', [[NOW], block]);
  assert.equal(proof.at, block);
  const { stateRoot } = await ask<{ stateRoot: string }>('chain_getHeader', [block]);
  assert.ok(proof.proof.some((node) => toHex(blake2_256(fromHex(node))) === stateRoot));
});

test('state_call: the runtime answers, and says why when it does not', async () => {
  const version = await ask<{ specName: string; apis: [string, number][]; specVersion: number }>(
    'state_getRuntimeVersion',
  );
  assert.ok(version.apis.length > 5 && version.apis.every(([id]) => /^0x[0-9a-f]{16}$/.test(id)));
  const metadata = await ask<string>('state_getMetadata');
  assert.equal(metadata.slice(0, 12), '0x6d6574610e');
  const versioned = await ask<string>('state_call', ['Metadata_metadata_at_version', toHex(u32.enc(14))]);
  assert.ok(versioned.endsWith(metadata.slice(2)));
  assert.match(await ask('state_call', ['Metadata_metadata_versions', '']), /^0x0c0e0000000f00000010000000$/);
  for (const [name, data] of [
    ['Nothing_at_all', '0x'],
    ['Metadata_metadata_at_version', '0x00'],
  ]) {
    const { error } = await call(dev.http, 'state_call', [name, data]);
    assert.deepEqual([error?.code, error?.message], [4003, 'Client error: Execution failed']);
  }
});

test('compute_*: jobs, rounds, fragments and blocks are one story', async () => {
  const jobs = await ask<JobJson[]>('compute_jobs', [block]);
  assert.equal(jobs.length, 3);
  const [job] = jobs as [JobJson];
  assert.deepEqual(await ask('compute_job', [job.id, block]), job);
  const round = { ...job.round, loss_before: job.round.loss };
  assert.deepEqual(await ask('compute_round', [job.id, null, block]), round);
  assert.deepEqual(await ask('compute_round', [job.id, job.round.r, block]), round);
  assert.equal(await ask('compute_round', [job.id, 99, block]), null);
  assert.equal(await ask('compute_job', [hex(32)]), null);
  const { bigram } = await ask<{ bigram: number }>('compute_baseline', [job.id]);
  assert.ok(bigram > 2 && bigram < 3.5, `a bigram model of source text: ${bigram}`);
  assert.equal(await ask('compute_baseline', [hex(32)]), null);
  const assigned = await ask<FragmentJson[]>('compute_assignments', [owner, block]);
  assert.ok(assigned.length >= 2);
  const won = await ask<Record<string, unknown> & { fragment: string; transactions: number }>('compute_block', [block]);
  assert.deepEqual([won.number, won.hash, won.author, won.transactions], [HEIGHT, block, owner, 1]);
  const named = jobs.find(({ id }) => id === won.job) as JobJson;
  assert.deepEqual(named.mined_nodes[won.node as number], won.shape);
  assert.equal(await ask('compute_block', [await ask('chain_getBlockHash', [0])]), null);
  const fragment = await ask<FragmentJson & { wins: { height: number }[] }>('compute_fragment', [won.fragment]);
  assert.equal(fragment.miner, owner);
  assert.ok(fragment.wins.some(({ height }) => height === HEIGHT));
  const difficulty = await ask<Record<string, unknown>>('compute_difficulty', [block]);
  assert.deepEqual([difficulty.number, difficulty.difficulty], [HEIGHT, String(won.difficulty)]);
  assert.ok(BigInt(difficulty.totalDifficulty as string) >= BigInt(HEIGHT) * 2n ** 20n);
  const author = await ask<Record<string, unknown>>('compute_author', [owner]);
  assert.equal(author.key ?? author.compute_key, toHex(keypairFromSuri('//Alice//compute', 'ed25519').publicKey));
  assert.equal(await ask('compute_author', [hex(32)]), null);
  assert.deepEqual(await ask('compute_boost', [owner]), { boostPpm: 1_000_000 });
  assert.equal(await ask('compute_boost', [hex(32)]), null);
  assert.deepEqual(await ask('compute_certificates'), []);
  assert.deepEqual(await ask('compute_certificates', [owner, 5, block]), []);
  assert.equal(await ask('compute_certificate', [0]), null);
  const terms = await ask<{ tickets: number; difficulty: string }>('compute_registration');
  assert.ok(terms.tickets > 0 && BigInt(terms.difficulty) > 0n);
});

test('rewards_*: the audit is exact at every block, and what is said of an account adds up', async () => {
  for (const at of [block, await ask('chain_getBlockHash', [0]), await ask('chain_getFinalizedHead')]) {
    const audit = await ask<Record<string, string> & { exact: boolean }>('rewards_supplyAudit', [at]);
    assert.equal(audit.exact, true);
    assert.equal(audit.sum, audit.genesis);
  }
  const explained = await ask<Record<string, string | number>>('rewards_explain', [owner, 0, block]);
  assert.equal(explained.era, 0);
  const parts = ['paidCompute', 'paidAuthor', 'paidCheck'].map((name) => BigInt(explained[name] as string));
  assert.equal(
    parts.reduce((sum, part) => sum + part, 0n),
    BigInt(explained.paid as string),
  );
  assert.equal(await ask('rewards_era', [9_999]), null);
  const schedule = await ask<{ era: number; release: string; left: string }[]>('rewards_schedule', [5, block]);
  assert.deepEqual(
    schedule.map(({ era }) => era),
    [0, 1, 2, 3, 4],
  );
  for (const [i, { release, left }] of schedule.slice(1).entries()) {
    assert.equal(BigInt(left) + BigInt(release), BigInt((schedule[i] as { left: string }).left));
  }
  assert.equal((await ask<unknown[]>('rewards_schedule')).length, 24);
});

test('miner_*: work comes with every head, templates between, duties to checkers, and bad tickets are refused', async () => {
  const status = await ask<WorkJson & { template: string }>('miner_status', [owner]);
  assert.equal(status.registered, true);
  assert.match(status.template, /^\d+$/);
  assert.equal((await ask<WorkJson>('miner_status', [hex(32)])).registered, false);
  const checker = new RpcClient(dev.ws);
  const heard: DutiesJson[] = [];
  const address = ss58Encode(keypairFromSuri('//Bob//stash', 'sr25519').accountId, 42);
  checker.subscribe('miner_subscribeDuties', [address], (event) => heard.push(event as DutiesJson));
  const work: { type: string; best?: { number: number }; id?: string }[] = [];
  checker.subscribe('miner_subscribeWork', [owner], (event) => work.push(event as { type: string }));
  await until('heads passed', () => heard.length >= 3 && work.filter(({ type }) => type === 'work').length >= 3);
  checker.close();
  const heights = heard.map(({ best }) => best.number);
  assert.deepEqual(
    heights,
    [...heights].sort((a, b) => a - b),
  );
  assert.ok(work.some(({ type, id }) => type === 'template' && id !== undefined));
  const template = dev.node.store.best.hash;
  const ticket = { templateId: '0', preRuntime: toHex(template), seal: '0x', opening: '0x' };
  assert.equal((await call(dev.http, 'miner_submitTicket', [ticket])).error?.code, -32602);
  const parts = (await ask<{ digest: { logs: string[] } }>('chain_getHeader')).digest.logs;
  // Enum tag, engine id and a compact length come before the payload: 1 + 4 + 2 bytes.
  const [preRuntime, seal] = parts.map((log) => `0x${log.slice(2 + 2 * 7)}`);
  const { error } = await call(dev.http, 'miner_submitTicket', [{ ...ticket, preRuntime, seal }]);
  assert.deepEqual([error?.code, error?.message], [5002, 'UnknownTemplate']);
  assert.ok((error?.data as { number: number } | undefined)?.number);
});

test('payment_*: what a transfer costs, by weight and by parts', async () => {
  const { extrinsics } = (await ask<{ block: { extrinsics: string[] } }>('chain_getBlock', [block])).block;
  const info = await ask<{ partialFee: string; class: string; weight: { ref_time: number } }>('payment_queryInfo', [
    extrinsics[0],
  ]);
  assert.deepEqual([info.partialFee, info.class], ['0', 'mandatory']);
  assert.deepEqual(await ask('payment_queryFeeDetails', [extrinsics[0]]), { inclusionFee: null });
});
