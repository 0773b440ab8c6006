/**
 * # Forks: blocks that are wanted by their hash: votes name blocks that no peer may have on its best chain.
 *
 * Always true: blocks are taken downward from the one wanted, each the parent of the one before by hash, until one of
 * ours is reached, and are handed on upward. At most MAX_WANTED wait, who only cost their hashes, MAX_OF_PEER of them
 * named by one peer; one is fetched at a time, at most MAX_DEPTH blocks and BUFFER_BYTES of it. Who names what does not
 * exist costs a few questions each time he is heard, and pushes out only what he named himself; of a full list, what
 * those named who named most.
 */
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import type { BlocksRequest, BlocksResponse, PeerId } from './messages.ts';
import { Fields, headerHash, linkOf, MAX_BLOCKS } from './messages.ts';
import type { ChainView, DownloadedBlock } from './pursuit.ts';

const MAX_WANTED = 32;
/** Each brings all blocks below it, and a round's votes are for few different ones. */
const MAX_OF_PEER = 8;
/** An hour of blocks of 3 s: sides of a partition that lasted longer join by the best chain alone. */
const MAX_DEPTH = 1_200;
const BUFFER_BYTES = 32 * 1024 * 1024;
/** Peers that are asked for one block before it is given up, until somebody names it again. */
const MAX_TRIES = 4;

interface Wanted {
  readonly hash: Bytes;
  readonly number: number;
  /** Who named it, the first of whom it counts for, and then whoever is there. */
  readonly holders: PeerId[];
}

interface Fetching extends Wanted {
  tries: number;
  isAsked: boolean;
  /** The next block to come, below those that came. */
  next: { readonly hash: Bytes; readonly number: number };
  readonly blocks: DownloadedBlock[];
  bytes: number;
}

export interface ForkWish {
  readonly peer: PeerId;
  readonly ask: BlocksRequest;
}

export class Forks {
  private readonly view: ChainView;
  private readonly wanted = new Map<string, Wanted>();
  private fetching: Fetching | undefined;
  private done: DownloadedBlock[] = [];

  constructor(view: ChainView) {
    this.view = view;
  }

  /** Somebody has voted for this block, and we do not have it. */
  want(hash: Bytes, number: number, peer: PeerId): void {
    if (number <= this.view.finalized().number || this.view.knows(hash)) return;
    const key = toHex(hash);
    const known = this.fetching !== undefined && equal(this.fetching.hash, hash) ? this.fetching : this.wanted.get(key);
    if (known !== undefined) {
      if (known.holders.length < MAX_TRIES && !known.holders.includes(peer)) known.holders.push(peer);
      return;
    }
    while (this.namedBy(peer) >= MAX_OF_PEER) this.forget(peer);
    while (this.wanted.size >= MAX_WANTED) this.forget(this.greediest(peer));
    this.wanted.set(key, { hash, number, holders: [peer] });
  }

  /** How many of those that wait count for a peer. */
  private namedBy(peer: PeerId): number {
    return [...this.wanted.values()].filter(({ holders }) => holders[0] === peer).length;
  }

  /** Who named more than this peer did, and the most; otherwise this peer, if it named any. */
  private greediest(peer: PeerId): PeerId {
    let [most, named] = [peer, this.namedBy(peer)];
    for (const { holders } of this.wanted.values()) {
      const one = holders[0] as PeerId;
      if (this.namedBy(one) > named) [most, named] = [one, this.namedBy(one)];
    }
    return most;
  }

  /** The oldest that counts for a peer counts for the next who named it, or is wanted no more. */
  private forget(peer: PeerId): void {
    for (const [key, { holders }] of this.wanted) {
      if (holders[0] !== peer) continue;
      holders.shift();
      if (holders.length === 0) this.wanted.delete(key);
      return;
    }
  }

  /** What to ask now; `peers` are those who may be asked, in any order. */
  wish(peers: readonly PeerId[]): ForkWish | undefined {
    if (this.fetching === undefined) this.begin();
    const { fetching } = this;
    if (fetching === undefined || fetching.isAsked) return undefined;
    for (const peer of peers) {
      if (fetching.holders.length < MAX_TRIES && !fetching.holders.includes(peer)) fetching.holders.push(peer);
    }
    const peer = fetching.holders[fetching.tries];
    if (peer === undefined || !peers.includes(peer)) {
      this.next();
      return undefined;
    }
    const { hash } = fetching.next;
    return {
      peer,
      ask: { fields: Fields.all, from: { type: 'Hash', value: hash }, descending: true, max: MAX_BLOCKS },
    };
  }

  asked(): void {
    if (this.fetching !== undefined) this.fetching.isAsked = true;
  }

  /** No answer, or none that helps: the next peer is asked. */
  lost(): void {
    const { fetching } = this;
    if (fetching === undefined) return;
    fetching.isAsked = false;
    this.next();
  }

  /** False when the answer is not what was asked for. */
  answered(peer: PeerId, blocks: BlocksResponse): boolean {
    const { fetching } = this;
    if (fetching === undefined) return true;
    fetching.isAsked = false;
    if (blocks.length > MAX_BLOCKS) return false;
    for (const data of blocks) {
      const { header } = data;
      const link = header && linkOf(header);
      if (header === undefined || !equal(headerHash(header), fetching.next.hash)) return false;
      if (link?.number !== fetching.next.number) return false;
      if (data.body === undefined || data.opening === undefined) break;
      const { hash } = fetching.next;
      const { body: extrinsics, opening, justification } = data;
      const block = { hash, header, opening, extrinsics, justification, from: peer };
      fetching.blocks.push(block);
      fetching.bytes += sizeOf(block);
      fetching.next = { hash: link.parent, number: link.number - 1 };
      if (this.view.knows(link.parent)) {
        this.done.push(...fetching.blocks.reverse());
        this.fetching = undefined;
        return true;
      }
      const isDead = fetching.next.number <= this.view.finalized().number;
      if (isDead || fetching.blocks.length >= MAX_DEPTH || fetching.bytes > BUFFER_BYTES) {
        this.fetching = undefined;
        return true;
      }
    }
    if (blocks.length === 0) this.next();
    return true;
  }

  /** Blocks to import now, in order; each once. */
  ready(): DownloadedBlock[] {
    return this.done.splice(0);
  }

  private begin(): void {
    for (const [key, wanted] of this.wanted) {
      this.wanted.delete(key);
      if (this.view.knows(wanted.hash) || wanted.number <= this.view.finalized().number) continue;
      const { hash, number } = wanted;
      this.fetching = { ...wanted, tries: 0, isAsked: false, next: { hash, number }, blocks: [], bytes: 0 };
      return;
    }
  }

  private next(): void {
    const { fetching } = this;
    if (fetching === undefined) return;
    fetching.tries++;
    if (fetching.tries >= MAX_TRIES || fetching.tries >= fetching.holders.length) this.fetching = undefined;
  }
}

function sizeOf(block: DownloadedBlock): number {
  let bytes = block.header.length + block.opening.length + (block.justification?.length ?? 0);
  for (const extrinsic of block.extrinsics) bytes += extrinsic.length;
  return bytes;
}
