/** # Metrics: Prometheus reads from a running node what the node's own RPC says, under the names of public dashboards. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { RunningNode } from '../../src/node/node.ts';
import { mineTo, storedNode } from '../cli/stored-chain.ts';
import { PUBLIC_NAMES, samples } from './names.ts';

const BLOCKS = 6;
const dir = mkdtempSync(join(tmpdir(), 'maitoken-metrics-'));
const prometheus = { port: 0, host: '127.0.0.1', required: true };
let node: RunningNode;

before(
  async () => {
    node = await storedNode(dir, { prometheus, validator: true });
    await mineTo(node, BLOCKS);
  },
  { timeout: 60_000 },
);
after(async () => {
  await node?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const url = (path: string): string => `http://127.0.0.1:${node.metricsPort}${path}`;
const scrape = async (): Promise<string> => (await fetch(url('/metrics'))).text();
const call = async (method: string, params: unknown[] = []): Promise<unknown> => {
  const response = await fetch(`http://127.0.0.1:${node.rpcPort}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return ((await response.json()) as { result: unknown }).result;
};

test('every public name is there with a help and a type, and every sample names the chain', async () => {
  const text = await scrape();
  for (const name of PUBLIC_NAMES) {
    assert.match(text, new RegExp(`^# HELP ${name} .+$`, 'm'));
    assert.match(text, new RegExp(`^# TYPE ${name} (gauge|counter|histogram)$`, 'm'));
  }
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(
    lines.filter((line) => !line.includes('chain="dev"')),
    [],
  );
});

test('heights, work and training are those that RPC tells', async () => {
  const [best, jobs] = [node.store.best.number, (await call('compute_jobs')) as { id: string }[]];
  const seen = samples(await scrape());
  assert.equal(seen.get('substrate_block_height{status="best"}'), best);
  assert.equal(seen.get('substrate_block_height{status="finalized"}'), node.store.settled.number);
  const { difficulty } = (await call('compute_difficulty')) as { difficulty: string };
  assert.equal(seen.get('compute_difficulty'), Number(difficulty));
  assert.ok(jobs.length > 0);
  for (const { id } of jobs) {
    const { r, loss_before } = (await call('compute_round', [id])) as { r: number; loss_before: number };
    assert.equal(seen.get(`compute_round{job="${id}"}`), r);
    assert.ok(Math.abs((seen.get(`compute_held_out_loss{job="${id}"}`) ?? 0) - loss_before) < 1e-6);
  }
});

test('blocks, templates and tickets are counted one by one', async () => {
  const best = node.store.best.number;
  const seen = samples(await scrape());
  const read = (name: string): number => seen.get(name) ?? Number.NaN;
  assert.ok(best >= BLOCKS);
  assert.equal(read('substrate_import_queue_processed_total{result="success"}'), best);
  assert.equal(read('substrate_block_verification_and_import_time_count'), best);
  assert.equal(read('compute_tickets_submitted_total{result="accepted"}'), best);
  assert.equal(read('substrate_unbounded_channel_len{action="send",entity="import_queue"}'), best);
  assert.ok(read('substrate_proposer_block_constructed_count') >= best);
  assert.equal(read('substrate_node_roles'), 4);
  assert.ok(Math.abs(read('substrate_process_start_time_seconds') - Date.now() / 1_000) < 600);
  await call('author_submitExtrinsic', ['0x1234']);
  const after = samples(await scrape());
  assert.equal(
    after.get('substrate_sub_txpool_submitted_transactions'),
    read('substrate_sub_txpool_submitted_transactions') + 1,
  );
});

test('RPC is counted by method, under its own name, and what is no method under one name', async () => {
  const first = samples(await scrape());
  await call('chain_getHead');
  await call('no_such_method');
  await call('nor_this');
  const then = samples(await scrape());
  const grown = (name: string): number => (then.get(name) ?? 0) - (first.get(name) ?? 0);
  assert.equal(grown('substrate_rpc_calls_started{method="chain_getBlockHash"}'), 1);
  assert.equal(grown('substrate_rpc_calls_finished{is_error="false",method="chain_getBlockHash"}'), 1);
  assert.equal(grown('substrate_rpc_calls_time_count{method="chain_getBlockHash"}'), 1);
  assert.equal(grown('substrate_rpc_calls_finished{is_error="true",method="unknown"}'), 2);
  assert.equal(grown('substrate_rpc_requests_started'), 3);
  assert.equal(grown('substrate_rpc_requests_finished'), 3);
  assert.ok([...then.keys()].every((name) => !name.includes('no_such_method')));
  assert.ok((then.get('substrate_rpc_sessions_opened') ?? 0) >= 1);
});

test('/health says how the node stands, and nothing else is answered', async () => {
  assert.deepEqual(await (await fetch(url('/health'))).json(), {
    peers: 0,
    isSyncing: false,
    best: node.store.best.number,
  });
  assert.equal((await fetch(url('/'))).status, 404);
  assert.equal((await fetch(url('/metrics'), { method: 'POST' })).status, 405);
});

test('a taken port ends the start if it was asked for, and only the metrics if it was not', async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
  });
  const [asked, byDefault] = [mkdtempSync(join(dir, 'a-')), mkdtempSync(join(dir, 'b-'))];
  try {
    const starting = storedNode(asked, { prometheus: { ...prometheus, port } });
    await assert.rejects(starting, {
      name: 'MetricsFailed',
      message: new RegExp(`--prometheus-port ${port} is in use`),
    });
    const silent = await storedNode(byDefault, { prometheus: { ...prometheus, port, required: false } });
    assert.equal(silent.metricsPort, undefined);
    await silent.stop();
  } finally {
    other.close();
  }
});
