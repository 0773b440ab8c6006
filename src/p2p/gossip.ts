/**
 * # Gossip: what floods the network, and how a message is judged before it is passed on.
 *
 * Always true: a message is passed on only after the node accepted it; its id is the hash of its bytes, so a copy is
 * never judged twice; nothing is signed here, since blocks and transactions carry their own signatures. A topic's
 * queue is bounded, and a peer that floods fills only its own share of it.
 */
import { gossipsub, StrictNoSign, TopicValidatorResult } from '@chainsafe/libp2p-gossipsub';
import { Bug } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { sha256 } from '../crypto/hash.ts';
import { message } from './frames.ts';
import type { GossipHandler, Topic, Verdict } from './network.ts';
import { Quota } from './quota.ts';
import {
  GOSSIP_LIMITS,
  JUDGING_COST,
  MAX_GOSSIP_BYTES,
  MAX_GOSSIP_RPC_BYTES,
  MAX_JUDGING_BYTES,
  MAX_JUDGING_BYTES_PER_PEER,
  type Names,
} from './wire.ts';

export type GossipService = ReturnType<ReturnType<typeof gossipsub>>;

/** A small debt is no reason to leave the mesh: of three nodes, one pruned is half the network. */
const FORGIVEN_DEBT = 40;
const REJECT_PENALTY = -20;
/** For every message beyond ten times the topic's rate: no relay of honest traffic comes near it. */
const FLOOD_PENALTY = -5;
const FLOOD_FACTOR = 10;

const RESULTS: Readonly<Record<Verdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
};

/** The gossipsub service of this chain. `score` is the node's own opinion of a peer. */
export function gossipService(names: Names, score: (peer: string) => number): ReturnType<typeof gossipsub> {
  return gossipsub({
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (sent) => sha256(sent.data),
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.length).toString('base64'),
    allowedTopics: [...names.topics.keys()],
    fallbackToFloodsub: false,
    // Own messages go to the mesh of D = 6 and, while it is smaller, to other subscribers: with up to 6 peers that is
    // everybody at once. Flooding all 40 would cost more upload than the heartbeat it saves.
    floodPublish: false,
    D: 6,
    Dlo: 4,
    Dhi: 12,
    // At least two mesh peers that we chose ourselves: inbound ones alone can be an attacker's.
    Dout: 2,
    heartbeatInterval: 1_000,
    seenTTL: 120_000,
    doPX: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: MAX_GOSSIP_RPC_BYTES,
    maxOutboundBufferSize: 2 * MAX_GOSSIP_RPC_BYTES,
    maxTopicBytesPerPeer: 16 * 1024,
    decodeRpcLimits: {
      maxSubscriptions: 32,
      maxMessages: 1_000,
      maxIhaveMessageIDs: 5_000,
      maxIwantMessageIDs: 1_000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 0,
    },
    // Two busy cores may take seconds to answer an IWANT; 3 s broke promises of honest peers.
    gossipsubIWantFollowupMs: 12_000,
    scoreParams: {
      topics: Object.fromEntries([...names.topics.keys()].map((topic) => [topic, TOPIC_SCORE])),
      topicScoreCap: 20,
      appSpecificScore: (peer) => Math.min(0, score(peer) + FORGIVEN_DEBT),
      appSpecificWeight: 1,
      IPColocationFactorWeight: -10,
      IPColocationFactorThreshold: 5,
      // A devnet is many nodes at one address.
      IPColocationFactorWhitelist: new Set(['127.0.0.1', '::1']),
      behaviourPenaltyWeight: -10,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: 0.9,
    },
    scoreThresholds: {
      gossipThreshold: -40,
      publishThreshold: -60,
      graylistThreshold: -80,
      acceptPXThreshold: 1_000,
      opportunisticGraftThreshold: 2,
    },
  });
}

// No duty to deliver (P3): topics of a small chain are silent for minutes, and silence is no fault.
const TOPIC_SCORE = {
  topicWeight: 1,
  timeInMeshWeight: 0.01,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 300,
  firstMessageDeliveriesWeight: 0.1,
  firstMessageDeliveriesDecay: 0.9,
  firstMessageDeliveriesCap: 50,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 100,
  meshMessageDeliveriesThreshold: 20,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  // The square of the count: below the graylist until the sixth, when the node's own score has banned the peer.
  invalidMessageDeliveriesWeight: -2,
  invalidMessageDeliveriesDecay: 0.95,
};

export interface JudgeHost {
  now(): number;
  report(peer: string, delta: number, reason: string): void;
  log(text: string): void;
}

/** Judges messages with the node's handler, within quotas. */
export class GossipJudge {
  private readonly host: JudgeHost;
  private readonly quota = new Quota();
  /** Bytes being judged, by topic and by topic and peer. */
  private readonly judging = new Map<string, number>();
  handler: GossipHandler | undefined;

  constructor(host: JudgeHost) {
    this.host = host;
  }

  /** Subscribes to the chain's topics and judges what comes. */
  attach(service: GossipService, names: Names): void {
    for (const [name, topic] of names.topics) {
      service.topicValidators.set(name, async (peer, received) => {
        return RESULTS[await this.judge(topic, received.data, peer.toString())];
      });
      service.subscribe(name);
    }
  }

  /** The node's verdict; without a handler everything is ignored. */
  async judge(topic: Topic, data: Bytes, from: string): Promise<Verdict> {
    if (data.length > MAX_GOSSIP_BYTES) return this.rejected(topic, from);
    const ofPeer = `${topic} ${from}`;
    if (this.flooded(topic, ofPeer, from) || this.handler === undefined) return 'ignore';
    const cost = data.length + JUDGING_COST;
    const all = (this.judging.get(topic) ?? 0) + cost;
    const own = (this.judging.get(ofPeer) ?? 0) + cost;
    if (all > MAX_JUDGING_BYTES || own > MAX_JUDGING_BYTES_PER_PEER) return 'ignore';
    this.judging.set(topic, all);
    this.judging.set(ofPeer, own);
    try {
      const verdict = await this.handler(topic, data, from);
      return verdict === 'reject' ? this.rejected(topic, from) : verdict;
    } catch (error) {
      // gossipsub would swallow it: a Bug must stop the node, anything else is nothing to hold against the sender.
      if (error instanceof Bug) {
        queueMicrotask(() => {
          throw error;
        });
      }
      this.host.log(`judging ${topic} of ${from}: ${message(error)}`);
      return 'ignore';
    } finally {
      this.done(topic, cost);
      this.done(ofPeer, cost);
    }
  }

  private flooded(topic: Topic, ofPeer: string, from: string): boolean {
    const { perSecond, burst } = GOSSIP_LIMITS[topic];
    const now = this.host.now();
    const flood = { perSecond: FLOOD_FACTOR * perSecond, burst: FLOOD_FACTOR * burst };
    if (this.quota.take(`flood ${ofPeer}`, flood, now) > 0) this.host.report(from, FLOOD_PENALTY, `${topic} flood`);
    return this.quota.take(ofPeer, { perSecond, burst }, now) > 0;
  }

  private rejected(topic: Topic, from: string): Verdict {
    this.host.report(from, REJECT_PENALTY, `invalid ${topic}`);
    return 'reject';
  }

  private done(key: string, cost: number): void {
    const left = (this.judging.get(key) ?? cost) - cost;
    if (left > 0) this.judging.set(key, left);
    else this.judging.delete(key);
  }
}
