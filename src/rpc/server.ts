/**
 * # Server: JSON-RPC over HTTP and WebSocket on one port, and blobs over REST.
 *
 * Always true: a request from a foreign Host or Origin is refused before it is read; every connection, body, batch,
 * subscription and send queue has a bound (limits.ts), and who passes it loses his own connection only; whatever goes
 * wrong, an answer names no path and carries no stack.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { WebSocketServer } from 'ws';
import type { Backend } from './backend.ts';
import { blobRoutes } from './blob-routes.ts';
import { Client } from './client.ts';
import { answer, failure } from './dispatch.ts';
import { requestTooLarge } from './errors.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import type { RpcMeter } from './meter.ts';
import { allMethods } from './methods/index.ts';
import { Rate } from './rate.ts';
import { type CallContext, Registry } from './registry.ts';
import { Turns } from './turns.ts';
import { type Door, isWelcome } from './welcome.ts';

export interface ServerOptions extends Door {
  readonly port: number;
  readonly unsafe: boolean;
  readonly maxConnections: number;
  readonly maxRequestBytes: number;
  readonly maxSubscriptions: number;
  readonly maxResponseBytes?: number | undefined;
  /** Calls of one batch; 0 answers none. */
  readonly maxBatch?: number | undefined;
  /** Of one connection, WebSocket or HTTP. */
  readonly callsPerMinute?: number | undefined;
  /** Tighter bounds than the defaults. */
  readonly limits?: Partial<Limits>;
  /** Opens PUT of blobs; empty opens it to nobody. */
  readonly blobToken: string;
  readonly onFault: (error: unknown) => void;
  readonly meter?: RpcMeter | undefined;
}

/** What a port that is taken, or not allowed, is reported with. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
}

const JSON_TYPE = 'application/json; charset=utf-8';

export class RpcServer {
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #context: CallContext;
  readonly #http: FastifyInstance;
  readonly #sockets: WebSocketServer;
  readonly #clients = new Set<Client>();
  /** Gone with their connections. */
  readonly #rates = new WeakMap<Duplex, Rate>();
  /** HTTP and WebSocket together. */
  #connections = 0;
  #ping: NodeJS.Timeout | undefined;

  constructor(backend: Backend, options: ServerOptions) {
    const { unsafe, onFault, meter, maxConnections, maxRequestBytes, maxSubscriptions } = options;
    this.#options = options;
    const registry = new Registry(allMethods());
    const { maxResponseBytes: responseBytes, maxBatch: batchCalls, callsPerMinute } = options;
    this.#limits = {
      ...DEFAULT_LIMITS,
      connections: maxConnections,
      requestBytes: maxRequestBytes,
      subscriptions: maxSubscriptions,
      ...(responseBytes === undefined ? {} : { responseBytes }),
      ...(batchCalls === undefined ? {} : { batchCalls }),
      callsPerMinute,
      ...options.limits,
    };
    const common = { backend, registry, unsafe, turns: new Turns(), limits: this.#limits, meter, onFault };
    this.#context = { ...common, connection: undefined, rate: undefined };
    const { requestBytes, headersMs, requestMs, idleMs } = this.#limits;
    this.#http = fastify({
      bodyLimit: requestBytes,
      requestTimeout: requestMs,
      connectionTimeout: idleMs,
      keepAliveTimeout: idleMs,
      forceCloseConnections: true,
      exposeHeadRoutes: false,
      // Node looks at its timeouts every 30 s unless told otherwise: a slow header would live three times as long.
      http: { headersTimeout: headersMs, connectionsCheckingInterval: Math.min(headersMs, 2_000) },
    });
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: requestBytes });
    this.#guard();
    this.#routes(backend);
    blobRoutes(this.#http, backend.blobs, options.blobToken);
  }

  /** Begins to listen; returns the port (useful when 0 was asked for). */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    const { server } = this.#http;
    // Beyond the polite 503: sockets that nobody will ever speak on.
    server.maxConnections = 2 * this.#limits.connections + 16;
    server.on('connection', (socket) => {
      this.#connections++;
      socket.on('close', () => this.#connections--);
    });
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    try {
      await this.#http.listen({ host, port });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE')
        throw new ServerFailed(`--rpc-port ${port} is in use: choose another or stop its owner`);
      throw new ServerFailed(`--rpc-port ${port}: cannot listen on ${host} (${code ?? 'unknown'})`);
    }
    this.#ping = setInterval(() => {
      for (const client of this.#clients) client.ping();
    }, this.#limits.pingMs);
    const address = server.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#ping);
    for (const client of this.#sockets.clients) client.terminate();
    await this.#http.close();
  }

  /** What holds for every route. */
  #guard(): void {
    const http = this.#http;
    http.addHook('onRequest', (request, reply, done) => {
      const { headers } = request.raw;
      if (!isWelcome(this.#options, headers)) {
        reply.code(403).send({ error: 'Host or Origin is not allowed: see --rpc-cors' });
        return;
      }
      if (this.#connections - this.#clients.size > this.#limits.connections) {
        reply.code(503).header('connection', 'close').send({ error: 'too many connections' });
        return;
      }
      if (headers['content-encoding'] !== undefined) {
        reply.code(415).send({ error: 'no content-encoding is read' });
        return;
      }
      if (headers.origin !== undefined) allowOrigin(reply, headers.origin);
      done();
    });
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('application/json', { parseAs: 'string' }, (_, body, done) => done(null, body));
    http.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    http.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'POST / speaks JSON-RPC' }));
    http.setErrorHandler((error: { statusCode?: number; code?: string }, _, reply) => {
      const status = error.statusCode ?? 500;
      if (status === 413) {
        return reply
          .code(413)
          .type(JSON_TYPE)
          .send(failure(null, requestTooLarge(this.#limits.requestBytes)));
      }
      if (status === 415) return reply.code(415).send({ error: 'send application/json' });
      if (status >= 400 && status < 500) return reply.code(status).send({ error: 'bad request' });
      this.#options.onFault(error);
      return reply.code(500).send({ error: 'internal error' });
    });
  }

  #routes(backend: Backend): void {
    const http = this.#http;
    http.options('/', (_, reply) => {
      reply.code(204).send();
    });
    http.get('/health', (_, reply) => {
      reply.send({ peers: backend.peers().length, isSyncing: backend.isSyncing() });
    });
    http.post('/', (request, reply) => this.#post(request, reply));
  }

  #post(request: FastifyRequest, reply: FastifyReply): void {
    const { body } = request;
    if (body !== undefined && typeof body !== 'string') {
      reply.code(415).send({ error: 'send application/json' });
      return;
    }
    const text = answer({ ...this.#context, rate: this.#rateOf(request.raw.socket) }, body ?? '');
    if (typeof text === 'string')
      reply
        .code(text === '' ? 204 : 200)
        .type(JSON_TYPE)
        .send(text);
    else
      void text.then((late) =>
        reply
          .code(late === '' ? 204 : 200)
          .type(JSON_TYPE)
          .send(late),
      );
  }

  /** Calls over HTTP are counted for the connection that they came by. */
  #rateOf(socket: Duplex): Rate | undefined {
    const { callsPerMinute } = this.#limits;
    if (callsPerMinute === undefined) return undefined;
    const rate = this.#rates.get(socket) ?? new Rate(callsPerMinute, performance.now());
    this.#rates.set(socket, rate);
    return rate;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Node takes its own listeners off an upgraded socket: a reset would otherwise end the process.
    socket.on('error', () => socket.destroy());
    const fault = this.#faultOf(request);
    if (fault) {
      socket.end(`HTTP/1.1 ${fault}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const client = new Client(webSocket, socket, this.#context, this.#limits);
      this.#clients.add(client);
      this.#options.meter?.rpcSession(true);
      webSocket.on('close', () => {
        this.#clients.delete(client);
        this.#options.meter?.rpcSession(false);
      });
    });
  }

  /** Why a WebSocket is not opened. */
  #faultOf(request: IncomingMessage): string | undefined {
    if (!isWelcome(this.#options, request.headers)) return '403 Forbidden';
    return this.#clients.size < this.#limits.connections ? undefined : '503 Service Unavailable';
  }
}

function allowOrigin(reply: FastifyReply, origin: string): void {
  reply.header('access-control-allow-origin', origin);
  reply.header('vary', 'origin');
  reply.header('access-control-allow-headers', 'content-type');
  reply.header('access-control-allow-methods', 'GET, POST');
}
