/**
 * # Server: JSON-RPC over HTTP and WebSocket on one port, and blobs over REST.
 *
 * Always true: a request from a foreign Host or Origin is refused before it is read; every connection, body, batch,
 * subscription and send queue has a bound, and who passes it loses his own connection only (ADVERSARY.md section 3).
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';
import { fromHex } from '../base/bytes.ts';
import type { Backend } from './backend.ts';
import { answer, encodeJson } from './dispatch.ts';
import { RpcError } from './errors.ts';
import { allMethods } from './methods/index.ts';
import { type CallContext, type Connection, Registry } from './registry.ts';

export interface ServerOptions {
  readonly port: number;
  /** 127.0.0.1 unless the operator opened the port to the world. */
  readonly host: string;
  readonly unsafe: boolean;
  /** Origins besides the defaults; 'all' allows every one. */
  readonly cors: 'all' | readonly string[];
  readonly maxConnections: number;
  readonly maxRequestBytes: number;
  readonly maxSubscriptions: number;
  /** Opens PUT of blobs. */
  readonly blobToken: string;
  readonly onFault: (error: unknown) => void;
}

/** What a port that is taken, or not allowed, is reported with. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
}

// A client that does not read is cut off beyond this; an honest one holds a few kilobytes.
const SEND_QUEUE_BYTES = 8 * 1_048_576;
const PING_MS = 30_000;
const BLOB_CHUNK_BYTES = 256 * 1_024;
const LOCAL_ORIGIN = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;
const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;
const DEFAULT_ORIGINS = ['https://polkadot.js.org'];

export class RpcServer {
  readonly #backend: Backend;
  readonly #options: ServerOptions;
  readonly #registry = new Registry(allMethods());
  readonly #http: FastifyInstance;
  readonly #sockets: WebSocketServer;
  #ping: NodeJS.Timeout | undefined;

  constructor(backend: Backend, options: ServerOptions) {
    this.#backend = backend;
    this.#options = options;
    this.#http = fastify({
      bodyLimit: Math.max(options.maxRequestBytes, BLOB_CHUNK_BYTES),
      requestTimeout: 20_000,
      connectionTimeout: 60_000,
      forceCloseConnections: true,
    });
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: options.maxRequestBytes });
    this.#routes();
  }

  /** Begins to listen; returns the port (useful when 0 was asked for). */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    this.#http.server.on('upgrade', (request, socket, head) => {
      if (!this.#isWelcome(request) || this.#sockets.clients.size >= this.#options.maxConnections) {
        socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#serve(client));
    });
    try {
      await this.#http.listen({ host, port });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE')
        throw new ServerFailed(`--rpc-port ${port} is in use: choose another or stop its owner`);
      throw new ServerFailed(`--rpc-port ${port}: cannot listen on ${host} (${code ?? 'unknown'})`);
    }
    this.#ping = setInterval(() => this.#pingAll(), PING_MS);
    const address = this.#http.server.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#ping);
    for (const client of this.#sockets.clients) client.terminate();
    await this.#http.close();
  }

  #routes(): void {
    const http = this.#http;
    http.addHook('onRequest', async (request, reply) => {
      if (!this.#isWelcome(request.raw)) await reply.code(403).send({ error: 'Host or Origin is not allowed' });
      this.#corsHeaders(request, reply);
    });
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('application/json', { parseAs: 'string' }, (_, body, done) => done(null, body));
    http.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    http.options('/', async (_, reply) => {
      await reply.code(204).send();
    });
    http.get('/health', async () => ({ peers: this.#backend.peers().length, isSyncing: this.#backend.isSyncing() }));
    http.post('/', async (request, reply) => {
      if (typeof request.body !== 'string') return reply.code(415).send({ error: 'send application/json' });
      const text = await answer(this.#context(undefined), request.body, this.#options.onFault);
      return reply.code(200).type('application/json; charset=utf-8').send(text);
    });
    this.#blobRoutes();
  }

  #blobRoutes(): void {
    const { blobs } = this.#backend;
    const id = (request: FastifyRequest): Uint8Array | undefined => {
      const { id: text } = request.params as { id: string };
      return /^[0-9a-f]{64}$/.test(text) ? fromHex(text) : undefined;
    };
    const chunk = (request: FastifyRequest): number => Number((request.params as { chunk: string }).chunk);
    this.#http.get('/v1/blobs/:id', async (request, reply) => {
      const wanted = id(request);
      if (!wanted) return reply.code(400).send({ error: 'a blob id is 64 lower-case hex digits' });
      const stat = await blobs.stat(wanted);
      return stat ? reply.send(stat) : reply.code(404).send({ error: 'no such blob here or among the peers' });
    });
    this.#http.get('/v1/blobs/:id/:chunk', async (request, reply) => {
      const wanted = id(request);
      const index = chunk(request);
      if (!wanted || !Number.isSafeInteger(index) || index < 0) return reply.code(400).send({ error: 'id/chunk' });
      const bytes = await blobs.chunk(wanted, index);
      return bytes
        ? reply.type('application/octet-stream').send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
        : reply.code(404).send({ error: 'no such chunk' });
    });
    this.#http.put('/v1/blobs/:id/:chunk', async (request, reply) => {
      if (!this.#mayWrite(request))
        return reply.code(401).send({ error: 'PUT needs the token of the node’s blobs.token' });
      const wanted = id(request);
      const index = chunk(request);
      const length = Number((request.query as { length?: string }).length);
      if (
        !wanted ||
        !Number.isSafeInteger(index) ||
        !Number.isSafeInteger(length) ||
        !(request.body instanceof Buffer)
      ) {
        return reply.code(400).send({ error: 'PUT /v1/blobs/<id>/<chunk>?length=<bytes of the whole blob>' });
      }
      try {
        await blobs.putChunk(wanted, length, index, request.body);
        return reply.code(204).send();
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        return reply.code(400).send({ error: error.message });
      }
    });
  }

  #serve(client: WebSocket): void {
    const connection = this.#connection(client);
    const context = this.#context(connection);
    // One request after the other, so that a subscription's id goes out before its first event.
    let queue = Promise.resolve();
    let waiting = 0;
    client.on('message', (data) => {
      if (++waiting > 1_000) return client.terminate();
      queue = queue.then(async () => {
        const text = await answer(context, data.toString(), this.#options.onFault);
        waiting--;
        if (text !== '') send(client, text);
        connection.release();
      });
    });
    client.on('error', () => client.terminate());
    client.on('close', () => {
      for (const stop of connection.subscriptions.values()) stop();
      connection.subscriptions.clear();
    });
  }

  #connection(client: WebSocket): Connection & { release(): void } {
    let next = 1;
    // Events of subscriptions whose id was not answered yet.
    let held: string[] = [];
    const answered = new Set<string>();
    const subscriptions = new Map<string, () => void>();
    return {
      subscriptions,
      subscriptionLimit: this.#options.maxSubscriptions,
      nextSubscriptionId: () => `s${next++}`,
      notify: (method, id, result) => {
        const text = encodeJson({ jsonrpc: '2.0', method, params: { subscription: id, result } });
        if (answered.has(id)) return send(client, text);
        held.push(text);
        return true;
      },
      release: () => {
        for (const id of subscriptions.keys()) answered.add(id);
        const texts = held;
        held = [];
        for (const text of texts) send(client, text);
      },
    };
  }

  #context(connection: Connection | undefined): CallContext {
    return { backend: this.#backend, registry: this.#registry, connection, unsafe: this.#options.unsafe };
  }

  #isWelcome(request: IncomingMessage): boolean {
    const { cors, host } = this.#options;
    const origin = request.headers.origin;
    if (origin !== undefined && cors !== 'all' && !this.#isAllowed(origin)) return false;
    const named = request.headers.host ?? '';
    // A page that rebinds its own name to 127.0.0.1 shows that name here.
    return cors === 'all' || host !== '127.0.0.1' || LOCAL_HOST.test(named);
  }

  #isAllowed(origin: string): boolean {
    const { cors } = this.#options;
    return LOCAL_ORIGIN.test(origin) || [...DEFAULT_ORIGINS, ...(cors === 'all' ? [] : cors)].includes(origin);
  }

  #corsHeaders(request: FastifyRequest, reply: FastifyReply): void {
    const { origin } = request.headers;
    if (origin === undefined) return;
    reply.header('access-control-allow-origin', origin);
    reply.header('vary', 'origin');
    reply.header('access-control-allow-headers', 'content-type');
    reply.header('access-control-allow-methods', 'GET, POST');
  }

  #mayWrite(request: FastifyRequest): boolean {
    const given = Buffer.from(request.headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#options.blobToken}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #pingAll(): void {
    for (const client of this.#sockets.clients) client.ping();
  }
}

function send(client: WebSocket, text: string): boolean {
  if (client.bufferedAmount > SEND_QUEUE_BYTES) {
    client.terminate();
    return false;
  }
  client.send(text);
  return true;
}
