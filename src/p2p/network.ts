/**
 * # Network: what the rest of the node sees of its peers: gossip in, gossip out, questions and answers.
 *
 * Always true: bytes that arrive here are untrusted, and bounded before they are held (docs/spec/wire.md). The names
 * of peers are libp2p peer ids as text; no libp2p type leaves this folder.
 */
import type { Bytes } from '../base/bytes.ts';

export const TOPICS = ['blocks', 'transactions', 'finality'] as const;
export type Topic = (typeof TOPICS)[number];

export const PROTOCOLS = ['sync', 'state', 'warp', 'blobs', 'transactions', 'finality'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** accept: pass it on; ignore: nothing to hold against the sender; reject: provably invalid, the sender pays. */
export type Verdict = 'accept' | 'ignore' | 'reject';

export type GossipHandler = (topic: Topic, data: Bytes, from: string) => Promise<Verdict> | Verdict;

/** Answers one request. A thrown error tells the peer no more than that it was refused; a Bug stops the node. */
export type RequestHandler = (payload: Bytes, from: string) => Promise<Bytes>;

export interface PeerInfo {
  readonly id: string;
  /** Multiaddr of the connection's other end. */
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  /** The peer's own claim about its software, at most 64 characters. */
  readonly agent: string;
  readonly reserved: boolean;
  /** Reputation: 0 is neutral, BAN_THRESHOLD and below is banned. */
  readonly score: number;
}

export interface PeerEvent {
  readonly type: 'connected' | 'disconnected';
  readonly peer: string;
}

export interface RequestOptions {
  /** Milliseconds until RequestError Timeout, waiting for a free stream included. */
  readonly timeoutMs: number;
  /** Bytes of the largest answer that is read; more is RequestError TooLarge, before it is held. */
  readonly maxBytes: number;
}

export interface Network {
  readonly peerId: string;
  /** Multiaddrs that others can dial, each ending in /p2p/<peer id>. Empty while stopped. */
  addresses(): string[];
  /** Peers of this chain that can be asked now. */
  peers(): PeerInfo[];
  /** Bytes over the sockets of peers since the start. */
  traffic(): { readonly received: number; readonly sent: number };
  /** Listens and begins to dial. Throws P2pError PortInUse or ListenFailed. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Sends to the mesh; resolves when it is handed to the streams. Throws P2pError MessageTooLarge or NotStarted. */
  publish(topic: Topic, data: Bytes): Promise<void>;
  onGossip(handler: GossipHandler): void;
  /** The peer's answer. Rejects with RequestError. */
  request(peer: string, protocol: Protocol, payload: Bytes, options: RequestOptions): Promise<Bytes>;
  handle(protocol: Protocol, handler: RequestHandler): void;
  /** `connected` is told once the peer is known to be of this chain and can be asked. Returns how to stop listening. */
  onPeer(callback: (event: PeerEvent) => void): () => void;
  /** Adds to a peer's score; a peer that falls to BAN_THRESHOLD is hung up and banned for a time. */
  report(peer: string, delta: number, reason: string): void;
  /** A peer to keep connected whatever the slots say: a multiaddr with /p2p/<peer id>, or a peer id. */
  addReserved(peer: string): void;
  removeReserved(peer: string): void;
  /** Multiaddrs of the learned peers that we called, the longest connected first, at most MAX_ANCHORS. */
  anchors(): string[];
  /** One learned peer that we called makes way for another, if anybody else is known; otherwise more are asked for. */
  tryOthers(): void;
}
