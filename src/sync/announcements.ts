/**
 * # Announcements: a new block put together from the pool, and what is missing from whoever announced it.
 *
 * Always true: a header is vetted before anything of it is kept or passed on; at most MAX_PENDING blocks are being put
 * together, and MAX_PER_PEER of one announcer, who evicts only his own. A block that does not fit its header although
 * all parts came from our pool was hit by two extrinsics with one short id: it is fetched whole, and nobody is blamed.
 */
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import type {
  Announcement,
  BlocksRequest,
  BlocksResponse,
  ExtrinsicsRequest,
  ExtrinsicsResponse,
  PeerId,
} from './messages.ts';
import { Fields, headerHash, shortId, shortIdKey } from './messages.ts';
import type { Blame, DownloadedBlock } from './pursuit.ts';

export const MAX_PENDING = 64;
export const MAX_PER_PEER = 8;
/** Others that announced the same block, to be asked when the first does not answer. */
const MAX_HOLDERS = 8;

/** What the pool holds, for putting blocks together. */
export interface PoolView {
  extrinsics(): Iterable<{ readonly hash: Bytes; readonly bytes: Bytes }>;
}

export type AnnouncementPurpose =
  | { readonly kind: 'extrinsics'; readonly key: string }
  | { readonly kind: 'whole'; readonly key: string };

/** What is to be asked for a pending block. */
export type AnnouncementWish =
  | { readonly peer: PeerId; readonly purpose: AnnouncementPurpose; readonly ask: BlocksRequest }
  | { readonly peer: PeerId; readonly purpose: AnnouncementPurpose; readonly extrinsics: ExtrinsicsRequest };

interface Pending {
  readonly key: string;
  readonly hash: Bytes;
  readonly header: Bytes;
  readonly opening: Bytes;
  /** First the announcer, who answers for the header. */
  readonly holders: PeerId[];
  /** Next of `holders` to be asked. */
  turn: number;
  stage: 'extrinsics' | 'whole' | 'asked' | 'importing';
  parts: (Bytes | undefined)[];
  missing: number[];
  /** Whether a part came from the pool: then a body that does not fit may be nobody's fault. */
  pooled: boolean;
  from: PeerId;
}

export class Announcements {
  private readonly pending = new Map<string, Pending>();
  private readonly pool: PoolView;

  constructor(pool: PoolView) {
    this.pool = pool;
  }

  has(hash: Bytes): boolean {
    return this.pending.has(toHex(hash));
  }

  /** One more peer that has it. */
  alsoAt(hash: Bytes, peer: PeerId): void {
    const holders = this.pending.get(toHex(hash))?.holders;
    if (holders !== undefined && holders.length < MAX_HOLDERS && !holders.includes(peer)) holders.push(peer);
  }

  /** Takes up a vetted announcement. */
  add(peer: PeerId, announcement: Announcement): void {
    const hash = headerHash(announcement.header);
    const key = toHex(hash);
    this.makeRoom(peer);
    const { parts, missing } = this.assemble(hash, announcement);
    this.pending.set(key, {
      key,
      hash,
      header: announcement.header,
      opening: announcement.opening,
      holders: [peer],
      turn: 0,
      stage: 'extrinsics',
      parts,
      missing,
      pooled: missing.length < announcement.ids.length,
      from: peer,
    });
  }

  /** What to ask now; `hasRoom` says whether a peer can be asked. A block that nobody can give is forgotten. */
  wishes(hasRoom: (peer: PeerId) => boolean): AnnouncementWish[] {
    const out: AnnouncementWish[] = [];
    for (const pending of [...this.pending.values()]) {
      if (pending.stage === 'asked' || pending.stage === 'importing') continue;
      if (pending.stage === 'extrinsics' && pending.missing.length === 0) continue;
      const peer = pending.holders[pending.turn];
      if (peer === undefined) this.pending.delete(pending.key);
      else if (hasRoom(peer)) out.push(wishOf(pending, peer));
    }
    return out;
  }

  asked(peer: PeerId, key: string): void {
    const pending = this.pending.get(key);
    if (pending === undefined) return;
    pending.stage = 'asked';
    pending.from = peer;
  }

  /** The request failed: the next holder is asked for the whole block. */
  lost(key: string): void {
    const pending = this.pending.get(key);
    if (pending === undefined) return;
    pending.turn++;
    pending.stage = 'whole';
  }

  /** False when the answer is not what was asked for. */
  extrinsicsCame(key: string, extrinsics: ExtrinsicsResponse): boolean {
    const pending = this.pending.get(key);
    if (pending === undefined) return true;
    if (extrinsics.length !== pending.missing.length) {
      this.lost(key);
      return extrinsics.length === 0;
    }
    for (const [i, place] of pending.missing.entries()) pending.parts[place] = extrinsics[i] as Bytes;
    pending.missing = [];
    pending.stage = 'extrinsics';
    return true;
  }

  /** False when the answer is not what was asked for. */
  wholeCame(key: string, blocks: BlocksResponse): boolean {
    const pending = this.pending.get(key);
    if (pending === undefined) return true;
    const [data] = blocks;
    if (data?.body === undefined || !equal(data.hash, pending.hash)) {
      this.lost(key);
      return data === undefined;
    }
    pending.parts = data.body;
    pending.missing = [];
    pending.pooled = false;
    pending.stage = 'extrinsics';
    return true;
  }

  /** Complete blocks, each handed out once. */
  ready(): DownloadedBlock[] {
    const out: DownloadedBlock[] = [];
    for (const pending of this.pending.values()) {
      if (pending.stage !== 'extrinsics' || pending.missing.length > 0) continue;
      pending.stage = 'importing';
      const { hash, header, opening, from } = pending;
      out.push({ hash, header, opening, extrinsics: pending.parts as Bytes[], from });
    }
    return out;
  }

  imported(key: string): void {
    this.pending.delete(key);
  }

  /** The import refused it: it is asked for whole if what came beside the header was wrong. `blamed`: if a peer is. */
  refused(key: string, blame: Blame): { readonly blamed: PeerId | undefined } {
    const pending = this.pending.get(key);
    if (pending === undefined) return { blamed: undefined };
    if (blame === 'sender') {
      const blamed = pending.pooled ? undefined : pending.from;
      if (!pending.pooled) pending.turn++;
      pending.stage = 'whole';
      return { blamed };
    }
    this.pending.delete(key);
    return { blamed: blame === 'block' ? pending.holders[0] : undefined };
  }

  private assemble(block: Bytes, announcement: Announcement): { parts: (Bytes | undefined)[]; missing: number[] } {
    const { inherents, ids } = announcement;
    const byId = new Map<string, Bytes>();
    if (ids.length > 0) {
      for (const { hash, bytes } of this.pool.extrinsics()) byId.set(shortIdKey(shortId(block, hash)), bytes);
    }
    const parts = [...inherents, ...ids.map((id) => byId.get(shortIdKey(id)))];
    return { parts, missing: [...parts.keys()].filter((place) => parts[place] === undefined) };
  }

  private makeRoom(peer: PeerId): void {
    const own = [...this.pending.values()].filter((pending) => pending.holders[0] === peer);
    if (own.length >= MAX_PER_PEER) this.pending.delete((own[0] as Pending).key);
    if (this.pending.size < MAX_PENDING) return;
    const [oldest] = this.pending.keys();
    if (oldest !== undefined) this.pending.delete(oldest);
  }
}

function wishOf(pending: Pending, peer: PeerId): AnnouncementWish {
  const { key, hash } = pending;
  if (pending.stage === 'extrinsics') {
    return { peer, purpose: { kind: 'extrinsics', key }, extrinsics: { block: hash, places: pending.missing } };
  }
  return {
    peer,
    purpose: { kind: 'whole', key },
    ask: { fields: Fields.body, from: { type: 'Hash', value: hash }, descending: true, max: 1 },
  };
}
