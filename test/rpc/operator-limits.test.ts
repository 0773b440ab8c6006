/** # Operator's limits: what --rpc-rate-limit, --rpc-max-batch-request-len and --rpc-max-response-size promise. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { Rate } from '../../src/rpc/rate.ts';
import { type DevNode, startDevNode } from './dev-node.ts';

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

const ask = { jsonrpc: '2.0', id: 1, method: 'system_chain', params: [] };

async function post(dev: DevNode, body: unknown): Promise<Answer & Answer[]> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(dev.http, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Answer & Answer[];
}

test('a rate lets a burst through, then as many as time brings, and never saves up more than a burst', () => {
  const rate = new Rate(60, 0);
  const taken = (now: number, tries: number): number =>
    Array.from({ length: tries }, () => rate.take(now)).filter(Boolean).length;
  assert.equal(taken(0, 100), 60);
  assert.equal(taken(900, 100), 0);
  assert.equal(taken(2_000, 100), 2);
  assert.equal(taken(10_000_000, 1_000), 60);
});

test('calls beyond the rate of a connection are -32999, over both transports; others are served', async () => {
  const dev = await startDevNode({ callsPerMinute: 3 });
  try {
    const socket = new WebSocket(dev.ws);
    await new Promise((resolve) => socket.once('open', resolve));
    const heard: Answer[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        heard.push(JSON.parse(String(data)) as Answer);
        if (heard.length === 5) resolve();
      });
    });
    for (let i = 0; i < 5; i++) socket.send(JSON.stringify(ask));
    await all;
    socket.close();
    assert.deepEqual(
      heard.map(({ error }) => error?.code),
      [undefined, undefined, undefined, -32999, -32999],
    );
    const codes = (await post(dev, Array(5).fill(ask))).map(({ error }) => error?.code);
    assert.deepEqual(codes, [undefined, undefined, undefined, -32999, -32999]);
  } finally {
    await dev.stop();
  }
});

test('batches are as long as the operator says, or not answered at all', async () => {
  const short = await startDevNode({ maxBatch: 2, maxResponseBytes: 4_096 });
  try {
    assert.equal((await post(short, [ask, ask])).length, 2);
    assert.equal((await post(short, [ask, ask, ask])).error?.code, -32010);
    const metadata = await post(short, { ...ask, method: 'state_getMetadata' });
    assert.deepEqual(
      [metadata.error?.code, metadata.error?.data],
      [-32008, 'at most 4096 bytes: ask for less at once'],
    );
  } finally {
    await short.stop();
  }
  const none = await startDevNode({ maxBatch: 0 });
  try {
    assert.equal((await post(none, [ask])).error?.code, -32005);
    assert.equal((await post(none, ask)).error, undefined);
  } finally {
    await none.stop();
  }
});
