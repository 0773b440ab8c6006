/**
 * # Limits: who floods, stalls or does not read loses his own connection, and an honest client is answered meanwhile.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket as RawSocket } from 'ws';
import { DEFAULT_LIMITS } from '../../src/rpc/limits.ts';
import { type Answer, hex, honestClient, type Port, post, startPort, until } from './stub.ts';

/** Milliseconds that an honest client waits at most while others misbehave (ADVERSARY.md section 2). */
const HONEST_MS = 3_000;

/** Runs while an honest client asks, and looks at how it fared. */
async function beside(port: Port, work: () => Promise<void>): Promise<void> {
  const honest = honestClient(port.ws);
  try {
    await work();
    await pause(100);
  } finally {
    const { worst, answers } = await honest.stop();
    assert.ok(answers > 0 && worst < HONEST_MS, `${answers} answers, the slowest after ${worst} ms`);
    await port.stop();
  }
}

/** A WebSocket that is open. */
async function open(port: Port): Promise<RawSocket> {
  const socket = new RawSocket(port.ws);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('open', resolve));
  return socket;
}

/** The next answer of a socket. */
function ask(socket: RawSocket, method: string, params: readonly unknown[] = []): Promise<Answer> {
  const id = Math.random();
  return new Promise((resolve) => {
    const hear = (data: Buffer): void => {
      const said = JSON.parse(data.toString()) as Answer;
      if (said.id !== id) return;
      socket.off('message', hear);
      resolve(said);
    };
    socket.on('message', hear);
    socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  });
}

/** A TCP connection that says this much and no more; resolves with what came back until the other end closed it. */
function say(port: Port, text: string, halfway?: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(port.port, '127.0.0.1', () => {
      socket.write(text);
      halfway?.(socket);
    });
    socket.on('data', (data) => {
      heard += data.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
  });
}

test('a body beyond the limit is 413, over a WebSocket the end of the connection', async () => {
  const port = await startPort();
  await beside(port, async () => {
    const text = 'x'.repeat(DEFAULT_LIMITS.requestBytes);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'system_chain', params: [text] });
    const { status, answer } = await post(port.http, body);
    assert.deepEqual([status, answer.error?.code], [413, -32007]);
    const socket = await open(port);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.send(body);
    assert.equal(await closed, 1009);
    // Announced and never sent: refused by its length alone.
    const head = `POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 52428800\r\n\r\n`;
    assert.match(await say(port, head), /^HTTP\/1\.1 413/);
  });
});

test('subscriptions beyond the limit are -32006, ended ones make room, and a closed socket leaves nothing', async () => {
  const port = await startPort({ maxSubscriptions: 8 });
  await beside(port, async () => {
    const socket = await open(port);
    const ids: unknown[] = [];
    for (let i = 0; i < 8; i++) ids.push((await ask(socket, 'chain_subscribeNewHeads')).result);
    assert.equal(new Set(ids).size, 8);
    assert.equal((await ask(socket, 'state_subscribeStorage', [['0x']])).error?.code, -32006);
    assert.equal((await ask(socket, 'chain_unsubscribeNewHeads', [ids[0]])).result, true);
    assert.equal((await ask(socket, 'chain_unsubscribeNewHeads', [ids[0]])).result, false);
    assert.equal((await ask(socket, 'miner_subscribeWork', [hex(32)])).error, undefined);
    assert.equal((await ask(socket, 'chain_subscribeNewHeads')).error?.code, -32006);
    assert.deepEqual([port.listeners, port.miners], [9, 1]);
    // A flood in one batch is held to the same.
    const flood = await open(port);
    const call = { jsonrpc: '2.0', method: 'chain_subscribeAllHeads' };
    flood.send(JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ ...call, id }))));
    const [batch] = (await new Promise<Buffer[]>((resolve) =>
      flood.once('message', (data) => resolve([data as Buffer])),
    )) as [Buffer];
    const answers = JSON.parse(batch.toString()) as Answer[];
    assert.equal(answers.filter(({ error }) => error?.code === -32006).length, 92);
    flood.close();
    socket.terminate();
    await until('nobody listens', () => port.listeners === 0 && port.miners === 0);
  });
});

test('an id is answered before its first event, also in a batch', async () => {
  const port = await startPort();
  const socket = await open(port);
  const heard: string[] = [];
  socket.on('message', (data) => heard.push(data.toString()));
  const call = { jsonrpc: '2.0', params: [] };
  const batch = ['chain_subscribeNewHeads', 'chain_subscribeFinalizedHeads'].map((method, id) => ({
    ...call,
    id,
    method,
  }));
  socket.send(JSON.stringify(batch));
  await until('both told their first header', () => heard.length === 3);
  const ids = (JSON.parse(heard[0] as string) as Answer[]).map(({ result }) => result);
  const told = heard
    .slice(1)
    .map((text) => (JSON.parse(text) as { params: { subscription: string } }).params.subscription);
  assert.deepEqual(told, ids);
  socket.terminate();
  await port.stop();
});

test('the keys that one connection watches are bounded', async () => {
  const port = await startPort({ limits: { watchedKeys: 100 } });
  const socket = await open(port);
  const keys = (count: number): string[][] => [Array.from({ length: count }, (_, i) => `0x${'00'.repeat(i)}`)];
  const { result } = await ask(socket, 'state_subscribeStorage', keys(60));
  assert.equal((await ask(socket, 'state_subscribeStorage', keys(41))).error?.code, -32006);
  assert.equal((await ask(socket, 'state_unsubscribeStorage', [result])).result, true);
  assert.equal((await ask(socket, 'state_subscribeStorage', keys(100))).error, undefined);
  socket.terminate();
  await port.stop();
});

test('a subscriber that never reads is cut off at the bound, and others hear on', async () => {
  const port = await startPort({ limits: { sendQueueBytes: 262_144 } });
  await beside(port, async () => {
    const [deaf, listener] = [await open(port), await open(port)];
    let heard = 0;
    listener.on('message', () => heard++);
    for (const socket of [deaf, listener]) {
      for (let i = 0; i < 64; i++) await ask(socket, 'chain_subscribeAllHeads');
    }
    deaf.pause();
    const { genesis } = port;
    const before = heard;
    const rss = process.memoryUsage().rss;
    // 64 subscriptions of 500 bytes: the kernel's buffers take a few megabytes before ours fill.
    for (let i = 0; i < 400 && port.listeners > 64; i++) {
      port.tell({ type: 'imported', block: genesis });
      await pause(1);
    }
    await until('the deaf one is gone', () => port.listeners === 64);
    await until('the other heard everything', () => heard - before >= 64);
    assert.equal(listener.readyState, RawSocket.OPEN);
    assert.ok(process.memoryUsage().rss - rss < 300 * 1_048_576);
    deaf.terminate();
    listener.terminate();
  });
});

test('a client that asks and does not read is not listened to, and in the end cut off', async () => {
  const port = await startPort(
    { limits: { pingMs: 200, answerQueueBytes: 65_536 } },
    { pending: () => [new Uint8Array(100_000)] },
  );
  await beside(port, async () => {
    const socket = connect(port.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
        'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const rss = process.memoryUsage().rss;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'author_pendingExtrinsics', params: [] });
    const frame = Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)]);
    // A pong shows life without reading.
    const pong = Buffer.of(0x8a, 0x80, 0, 0, 0, 0);
    for (let i = 0; i < 2_000 && !socket.destroyed; i++) {
      socket.write(Buffer.concat([frame, pong]));
      if (i % 100 === 0) await pause(1);
    }
    socket.on('data', () => {});
    await pause(2_000);
    socket.resume();
    await closed;
    assert.ok(process.memoryUsage().rss - rss < 300 * 1_048_576);
  });
});

test('half-open sockets end: no pong, no header, no body, no word', { timeout: 30_000 }, async () => {
  const port = await startPort({ limits: { pingMs: 150, headersMs: 300, requestMs: 600, idleMs: 1_000 } });
  await beside(port, async () => {
    const silent = new RawSocket(port.ws, { autoPong: false });
    await new Promise((resolve) => silent.once('open', resolve));
    const honest = await open(port);
    await new Promise((resolve) => silent.once('close', resolve));
    assert.equal(honest.readyState, RawSocket.OPEN);
    assert.match(await say(port, 'POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n'), /^(HTTP\/1\.1 408|$)/);
    const head = 'POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n';
    assert.match(await say(port, `${head}{"json`), /^(HTTP\/1\.1 408|$)/);
    assert.match(await say(port, ''), /^(HTTP\/1\.1 408|$)/);
    honest.terminate();
  });
});

test('a client that asks faster than it is answered is answered in order, and all of it', async () => {
  const port = await startPort();
  await beside(port, async () => {
    const socket = await open(port);
    const ids: unknown[] = [];
    socket.on('message', (data) => ids.push((JSON.parse(data.toString()) as Answer).id));
    for (let id = 0; id < 20_000; id++) {
      const method = id % 10 === 0 ? 'state_getKeysPaged' : 'system_chain';
      const params = id % 10 === 0 ? ['0x', 1_000] : [];
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    }
    await until('all are answered', () => ids.length === 20_000);
    assert.ok(ids.every((id, i) => id === i));
    socket.terminate();
  });
});

test('connections beyond the limit are 503, and room is made when one ends', async () => {
  const port = await startPort({ maxConnections: 4 });
  const sockets = await Promise.all([open(port), open(port), open(port), open(port)]);
  const refused = new RawSocket(port.ws);
  const status = await new Promise((resolve) => {
    refused.on('unexpected-response', (_, response) => resolve(response.statusCode));
    refused.on('error', () => {});
  });
  assert.equal(status, 503);
  refused.terminate();
  sockets[0]?.terminate();
  await pause(100);
  (await open(port)).terminate();
  // HTTP has as much room of its own.
  const idle = Array.from({ length: 5 }, () => connect(port.port, '127.0.0.1').on('error', () => {}));
  await pause(100);
  assert.equal((await post(port.http, '{}')).status, 503);
  for (const socket of idle) socket.destroy();
  await pause(100);
  assert.equal((await post(port.http, '{}')).status, 200);
  for (const socket of sockets) socket.terminate();
  await port.stop();
});

test('a refused upgrade that is reset, and frames that are none, do not hurt the node', async () => {
  const port = await startPort();
  await beside(port, async () => {
    const upgrade = (origin: string): string =>
      `GET / HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: ${origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
      'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
    for (let i = 0; i < 20; i++) await say(port, upgrade('https://evil.example'), (socket) => socket.resetAndDestroy());
    assert.match(await say(port, upgrade('https://evil.example')), /^HTTP\/1\.1 403/);
    const garbage = Buffer.from('ff'.repeat(64), 'hex');
    await say(port, upgrade('http://localhost'), (socket) => setTimeout(() => socket.write(garbage), 50));
    for (const text of ['\0\0\0\0', 'GET\r\n\r\n', `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(10_000)}\r\n`]) {
      assert.match(await say(port, text), /^HTTP\/1\.1 4/);
    }
  });
});

test('a listener that fails loses its subscription, and the node hears on', async () => {
  let isBroken = false;
  const port = await startPort(
    {},
    {
      template: () => {
        if (isBroken) throw new Error('no template');
        return undefined;
      },
    },
  );
  const socket = await open(port);
  await ask(socket, 'miner_subscribeWork', [hex(32)]);
  assert.equal(port.miners, 1);
  isBroken = true;
  port.tell({ type: 'template' });
  assert.deepEqual([port.miners, port.listeners, port.faults.length], [0, 0, 1]);
  socket.terminate();
  await port.stop();
});
