/**
 * # RPC: what a read through the port costs, beside a bare Fastify (or ws) that echoes.
 *
 * `rpcRows()` gives one row per kind of read: calls per CPU-second of the thread that serves, over those of an echo of
 * the same requests in the same thread. Clients run in another thread; rounds are interleaved, medians are shown,
 * nothing is asserted. The thread that serves is this file run as a worker.
 */
import { connect, type Socket } from 'node:net';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import fastify from 'fastify';
import { WebSocket, WebSocketServer } from 'ws';
import { must } from '../../src/base/assert.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { toHex } from '../../src/rpc/hex.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { startDevNode } from '../rpc/dev-node.ts';
import { type BenchOptions, median, type Row } from './measure.ts';

const CONNECTIONS = 16;
const WARM_UP_MS = 1_500;
const ROUND_MS = 500;

interface RpcRow {
  readonly name: string;
  /** Of our port, and of the echo. */
  readonly callsPerCpuSecond: number;
  readonly echoesPerCpuSecond: number;
  readonly ratio: number;
}

interface Ports {
  readonly node: number;
  readonly http: number;
  readonly ws: number;
}

/** The thread that serves: a node, and the echoes. */
async function serve(): Promise<void> {
  const port = must(parentPort, 'runs as a worker');
  const dev = await startDevNode();
  const http = fastify();
  http.post('/', (request, reply) => {
    reply.send(request.body);
  });
  await http.listen({ host: '127.0.0.1', port: 0 });
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data.toString())));
  await new Promise((resolve) => sockets.once('listening', resolve));
  const portOf = (address: unknown): number => (address as { port: number }).port;
  port.on('message', async (asked) => {
    if (asked === 'cpu') return port.postMessage(process.threadCpuUsage());
    sockets.close();
    await Promise.all([http.close(), dev.stop()]);
    port.close();
  });
  const ports: Ports = { node: dev.node.rpcPort, http: portOf(http.server.address()), ws: portOf(sockets.address()) };
  port.postMessage(ports);
}

/** Asks over keep-alive HTTP until told to stop; how many answers came. */
async function askHttp(port: number, body: string, forMs: number): Promise<number> {
  const head = 'POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n';
  const request = `${head}content-length: ${body.length}\r\n\r\n${body}`;
  let [answers, isOver] = [0, false];
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await new Promise((resolve) => socket.once('connect', resolve));
      let heard = '';
      socket.on('data', (data) => {
        heard += data.toString('latin1');
        if (heard.length < lengthOf(heard)) return;
        heard = '';
        answers++;
        if (!isOver) socket.write(request);
      });
      socket.write(request);
      return socket;
    }),
  );
  await over(forMs, sockets, () => {
    isOver = true;
  });
  return answers;
}

/** Bytes of the answer that begins so; more than there are while its head is not complete. */
function lengthOf(heard: string): number {
  const head = heard.indexOf('\r\n\r\n');
  if (head < 0) return Number.POSITIVE_INFINITY;
  if (!heard.startsWith('HTTP/1.1 200')) throw new Error(heard.slice(0, 200));
  return head + 4 + Number(/content-length: (\d+)/i.exec(heard)?.[1]);
}

async function over(forMs: number, sockets: readonly Socket[], stop: () => void): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, forMs));
  stop();
  for (const socket of sockets) socket.destroy();
}

/** The same over WebSockets. */
async function askWs(port: number, body: string, forMs: number): Promise<number> {
  let [answers, isOver] = [0, false];
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      await new Promise((resolve) => socket.once('open', resolve));
      socket.on('message', () => {
        answers++;
        if (!isOver) socket.send(body);
      });
      socket.send(body);
      return socket;
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, forMs));
  isOver = true;
  for (const socket of sockets) socket.terminate();
  return answers;
}

/** Measures; about half a minute. */
async function rpcRows(roundCount: number): Promise<RpcRow[]> {
  const worker = new Worker(new URL(import.meta.url));
  const said = <T>(): Promise<T> => new Promise((resolve) => worker.once('message', resolve));
  const ports = await said<Ports>();
  const cpuMicros = async (): Promise<number> => {
    const answer = said<{ user: number; system: number }>();
    worker.postMessage('cpu');
    const { user, system } = await answer;
    return user + system;
  };
  const perCpuSecond = async (run: () => Promise<number>): Promise<number> => {
    const before = await cpuMicros();
    const answers = await run();
    return (answers * 1_000_000) / ((await cpuMicros()) - before);
  };
  const key = toHex(storageKey(System.storage.Account, [keypairFromSuri('//Bob', 'sr25519').accountId]));
  const call = (method: string, params: unknown[]): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const kinds = [
    { name: 'state_getStorage over HTTP', body: call('state_getStorage', [key]), ask: askHttp, echo: ports.http },
    { name: 'chain_getHeader over HTTP', body: call('chain_getHeader', []), ask: askHttp, echo: ports.http },
    { name: 'state_getStorage over WebSocket', body: call('state_getStorage', [key]), ask: askWs, echo: ports.ws },
  ];
  const rows: RpcRow[] = [];
  for (const { name, body, ask, echo } of kinds) {
    for (const port of [ports.node, echo]) await ask(port, body, WARM_UP_MS);
    const rounds: [number, number][] = [];
    for (let round = 0; round < roundCount; round++) {
      rounds.push([
        await perCpuSecond(() => ask(ports.node, body, ROUND_MS)),
        await perCpuSecond(() => ask(echo, body, ROUND_MS)),
      ]);
    }
    const [calls, echoes] = [median(rounds.map(([ours]) => ours)), median(rounds.map(([, theirs]) => theirs))];
    const ratio = Math.round((100 * calls) / echoes) / 100;
    rows.push({ name, callsPerCpuSecond: Math.round(calls), echoesPerCpuSecond: Math.round(echoes), ratio });
  }
  worker.postMessage('stop');
  await new Promise((resolve) => worker.once('exit', resolve));
  return rows;
}

/** Row G14, with the other kinds of reads as its terms. */
export async function portRows({ quick }: BenchOptions): Promise<Row[]> {
  const kinds = await rpcRows(quick ? 3 : 7);
  const [storage] = kinds as [RpcRow];
  return [
    {
      id: 'G14',
      name: `${storage.name} / Fastify echo`,
      value: storage.ratio,
      unit: 'x',
      must: 0.5,
      better: 'more',
      terms: Object.fromEntries(
        kinds.flatMap(({ name, callsPerCpuSecond, echoesPerCpuSecond, ratio }) => [
          [`${name}: calls per CPU-second`, callsPerCpuSecond],
          [`${name}: echoes`, echoesPerCpuSecond],
          [`${name}: ratio`, ratio],
        ]),
      ),
    },
  ];
}

if (!isMainThread) await serve();
