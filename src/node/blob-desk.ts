/**
 * # Blob desk: blobs for the miners and checkers of this node, fetched from peers when they are not here.
 *
 * Always true: what is handed out was verified against its id; an upload becomes a blob only when it hashes to the id
 * it came under. Models, momenta and deltas of the last rounds are fetched and kept whether or not anyone here asks;
 * states are kept while there is room.
 */
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import type { BlobStore } from '../blobs/store.ts';
import type { BlobTransfer } from '../blobs/transfer.ts';
import { CHUNK_BYTES, chunkCount, idOf, runLength, statOf } from '../blobs/tree.ts';
import type { BlobPort } from '../rpc/backend.ts';
import { RpcError } from '../rpc/errors.ts';
import { allJobs, fragmentById, roundRecord } from '../runtime/compute-view.ts';
import type { ChainStore } from '../state/store.ts';
import type { Drive } from './drive.ts';

interface Upload {
  readonly bytes: Uint8Array;
  readonly missing: Set<number>;
}

/** Uploads under way: a local process that starts more loses its oldest. 8 states of 20.7 MB. */
const MAX_UPLOADS = 16;
const MAX_UPLOAD_BYTES = 64 * 1_048_576;
/** Rounds whose models and deltas are kept (DECISIONS.md section 3). */
const KEPT_ROUNDS = 8;
/** Blobs that are looked for among peers at once. */
const MAX_FETCHES = 4;

export class BlobDesk implements BlobPort {
  readonly #store: BlobStore;
  readonly #transfer: BlobTransfer;
  readonly #uploads = new Map<string, Upload>();
  readonly #wanted = new Map<string, Bytes>();
  #pinned = new Map<string, Bytes>();
  #fetching = 0;

  constructor(store: BlobStore, transfer: BlobTransfer) {
    this.#store = store;
    this.#transfer = transfer;
  }

  has(id: Bytes): boolean {
    return this.#store.has(id);
  }

  async stat(id: Bytes): Promise<{ readonly length: number } | undefined> {
    if (!this.#store.has(id)) {
      try {
        await this.#transfer.fetch(id);
      } catch (error) {
        if ((error as Error).name === 'BlobError') return undefined;
        throw error;
      }
    }
    const stat = await this.#store.stat(id);
    return stat && { length: stat.length };
  }

  chunk(id: Bytes, index: number): Promise<Bytes | undefined> {
    return this.#store.chunk(id, index);
  }

  async putChunk(id: Bytes, length: number, index: number, bytes: Bytes): Promise<void> {
    if (this.#store.has(id)) return;
    if (length < 1 || length > MAX_UPLOAD_BYTES)
      throw new RpcError(-32602, `a blob has 1 to ${MAX_UPLOAD_BYTES} bytes`);
    if (bytes.length !== runLength(length, index, 1)) throw new RpcError(-32602, 'the chunk has another length');
    const key = toHex(id);
    const upload = this.#uploads.get(key) ?? begin(length);
    if (upload.bytes.length !== length) throw new RpcError(-32602, 'an upload of this id has another length');
    this.#uploads.set(key, upload);
    if (this.#uploads.size > MAX_UPLOADS) this.#uploads.delete(this.#uploads.keys().next().value as string);
    upload.bytes.set(bytes, index * CHUNK_BYTES);
    upload.missing.delete(index);
    if (upload.missing.size > 0) return;
    this.#uploads.delete(key);
    const stat = statOf(upload.bytes);
    if (!equal(idOf(stat), id)) throw new RpcError(-32602, 'the bytes do not hash to the id');
    await this.#store.put(upload.bytes, stat);
  }

  /** Keeps and fetches what the jobs of the best state need, now and with every new head. */
  follow(store: ChainStore, drive: Drive): void {
    const look = (): void => this.#look(store);
    look();
    drive.onEvent((event) => {
      if (event.type === 'head') look();
    });
  }

  #look(store: ChainStore): void {
    const view = store.view(store.best.hash);
    if (!view) return;
    const keep = new Map<string, Bytes>();
    const add = (id: Bytes): void => {
      if (id.some((byte) => byte !== 0)) keep.set(toHex(id), id);
    };
    for (const { id, job, round } of allJobs(view)) {
      for (const blob of [job.step_graph, job.eval_graph, job.dataset, job.holdout, round.theta, round.outer])
        add(blob);
      for (const fragment of round.accepted) {
        const delta = fragmentById(view, fragment)?.claim?.delta;
        if (delta) add(delta);
      }
      for (let r = Math.max(0, round.r - KEPT_ROUNDS); r < round.r; r++) {
        const record = roundRecord(view, id, r);
        if (!record) continue;
        add(record.theta);
        add(record.outer);
      }
    }
    for (const [key, id] of keep) if (!this.#pinned.has(key)) this.#store.pin(id);
    for (const [key, id] of this.#pinned) if (!keep.has(key)) this.#store.unpin(id);
    this.#pinned = keep;
    this.#wanted.clear();
    for (const [key, id] of keep) if (!this.#store.has(id)) this.#wanted.set(key, id);
    this.#fetchWanted();
  }

  #fetchWanted(): void {
    for (const [key, id] of this.#wanted) {
      if (this.#fetching >= MAX_FETCHES) return;
      this.#wanted.delete(key);
      this.#fetching++;
      // Who has it may be away: the next head brings it back on the list.
      this.#transfer.fetch(id).then(
        () => this.#fetched(),
        () => this.#fetched(),
      );
    }
  }

  #fetched(): void {
    this.#fetching--;
    this.#fetchWanted();
  }
}

function begin(length: number): Upload {
  const missing = new Set(Array.from({ length: chunkCount(length) }, (_, i) => i));
  return { bytes: new Uint8Array(length), missing };
}
