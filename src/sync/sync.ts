/**
 * # Sync: how a node comes to have the blocks that others have.
 *
 * Always true: sync decides what to ask and whom, never what is valid; every request has a deadline, every buffer a
 * bound, and a peer that fails is replaced by another. Two ways lead to a block: a pursuit of the peer with the most
 * accumulated difficulty while we are behind, and announcements once we are not.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { type AnnouncementPurpose, Announcements, type PoolView } from './announcements.ts';
import { Forks } from './forks.ts';
import type {
  Announcement,
  BlocksRequest,
  BlocksResponse,
  ExtrinsicsRequest,
  ExtrinsicsResponse,
  Millis,
  PeerId,
  Status,
} from './messages.ts';
import { headerHash } from './messages.ts';
import { type Peer, Peers, type SyncFault } from './peers.ts';
import {
  type Blame,
  type ChainView,
  type Checkpoint,
  type DownloadedBlock,
  Pursuit,
  type PursuitPurpose,
  type Source,
} from './pursuit.ts';
import { type OpenRequest, Requests } from './requests.ts';

/** This many blocks behind the best peer a node calls itself syncing. */
const SYNCING_BEHIND = 5;
const SHORT_ANSWERS_ALLOWED = 3;

/** What the chain says of a header with its opening before its body is known: `Chain.vet` in consensus/chain.ts. */
export type Vetting = 'fits' | 'orphan' | 'stale' | 'refused';

export interface SyncWorld {
  readonly genesis: Bytes;
  readonly chain: ChainView;
  /** No peer whose chain is without it is followed. */
  readonly checkpoint?: Checkpoint | undefined;
  readonly pool: PoolView;
  vet(now: Millis, header: Bytes, opening: Bytes): Vetting;
}

export type SyncInput =
  | { readonly type: 'connected' | 'disconnected'; readonly peer: PeerId }
  | { readonly type: 'status'; readonly peer: PeerId; readonly status: Status }
  /** `message` names the gossip message until its verdict. */
  | {
      readonly type: 'announced';
      readonly peer: PeerId;
      readonly message: string;
      readonly announcement: Announcement;
    }
  | { readonly type: 'blocks'; readonly request: number; readonly blocks: BlocksResponse }
  | { readonly type: 'extrinsics'; readonly request: number; readonly extrinsics: ExtrinsicsResponse }
  /** No answer, or one that does not decode. */
  | { readonly type: 'failed'; readonly request: number }
  /** Answers to `import` effects, and news of blocks that came another way. */
  | { readonly type: 'imported'; readonly hash: Bytes }
  | { readonly type: 'refused'; readonly hash: Bytes; readonly blame: Blame }
  /** The import misses the parent of a block that this peer sent. */
  | { readonly type: 'wanted'; readonly peer: PeerId }
  /** Votes that this peer brought name a block that is not here. */
  | { readonly type: 'missing'; readonly hash: Bytes; readonly number: number; readonly peer: PeerId }
  /** A block that is not here is proven final: this peer is followed even if its chain shows less work. */
  | { readonly type: 'proven'; readonly peer: PeerId }
  | { readonly type: 'tick' };

export type SyncEffect =
  | { readonly type: 'askStatus'; readonly peer: PeerId }
  | { readonly type: 'askBlocks'; readonly peer: PeerId; readonly request: number; readonly ask: BlocksRequest }
  | { readonly type: 'askExtrinsics'; readonly peer: PeerId; readonly request: number; readonly ask: ExtrinsicsRequest }
  | { readonly type: 'import'; readonly block: DownloadedBlock }
  | { readonly type: 'verdict'; readonly message: string; readonly verdict: 'accept' | 'ignore' | 'reject' }
  | { readonly type: 'report'; readonly peer: PeerId; readonly fault: SyncFault };

/** A request of a pursuit names it: an answer to one that has ended says nothing about the next. */
type Purpose =
  | AnnouncementPurpose
  | { readonly kind: 'fork' }
  | { readonly kind: 'pursuit'; readonly of: Pursuit; readonly part: PursuitPurpose };

export class Sync {
  private readonly world: SyncWorld;
  private readonly peers = new Peers();
  private readonly requests = new Requests<Purpose>();
  private readonly announcements: Announcements;
  private readonly forks: Forks;
  private pursuit: Pursuit | undefined;
  private out: SyncEffect[] = [];

  constructor(world: SyncWorld) {
    this.world = world;
    this.announcements = new Announcements(world.pool);
    this.forks = new Forks(world.chain);
  }

  /** Height of the best peer, while we are behind it. */
  target(): number | undefined {
    return this.pursuit?.target;
  }

  isSyncing(): boolean {
    return this.pursuit !== undefined && this.pursuit.target > this.world.chain.best().number + SYNCING_BEHIND;
  }

  /** When a step is due even if nothing comes in. */
  wakeAt(): Millis | undefined {
    const times = [this.requests.nextDeadline, this.peers.nextStatusAt].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** What a peer last said of itself. */
  statusOf(peer: PeerId): Status | undefined {
    return this.peers.get(peer)?.status;
  }

  step(now: Millis, input: SyncInput): readonly SyncEffect[] {
    this.out = [];
    this.take(now, input);
    for (const request of this.requests.expire(now)) {
      this.report(request.peer, 'TimedOut');
      this.lost(now, request);
    }
    this.follow(now);
    this.ask(now);
    for (const peer of this.peers.dueForStatus(now)) this.out.push({ type: 'askStatus', peer: peer.id });
    for (const block of this.announcements.ready()) this.out.push({ type: 'import', block });
    for (const block of this.forks.ready()) this.out.push({ type: 'import', block });
    for (const block of this.pursuit?.ready() ?? []) this.out.push({ type: 'import', block });
    return this.out;
  }

  private take(now: Millis, input: SyncInput): void {
    switch (input.type) {
      case 'connected':
        this.peers.add(now, input.peer);
        return;
      case 'disconnected':
        this.peers.remove(input.peer);
        for (const request of this.requests.drop(input.peer)) this.lost(now, request);
        if (this.pursuit?.lead === input.peer) this.pursuit = undefined;
        return;
      case 'status':
        if (!this.peers.heard(now, input.peer, input.status, this.world.genesis))
          this.report(input.peer, 'OtherGenesis');
        else if (this.pursuit?.lead === input.peer) this.pursuit.extend(input.status.bestNumber);
        return;
      case 'announced':
        this.announced(now, input.peer, input.message, input.announcement);
        return;
      case 'blocks':
        this.blocksCame(now, input.request, input.blocks);
        return;
      case 'extrinsics':
        this.extrinsicsCame(now, input.request, input.extrinsics);
        return;
      case 'failed': {
        const request = this.requests.end(input.request);
        if (request !== undefined) this.lost(now, request);
        return;
      }
      case 'imported': {
        const key = toHex(input.hash);
        this.announcements.imported(key);
        this.pursuit?.imported(key);
        return;
      }
      case 'refused':
        this.refused(toHex(input.hash), input.blame);
        return;
      case 'proven':
        this.peers.proven(input.peer);
        this.peers.hurry(now, input.peer);
        return;
      case 'wanted':
        this.peers.hurry(now, input.peer);
        return;
      case 'missing':
        this.forks.want(input.hash, input.number, input.peer);
        return;
      case 'tick':
        return;
    }
  }

  private announced(now: Millis, peer: PeerId, message: string, announcement: Announcement): void {
    const hash = headerHash(announcement.header);
    const verdict = this.vetted(now, peer, hash, announcement);
    this.out.push({ type: 'verdict', message, verdict });
  }

  private vetted(now: Millis, peer: PeerId, hash: Bytes, announcement: Announcement): 'accept' | 'ignore' | 'reject' {
    if (this.world.chain.knows(hash)) return 'ignore';
    if (this.announcements.has(hash)) {
      this.announcements.alsoAt(hash, peer);
      return 'ignore';
    }
    switch (this.world.vet(now, announcement.header, announcement.opening)) {
      case 'fits':
        this.announcements.add(peer, announcement);
        return 'accept';
      case 'orphan':
        // We miss more than this block: the peer's status says how much, and a pursuit fetches it in order.
        this.peers.hurry(now, peer);
        return 'ignore';
      case 'stale':
        return 'ignore';
      case 'refused':
        this.report(peer, 'BadAnnouncement');
        return 'reject';
    }
  }

  private blocksCame(now: Millis, id: number, blocks: BlocksResponse): void {
    const request = this.requests.end(id);
    if (request === undefined) return;
    const { peer, purpose } = request;
    if (purpose.kind === 'fork') {
      if (this.forks.answered(peer, blocks)) return;
      this.forks.lost();
      this.blame(now, peer, 'NotAsked');
      return;
    }
    if (purpose.kind !== 'pursuit') {
      if (!this.announcements.wholeCame(purpose.key, blocks)) this.blame(now, peer, 'NotAsked');
      return;
    }
    if (purpose.of !== this.pursuit) return;
    const fault = this.pursuit.answered(peer, purpose.part, blocks);
    if (fault === undefined) {
      this.peers.succeeded(peer);
      return;
    }
    if (fault === 'ShortAnswers') {
      this.short(now, peer);
      return;
    }
    const theirs = this.peers.get(peer)?.status?.finalizedNumber ?? 0;
    if (fault === 'OtherFinality' && theirs < this.world.chain.finalized().number) {
      // He has not finalized there yet, and will leave his branch once he does.
      this.peers.failed(now, peer);
      return;
    }
    this.blame(now, peer, fault);
    if (fault === 'OtherFinality' || fault === 'OtherCheckpoint') this.peers.distrust(now, peer);
  }

  /** A slow drip is tolerated a few times: a server may have been cut off in the middle of its own reorganisation. */
  private short(now: Millis, id: PeerId): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    peer.shortAnswers++;
    if (peer.shortAnswers < SHORT_ANSWERS_ALLOWED) return;
    peer.shortAnswers = 0;
    this.blame(now, id, 'ShortAnswers');
    if (this.pursuit?.lead === id) this.pursuit.ending = 'lost';
  }

  private extrinsicsCame(now: Millis, id: number, extrinsics: ExtrinsicsResponse): void {
    const request = this.requests.end(id);
    if (request === undefined) return;
    const { peer, purpose } = request;
    if (purpose.kind !== 'extrinsics') return;
    if (!this.announcements.extrinsicsCame(purpose.key, extrinsics)) this.blame(now, peer, 'NotAsked');
  }

  private refused(key: string, blame: Blame): void {
    const { blamed } = this.announcements.refused(key, blame);
    if (blamed !== undefined) this.report(blamed, blame === 'block' ? 'BadAnnouncement' : 'WrongBody');
    const sender = this.pursuit?.refused(key, blame);
    if (sender !== undefined) this.report(sender, 'WrongBody');
  }

  private lost(now: Millis, request: OpenRequest<Purpose>): void {
    const { peer, purpose } = request;
    this.peers.failed(now, peer);
    if (purpose.kind === 'fork') this.forks.lost();
    else if (purpose.kind !== 'pursuit') this.announcements.lost(purpose.key);
    else if (purpose.of === this.pursuit) this.pursuit.lost(purpose.part);
  }

  /** Ends a pursuit that is over and begins the next one. */
  private follow(now: Millis): void {
    const { pursuit } = this;
    if (pursuit !== undefined) {
      if (pursuit.ending === undefined && pursuit.isStuck(this.sources(() => true))) pursuit.ending = 'lost';
      if (pursuit.ending === undefined) return;
      this.conclude(now, pursuit);
    }
    const { totalDifficulty } = this.world.chain.best();
    const { checkpoint } = this.world;
    const lead = this.peers.lead(now, totalDifficulty, checkpoint?.number ?? 0);
    // A block that is being put together from its announcement needs no pursuit.
    if (lead?.status === undefined || this.announcements.has(lead.status.bestHash)) return;
    this.pursuit = new Pursuit(this.world.chain, lead.id, lead.status.bestNumber, checkpoint);
  }

  private conclude(now: Millis, pursuit: Pursuit): void {
    this.pursuit = undefined;
    const { lead } = pursuit;
    this.peers.pursued(lead);
    if (pursuit.ending === 'bad') {
      this.report(lead, 'BadChain');
      this.peers.distrust(now, lead);
    }
    const claimed = this.peers.get(lead)?.status?.totalDifficulty ?? 0n;
    // A lead whose blocks we all have, and who still claims more, has made it up or moved on: not at once again.
    if (pursuit.ending === 'lost' || claimed > this.world.chain.best().totalDifficulty) this.peers.failed(now, lead);
    this.peers.hurry(now, lead);
  }

  private sources(mayBeAsked: (peer: Peer) => boolean): Source[] {
    const out: Source[] = [];
    for (const peer of this.peers.all()) {
      if (peer.status === undefined || !mayBeAsked(peer)) continue;
      out.push({ id: peer.id, bestNumber: peer.status.bestNumber, open: this.requests.countOf(peer.id) });
    }
    return out;
  }

  /** Peers that may be asked for something now. */
  private free(now: Millis): PeerId[] {
    const mayBeAsked = ({ id, avoidUntil }: Peer) => avoidUntil <= now && this.requests.hasRoom(id);
    return this.peers
      .all()
      .filter(mayBeAsked)
      .map(({ id }) => id);
  }

  private ask(now: Millis): void {
    for (const wish of this.announcements.wishes((peer) => this.requests.hasRoom(peer))) {
      const request = this.requests.ask(now, wish.peer, wish.purpose);
      this.announcements.asked(wish.peer, wish.purpose.key);
      if ('ask' in wish) this.out.push({ type: 'askBlocks', peer: wish.peer, request, ask: wish.ask });
      else this.out.push({ type: 'askExtrinsics', peer: wish.peer, request, ask: wish.extrinsics });
    }
    const fork = this.forks.wish(this.free(now));
    if (fork !== undefined) {
      const request = this.requests.ask(now, fork.peer, { kind: 'fork' });
      this.forks.asked();
      this.out.push({ type: 'askBlocks', peer: fork.peer, request, ask: fork.ask });
    }
    const { pursuit } = this;
    if (pursuit === undefined) return;
    for (const wish of pursuit.wishes(this.sources((peer) => peer.avoidUntil <= now))) {
      if (!this.requests.hasRoom(wish.peer)) continue;
      const request = this.requests.ask(now, wish.peer, { kind: 'pursuit', of: pursuit, part: wish.purpose });
      pursuit.asked(wish.purpose);
      this.out.push({ type: 'askBlocks', peer: wish.peer, request, ask: wish.ask });
    }
  }

  private blame(now: Millis, peer: PeerId, fault: SyncFault): void {
    this.peers.failed(now, peer);
    this.report(peer, fault);
  }

  private report(peer: PeerId, fault: SyncFault): void {
    this.out.push({ type: 'report', peer, fault });
  }
}
