/**
 * # libp2p node: which parts it is made of, and the limit of each.
 *
 * Always true: no limit is left at a default of infinity; connections, handshakes, streams and buffers are bounded
 * before a peer is known, and the connection count leaves room for every slot.
 */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';

import { identify } from '@libp2p/identify';
import { mdns } from '@libp2p/mdns';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { gossipService } from './gossip.ts';
import type { ConnectionGater, PrivateKey } from './libp2p-types.ts';
import { boundedWebSockets } from './websockets.ts';
import { MAX_INBOUND_STREAMS, type Names, WIRE_PROTOCOLS } from './wire.ts';

const MAX_CONNECTIONS = 50;
const MAX_HANDSHAKES = 10;
/** New sockets per second from one address; a devnet's nodes share one. */
const SOCKETS_PER_SECOND = 10;
const HANDSHAKE_TIMEOUT_MS = 8_000;
/** A peer that is silent this long is gone. Not less: a block import may keep an event loop busy for seconds. */
const PING_TIMEOUT_MS = 20_000;

export interface NodeParts {
  readonly privateKey: PrivateKey;
  readonly listen: readonly string[];
  readonly publicAddresses: readonly string[];
  /** Slots of both kinds together. */
  readonly slots: number;
  readonly agent: string;
  readonly mdns: boolean;
  readonly names: Names;
  readonly gater: ConnectionGater;
  score(peer: string): number;
}

export type Node = Awaited<ReturnType<typeof createNode>>;

/** A node that is not started. */
export function createNode(parts: NodeParts) {
  const maxConnections = Math.max(MAX_CONNECTIONS, parts.slots + MAX_HANDSHAKES);
  return createLibp2p({
    start: false,
    privateKey: parts.privateKey,
    nodeInfo: { name: 'maitoken', userAgent: parts.agent },
    addresses: { listen: [...parts.listen], appendAnnounce: [...parts.publicAddresses] },
    transports: [
      tcp({
        maxConnections: maxConnections + MAX_HANDSHAKES,
        backlog: 64,
        listenOpts: { noDelay: true, keepAlive: true },
        dialOpts: { noDelay: true, keepAlive: true },
      }),
      boundedWebSockets(),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: WIRE_PROTOCOLS.length * MAX_INBOUND_STREAMS + 16,
        maxOutboundStreams: WIRE_PROTOCOLS.length * MAX_INBOUND_STREAMS + 16,
        streamOptions: { maxReadBufferLength: 1024 * 1024, maxStreamWindowSize: 1024 * 1024 },
      }),
    ],
    connectionGater: parts.gater,
    connectionManager: {
      maxConnections,
      maxIncomingPendingConnections: MAX_HANDSHAKES,
      inboundConnectionThreshold: SOCKETS_PER_SECOND,
      maxParallelDials: 16,
      maxDialQueueLength: 64,
      maxPeerAddrsToDial: 8,
      dialTimeout: HANDSHAKE_TIMEOUT_MS,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      // Our own dialer calls back; libp2p's queue would give up after five attempts.
      reconnectRetries: 0,
    },
    connectionMonitor: { pingInterval: 10_000, pingTimeout: { minTimeout: PING_TIMEOUT_MS } },
    // The dialer keeps the addresses; the store only serves the handshake.
    peerStore: { maxPeerAge: 600_000, maxAddressAge: 600_000 },
    peerDiscovery: parts.mdns ? [mdns({ serviceTag: parts.names.service })] : [],
    services: {
      // Two streams: one for the new connection, one when gossip is repaired.
      identify: identify({ maxInboundStreams: 2, maxOutboundStreams: 2, timeout: HANDSHAKE_TIMEOUT_MS }),
      ping: ping({ maxInboundStreams: 2, maxOutboundStreams: 2 }),
      pubsub: gossipService(parts.names, parts.score),
    },
  });
}
