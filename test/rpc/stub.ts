/**
 * # Stub: the port over a chain in memory that does what a test says, with limits as tight as a test wants.
 */
import { toHex } from '../../src/base/bytes.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import type { Backend, ChainEvent } from '../../src/rpc/backend.ts';
import type { Limits } from '../../src/rpc/limits.ts';
import { RpcServer, type ServerOptions } from '../../src/rpc/server.ts';
import type { BlockRef } from '../../src/state/store.ts';
import { newStore, runtime } from '../consensus/world.ts';

export interface Port {
  readonly port: number;
  readonly http: string;
  readonly ws: string;
  /** Faults of ours; every test looks at it. */
  readonly faults: unknown[];
  readonly genesis: BlockRef;
  tell(event: ChainEvent): void;
  /** How many listen to the chain. */
  readonly listeners: number;
  readonly miners: number;
  stop(): Promise<void>;
}

export async function startPort(
  options: Partial<ServerOptions> & { readonly limits?: Partial<Limits> } = {},
  changes: Partial<Backend> = {},
): Promise<Port> {
  const listeners = new Set<(event: ChainEvent) => void>();
  const faults: unknown[] = [];
  let miners = 0;
  const backend = stubBackend(listeners, {
    addMiner: () => {
      miners++;
      return () => miners--;
    },
    ...changes,
  });
  const server = new RpcServer(backend, {
    port: 0,
    host: '127.0.0.1',
    unsafe: false,
    cors: [],
    maxConnections: 100,
    maxRequestBytes: 1_048_576,
    maxSubscriptions: 256,
    blobToken: '',
    onFault: (error) => faults.push(error),
    ...options,
  });
  const port = await server.start();
  return {
    port,
    http: `http://127.0.0.1:${port}/`,
    ws: `ws://127.0.0.1:${port}`,
    faults,
    genesis: backend.store.genesis,
    tell: (event) => {
      for (const listener of listeners) listener(event);
    },
    get listeners() {
      return listeners.size;
    },
    get miners() {
      return miners;
    },
    stop: () => server.stop(),
  };
}

function stubBackend(listeners: Set<(event: ChainEvent) => void>, changes: Partial<Backend>): Backend {
  const store = newStore();
  const refuse = (): never => {
    throw new Error('this chain takes nothing');
  };
  return {
    chainName: 'Stub',
    chainType: 'Development',
    properties: { ss58Format: 42, tokenDecimals: 12, tokenSymbol: 'UNIT' },
    nodeName: 'stub',
    nodeVersion: '0',
    runtime,
    store,
    eraBlocks: 20,
    finalized: () => store.settled,
    grandpa: undefined,
    meta: () => undefined,
    submit: refuse,
    submitAndWatch: refuse,
    pending: () => [],
    nextNonce: () => 0,
    peers: () => [],
    localPeerId: () => 'nobody',
    listenAddresses: () => [],
    syncState: () => ({ startingBlock: 0, currentBlock: 0, highestBlock: 0 }),
    isSyncing: () => false,
    isAuthority: () => false,
    addReservedPeer: async () => {},
    removeReservedPeer: async () => {},
    onEvent: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    template: () => undefined,
    addMiner: () => () => {},
    submitTicket: refuse,
    work: () => ({ registered: false, fragments: [], reveals: [], openWins: [] }),
    duties: () => ({ segments: [], merges: [] }),
    keys: {
      insert: async () => {},
      rotate: async () => new Uint8Array(96),
      rotateWithOwner: async () => ({ keys: new Uint8Array(96), proof: new Uint8Array(192) }),
      has: async () => false,
      hasSession: async () => false,
    },
    blobs: { has: () => false, stat: async () => undefined, chunk: async () => undefined, putChunk: async () => {} },
    ...changes,
  };
}

export interface Answer {
  readonly jsonrpc?: string;
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** Posts a body as it is; the status and what was answered. */
export async function post(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
): Promise<{ status: number; text: string; answer: Answer; headers: Headers }> {
  const response = await fetch(url, { method: 'POST', body, headers });
  const text = await response.text();
  const isJson = text !== '' && (response.headers.get('content-type') ?? '').includes('json');
  return { status: response.status, text, answer: isJson ? JSON.parse(text) : {}, headers: response.headers };
}

/** One call over HTTP. */
export async function call(url: string, method: string, params: readonly unknown[] = []): Promise<Answer> {
  return (await post(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))).answer;
}

/** A client that asks a small thing every 20 ms until it is stopped; `worst` is its longest wait in milliseconds. */
export function honestClient(url: string): { stop(): Promise<{ worst: number; answers: number }> } {
  const rpc = new RpcClient(url);
  let [worst, answers, isOver] = [0, 0, false];
  const loop = (async () => {
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (!rpc.connected) continue;
      const started = performance.now();
      await rpc.call('system_health');
      answers++;
      worst = Math.max(worst, performance.now() - started);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await loop;
      rpc.close();
      return { worst, answers };
    },
  };
}

/** Waits until something is so; fails after 10 s. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const hex = (length: number): string => toHex(new Uint8Array(length));
