/**
 * # Blob transfer: what a peer has, chunk by chunk, each one checked before it counts.
 *
 * Always true: a fetched blob hashes to its id, whoever gave it; what arrived survives a restart; two calls for one
 * blob are one download.
 */
import type { Bytes } from '../base/bytes.ts';
import { Download } from './download.ts';
import { BlobError } from './errors.ts';
import { askStat, type BlobNetwork, faultOf, serveBlobs } from './questions.ts';
import type { BlobStore } from './store.ts';
import { type BlobStat, keyOf } from './tree.ts';

/** Peers asked for one blob. */
const MAX_ASKED = 16;
/** A trained state of 1.7 M parameters is 20.7 MB. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const FALSE_LENGTH_PENALTY = -20;
const DEFAULT_TIMEOUT_MS = 60_000;

export interface FetchOptions {
  /** Whom to ask. Default: the connected peers, 16 at most. */
  readonly peers?: readonly string[];
  /** Bytes of the blob where the caller knows it; then no peer can lie about it. */
  readonly length?: number;
  readonly maxBytes?: number;
  readonly timeoutMs?: number;
}

interface Offer {
  readonly peer: string;
  readonly stat: BlobStat;
}

export class BlobTransfer {
  private readonly store: BlobStore;
  private readonly network: BlobNetwork;
  private readonly fetching = new Map<string, Promise<Bytes>>();

  /** Serves the store to peers from now on. */
  constructor(store: BlobStore, network: BlobNetwork) {
    this.store = store;
    this.network = network;
    serveBlobs(store, network);
  }

  /**
   * The blob, from the store or from peers; then it is in the store. Rejects with BlobError NotFound, Incomplete,
   * TooLarge or Full. The bytes are shared with other callers: do not write to them.
   */
  fetch(id: Bytes, options: FetchOptions = {}): Promise<Bytes> {
    const key = keyOf(id);
    let fetching = this.fetching.get(key);
    if (fetching === undefined) {
      fetching = this.find(id, options).finally(() => this.fetching.delete(key));
      this.fetching.set(key, fetching);
    }
    return fetching;
  }

  private async find(id: Bytes, options: FetchOptions): Promise<Bytes> {
    const local = await this.store.get(id);
    if (local !== undefined) return local;
    const offers = new Offers(id, this.network, options);
    let failure = new BlobError('NotFound', keyOf(id));
    const expiry = setTimeout(() => offers.expire(), options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    try {
      // Each round takes at least one offer away, so there are at most as many rounds as peers.
      for (let offer = await offers.next(); offer !== undefined; offer = await offers.next()) {
        const { stat } = offer;
        const download = await Download.begin({ id, stat, store: this.store, network: this.network });
        offers.feed(download, stat.length);
        try {
          return await download.done;
        } catch (error) {
          if (!(error instanceof BlobError) || error.code !== 'Incomplete') throw error;
          failure = error;
        }
      }
    } finally {
      clearTimeout(expiry);
      offers.expire();
    }
    throw offers.tooLarge && failure.code === 'NotFound' ? new BlobError('TooLarge', keyOf(id)) : failure;
  }
}

/** Who has the blob, under which description, as the answers come in. */
class Offers {
  /** An offer was not only made but larger than the caller takes. */
  tooLarge = false;
  private readonly id: Bytes;
  private readonly network: BlobNetwork;
  private readonly options: FetchOptions;
  private readonly waiting: Offer[] = [];
  private download: Download | undefined;
  private length = 0;
  private pending: number;
  private fault: unknown;
  private over = false;
  private turn = Promise.withResolvers<void>();

  constructor(id: Bytes, network: BlobNetwork, options: FetchOptions) {
    this.id = id;
    this.network = network;
    this.options = options;
    const peers = (options.peers ?? network.peers().map((peer) => peer.id)).slice(0, MAX_ASKED);
    this.pending = peers.length;
    for (const peer of peers) void this.ask(peer);
  }

  /** The next offer under a description that was not tried; undefined when there will be none. */
  async next(): Promise<Offer | undefined> {
    while (!this.over && this.waiting.length === 0 && this.pending > 0) await this.turn.promise;
    if (this.fault !== undefined) throw this.fault;
    return this.over ? undefined : this.waiting[0];
  }

  /** Gives the download all peers, present and to come, that describe the blob with this length. */
  feed(download: Download, length: number): void {
    this.download = download;
    this.length = length;
    for (const offer of this.waiting.splice(0)) this.place(offer);
    if (this.over) this.expire();
  }

  /** No more offers; a download under way ends. */
  expire(): void {
    this.over = true;
    this.download?.fail(new BlobError('Incomplete', `${keyOf(this.id)}: time is over`));
    this.turn.resolve();
  }

  private place(offer: Offer): void {
    // One id and one length have one description: whoever agrees on the length gives the same chunks.
    if (this.download?.ended === false && offer.stat.length === this.length) this.download.addPeer(offer.peer);
    else this.waiting.push(offer);
  }

  private async ask(peer: string): Promise<void> {
    try {
      const stat = await askStat(this.network, peer, this.id);
      if (stat !== undefined && this.acceptable(peer, stat.length)) this.place({ peer, stat });
    } catch (error) {
      this.blame(error);
    }
    this.pending--;
    const { resolve } = this.turn;
    this.turn = Promise.withResolvers<void>();
    resolve();
  }

  private acceptable(peer: string, length: number): boolean {
    if (this.options.length !== undefined && length !== this.options.length) {
      this.network.report(peer, FALSE_LENGTH_PENALTY, 'false blob length');
      return false;
    }
    const fits = length <= (this.options.maxBytes ?? DEFAULT_MAX_BYTES);
    if (!fits) this.tooLarge = true;
    return fits;
  }

  /** A peer that does not answer has no offer; any other error is the caller's to see. */
  private blame(error: unknown): void {
    try {
      faultOf(error);
    } catch (fault) {
      this.fault = fault;
    }
  }
}
