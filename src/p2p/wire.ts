/**
 * # Wire: the names on the wire and the bound on everything that a peer can send.
 *
 * Always true: every name carries the genesis hash, so nodes of two chains share no topic and no protocol; every
 * number here is stated in docs/spec/wire.md with what an attacker can do to it.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { PROTOCOLS, type Protocol, TOPICS, type Topic } from './network.ts';
import type { Rate } from './quota.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** `peers` is this folder's own protocol: who else is there. */
export type WireProtocol = Protocol | 'peers';

export const WIRE_PROTOCOLS: readonly WireProtocol[] = [...PROTOCOLS, 'peers'];

export interface RequestLimits {
  readonly maxRequest: number;
  readonly maxResponse: number;
  /** Requests per second that one peer may ask for ever. */
  readonly perSecond: number;
  /** Requests that it may ask for at once after a pause. */
  readonly burst: number;
  /** Bytes of answers that one peer may have a second, and at once; without it the frames are the bound. */
  readonly bytes?: Rate;
}

/** A state is walked, encoded and proven for each answer: 16 MiB a second cost a tenth of a core. */
const STATE_BYTES: Rate = { perSecond: 16 * MIB, burst: 64 * MIB };

/**
 * A trained state is 20.7 MB, 20 answers of 1 MiB: a burst of 120 is five states at once, 40 a second are 42 MB/s.
 * Sync answers hold up to 64 bodies. Transactions and votes travel by gossip; their protocols tell one peer: what waits
 * in the pool, and the record of a round, 150 KiB where 256 voters vote twice.
 */
export const REQUEST_LIMITS: Readonly<Record<WireProtocol, RequestLimits>> = {
  sync: { maxRequest: 256 * KIB, maxResponse: 16 * MIB, perSecond: 50, burst: 200 },
  state: { maxRequest: KIB, maxResponse: 8 * MIB, perSecond: 20, burst: 80, bytes: STATE_BYTES },
  warp: { maxRequest: KIB, maxResponse: 2 * MIB, perSecond: 2, burst: 20, bytes: STATE_BYTES },
  blobs: { maxRequest: 64, maxResponse: MIB + KIB, perSecond: 40, burst: 120 },
  transactions: { maxRequest: 256 * KIB, maxResponse: 4 * MIB, perSecond: 50, burst: 200 },
  finality: { maxRequest: 256 * KIB, maxResponse: 0, perSecond: 20, burst: 80 },
  peers: { maxRequest: 0, maxResponse: 4 * KIB, perSecond: 1, burst: 4 },
};

/** Questions that one peer may have open with us on one protocol; we keep half of it open with others. */
export const MAX_INBOUND_STREAMS = 16;
export const MAX_OUTBOUND_REQUESTS = 8;
/** Questions of ours that wait for a free stream, per peer and protocol. */
export const MAX_WAITING_REQUESTS = 256;
/** A question beyond its quota is held back this long at most, then refused. */
export const MAX_HOLD_MS = 2_000;
/** A peer has this long to send its question, and as long to take the answer. */
export const READ_TIMEOUT_MS = 10_000;
export const WRITE_TIMEOUT_MS = 30_000;
/** Answers that wait to be taken, by all peers and by one of them; beyond it we refuse. */
export const MAX_ANSWER_BYTES = 128 * MIB;
export const MAX_ANSWER_BYTES_PER_PEER = 32 * MIB;

/** A gossip message: the largest extrinsic is 2 MiB; a block is announced as its header, opening and short ids. */
export const MAX_GOSSIP_BYTES = 2 * MIB + 64 * KIB;
/** An RPC of gossipsub: an answer to IWANT packs several messages. */
export const MAX_GOSSIP_RPC_BYTES = 4 * MIB;

export interface GossipLimits {
  /** Messages per second and at once that are judged, per peer and topic; more is ignored. */
  readonly perSecond: number;
  readonly burst: number;
}

export const GOSSIP_LIMITS: Readonly<Record<Topic, GossipLimits>> = {
  blocks: { perSecond: 20, burst: 100 },
  transactions: { perSecond: 200, burst: 1_000 },
  finality: { perSecond: 400, burst: 2_000 },
};

/**
 * Messages being judged at a time, in bytes, of one topic and of one topic from one peer; each counts JUDGING_COST on
 * top. Not a small number of messages: a batch from one peer is hundreds that are all judged within a millisecond.
 */
export const MAX_JUDGING_BYTES = 16 * MIB;
export const MAX_JUDGING_BYTES_PER_PEER = 4 * MIB;
export const JUDGING_COST = KIB;

export interface Names {
  readonly topics: ReadonlyMap<string, Topic>;
  topic(topic: Topic): string;
  protocol(protocol: WireProtocol): string;
  /** The mDNS service of this chain. */
  readonly service: string;
}

/** The names of the chain with this genesis hash. */
export function wireNames(genesisHash: Bytes): Names {
  const chain = toHex(genesisHash.subarray(0, 4)).slice(2);
  const topic = (name: Topic): string => `/maitoken/${chain}/${name}`;
  return {
    topics: new Map(TOPICS.map((name) => [topic(name), name])),
    topic,
    protocol: (name) => `/maitoken/${chain}/${name}/1`,
    service: `_maitoken-${chain}._udp.local`,
  };
}
