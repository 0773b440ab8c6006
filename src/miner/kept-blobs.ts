/**
 * # Kept blobs: what several duties read, fetched once.
 *
 * Always true: at most `maxBytes` are kept, the longest unread go first; a larger blob is handed on, not kept.
 */
import type { Bytes } from '../base/bytes.ts';
import type { BlobClient } from './blob-client.ts';

export class KeptBlobs {
  readonly #client: BlobClient;
  readonly #maxBytes: number;
  /** The longest unread first. */
  readonly #blobs = new Map<string, Bytes>();
  #bytes = 0;

  constructor(client: BlobClient, maxBytes: number) {
    this.#client = client;
    this.#maxBytes = maxBytes;
  }

  /** The blob behind a hex id; shared with other readers: do not write to it. Rejects with BlobFailed. */
  async get(id: string): Promise<Bytes> {
    const blob = this.#take(id) ?? (await this.#client.getHex(id));
    this.#take(id);
    this.#blobs.set(id, blob);
    this.#bytes += blob.length;
    for (const oldest of this.#blobs.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#take(oldest);
    }
    return blob;
  }

  #take(id: string): Bytes | undefined {
    const blob = this.#blobs.get(id);
    this.#blobs.delete(id);
    this.#bytes -= blob?.length ?? 0;
    return blob;
  }
}
