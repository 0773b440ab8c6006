/**
 * # Blob client: whole blobs by id over a node's REST port, chunk by chunk, verified here.
 *
 * Always true: bytes handed out hash to the id that was asked for. A chunk is 256 KiB, 64 leaves of the blob's tree.
 */
import { type Bytes, equal, fromHex, toHex } from '../base/bytes.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';

const CHUNK_BYTES = 256 * 1024;
/** Chunks in flight at once: enough to hide a loopback round trip, few enough to stay within 1 MiB. */
const PARALLEL = 4;

/** The node has no such blob and could not find it, or refused it. */
export class BlobFailed extends Error {
  override readonly name = 'BlobFailed';
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

export class BlobClient {
  readonly #base: string;
  readonly #token: string;

  /** `base`: http://host:port of the node; `token` opens PUT (a file of the node's, readable by its owner). */
  constructor(base: string, token: string) {
    this.#base = base;
    this.#token = token;
  }

  /** The blob's bytes; the node fetches from its peers what it lacks. */
  async get(id: Bytes): Promise<Bytes> {
    const url = `${this.#base}/v1/blobs/${toHex(id).slice(2)}`;
    const stat = await fetch(url, { signal: AbortSignal.timeout(60_000) });
    if (!stat.ok) throw new BlobFailed(`GET ${toHex(id)}: ${(await stat.text()).slice(0, 200)}`, stat.status);
    const { length } = (await stat.json()) as { length: number };
    const out = new Uint8Array(length);
    await this.#each(Math.ceil(length / CHUNK_BYTES), async (index) => {
      const answer = await fetch(`${url}/${index}`, { signal: AbortSignal.timeout(60_000) });
      if (!answer.ok) throw new BlobFailed(`GET ${toHex(id)}/${index}`, answer.status);
      out.set(new Uint8Array(await answer.arrayBuffer()), index * CHUNK_BYTES);
    });
    if (!equal(stateRoot([out]), id)) throw new BlobFailed(`GET ${toHex(id)}: the bytes do not hash to the id`, 502);
    return out;
  }

  /** Hands a blob to the node; returns its id. */
  async put(bytes: Bytes, id: Bytes = stateRoot([bytes])): Promise<Bytes> {
    const url = `${this.#base}/v1/blobs/${toHex(id).slice(2)}`;
    await this.#each(Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES)), async (index) => {
      const answer = await fetch(`${url}/${index}?length=${bytes.length}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/octet-stream' },
        body: bytes.slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
        signal: AbortSignal.timeout(60_000),
      });
      if (!answer.ok)
        throw new BlobFailed(`PUT ${toHex(id)}/${index}: ${(await answer.text()).slice(0, 200)}`, answer.status);
    });
    return id;
  }

  /** The blob behind a hex id, as RPC spells it. */
  getHex(id: string): Promise<Bytes> {
    return this.get(fromHex(id));
  }

  async #each(count: number, work: (index: number) => Promise<void>): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) await work(next++);
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL, count) }, lane));
  }
}
