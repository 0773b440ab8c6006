/**
 * # Blob client: whole blobs by id over a node's REST port, chunk by chunk, verified here.
 *
 * Always true: bytes handed out hash to the id that was asked for. A chunk is 256 KiB, 64 leaves of the blob's tree.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { type Bytes, equal, fromHex, toHex } from '../base/bytes.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';

const CHUNK_BYTES = 256 * 1024;
/** Chunks in flight at once: enough to hide a loopback round trip, few enough to stay within 1 MiB. */
const PARALLEL = 4;
/** A node that looks for a blob among its peers may take this long to answer. */
const TIMEOUT_MS = 60_000;
/** Descriptions and refusals are shorter than this. */
const MAX_ANSWER_BYTES = 4_096;

/** The node has no such blob and could not find it, or refused it. */
export class BlobFailed extends Error {
  override readonly name = 'BlobFailed';
  readonly status: number;
  /** `status` of HTTP; 0 when there was no answer. */
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

interface Answer {
  readonly status: number;
  readonly body: Bytes;
}

export class BlobClient {
  readonly #base: string;
  readonly #token: string;
  // Not fetch: its streams cost a fifth of a core here, where gigabytes pass.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });

  /** `base`: http://host:port of the node; `token` opens PUT (a file of the node's, readable by its owner). */
  constructor(base: string, token: string) {
    this.#base = base;
    this.#token = token;
  }

  /** The blob's bytes; the node fetches from its peers what it lacks. Rejects with BlobFailed. */
  async get(id: Bytes): Promise<Bytes> {
    const path = `/v1/blobs/${toHex(id).slice(2)}`;
    const stat = await this.#ask('GET', path);
    if (stat.status !== 200) throw failed('GET', path, stat);
    const { length } = JSON.parse(Buffer.from(stat.body).toString()) as { length: number };
    const out = new Uint8Array(length);
    await each(Math.ceil(length / CHUNK_BYTES), async (index) => {
      const into = out.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
      const answer = await this.#ask('GET', `${path}/${index}`, { into });
      if (answer.status !== 200) throw failed('GET', `${path}/${index}`, answer);
    });
    if (!equal(stateRoot([out]), id)) throw new BlobFailed(`GET ${path}: the bytes do not hash to the id`, 502);
    return out;
  }

  /** Whether the node itself has the blob. */
  async has(id: Bytes): Promise<boolean> {
    const { status } = await this.#ask('HEAD', `/v1/blobs/${toHex(id).slice(2)}`);
    return status === 200;
  }

  /** Hands a blob to the node, which refuses bytes that do not hash to `id`; returns its id. */
  async put(bytes: Bytes, id: Bytes = stateRoot([bytes])): Promise<Bytes> {
    const path = `/v1/blobs/${toHex(id).slice(2)}`;
    await each(Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES)), async (index) => {
      const chunk = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
      const answer = await this.#ask('PUT', `${path}/${index}?length=${bytes.length}`, { send: chunk });
      if (answer.status !== 204) throw failed('PUT', `${path}/${index}`, answer);
    });
    return id;
  }

  /** The blob behind a hex id, as RPC spells it. */
  getHex(id: string): Promise<Bytes> {
    return this.get(fromHex(id));
  }

  /** One exchange; the answer's bytes go into `into` when it is a success that fills it. */
  #ask(method: string, path: string, { send, into }: { send?: Bytes; into?: Bytes } = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const headers = send && {
      authorization: `Bearer ${this.#token}`,
      'content-type': 'application/octet-stream',
      'content-length': send.length,
    };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const broken = (error: Error): void => reject(new BlobFailed(`${method} ${path}: ${error.message}`, 0));
    const options = { method, agent: this.#agent, headers: headers ?? {}, signal };
    const sent = request(this.#base + path, options, (answer) => {
      receive(answer, into).then(resolve, broken);
    });
    sent.on('error', broken);
    sent.end(send);
    return promise;
  }
}

async function receive(answer: IncomingMessage, into: Bytes | undefined): Promise<Answer> {
  const status = answer.statusCode ?? 0;
  const target = status === 200 && into ? into : new Uint8Array(MAX_ANSWER_BYTES);
  let filled = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    if (filled + part.length > target.length) throw new Error('the answer is longer than it should be');
    target.set(part, filled);
    filled += part.length;
  }
  if (target === into && filled < into.length) throw new Error('the answer is shorter than it should be');
  return { status, body: target.subarray(0, filled) };
}

function failed(method: string, path: string, { status, body }: Answer): BlobFailed {
  return new BlobFailed(`${method} ${path}: ${Buffer.from(body).toString().slice(0, 200)}`, status);
}

async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, count) }, lane));
}
