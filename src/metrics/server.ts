/**
 * # Metrics server: GET /metrics for Prometheus and GET /health for supervisors, on a port of their own.
 *
 * Always true: nothing but these two is answered and nothing is read from a body; connections are bounded, and a slow
 * one is closed. The port shows numbers about the node, no keys and no addresses of peers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** What a metrics port that is taken, or not allowed, is reported with. */
export class MetricsFailed extends Error {
  override readonly name = 'MetricsFailed';
}

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface Health {
  readonly peers: number;
  readonly isSyncing: boolean;
  readonly best: number;
}

export interface MetricsServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: MetricsSource;
  health(): Health;
  readonly onFault: (error: unknown) => void;
}

/** A scraper needs one connection; the rest is room for people who look. */
const MAX_CONNECTIONS = 32;
const TIMEOUT_MS = 10_000;

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #server: Server;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS }, (request, response) => {
      this.#answer(request, response).catch((error) => {
        options.onFault(error);
        response.writeHead(500).end();
      });
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Begins to listen; the port. Throws MetricsFailed. */
  start(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'is in use: choose another, or --no-prometheus' : `(${error.code})`;
        reject(new MetricsFailed(`--prometheus-port ${port} ${why}`));
      });
      this.#server.listen({ host, port }, () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address ? address.port : port);
      });
    });
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics, health } = this.#options;
    if (method !== 'GET') {
      response.writeHead(405, { allow: 'GET' }).end();
    } else if (url === '/metrics') {
      response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text());
    } else if (url === '/health') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(health()));
    } else {
      response.writeHead(404).end();
    }
  }
}
