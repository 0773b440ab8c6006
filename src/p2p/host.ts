/**
 * # Host: the network over libp2p: it listens, dials, and hands bytes to those who understand them.
 *
 * Always true: whatever a peer does, this class neither throws for it nor holds more of it than docs/spec/wire.md
 * says; the same node key gives the same peer id, so a restarted node is the peer that it was.
 */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { Bytes } from '../base/bytes.ts';
import { type Call, Dialer, MAX_ANCHORS, type Slots } from './dialer.ts';
import { ipOf, located, tell, told } from './discovery.ts';
import { P2pError, RequestError } from './errors.ts';
import { type FrameStream, message } from './frames.ts';
import { GossipJudge } from './gossip.ts';
import type { ConnectionGater, PrivateKey, RawConnection } from './libp2p-types.ts';
import { Neighbours, withPeer } from './neighbours.ts';
import type {
  GossipHandler,
  Network,
  PeerEvent,
  PeerInfo,
  Protocol,
  RequestHandler,
  RequestOptions,
  Topic,
} from './network.ts';
import { createNode, type Node } from './node.ts';
import { PeerBook } from './peer-book.ts';
import { Requests } from './requests.ts';
import { Traffic } from './traffic.ts';
import {
  MAX_GOSSIP_BYTES,
  MAX_INBOUND_STREAMS,
  type Names,
  WIRE_PROTOCOLS,
  type WireProtocol,
  wireNames,
} from './wire.ts';

/** The dialer looks for work this often. */
const TICK_MS = 250;
/** While outbound slots are free, somebody is asked for more peers this often. */
const ASK_MS = 15_000;
const ASK_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 4_096;
const DIAL_TIMEOUT_MS = 8_000;
/** Sockets of one address, loopback excepted. */
const SOCKETS_PER_IP = 5;
/** What a peer loses for an answer to `peers` that is no list. */
const NONSENSE_PENALTY = -20;

export interface NetworkOptions {
  /** ed25519 seed of 32 bytes; the peer id follows from it. */
  readonly nodeKey: Bytes;
  readonly genesisHash: Bytes;
  /** What we call our software, e.g. maitoken/0.1.0. */
  readonly agent: string;
  /** Multiaddrs to listen on, TCP or WebSocket (/ws). Default: a free TCP port of 127.0.0.1. */
  readonly listen?: readonly string[];
  /** Multiaddrs at which others reach us, beyond those we listen on. */
  readonly publicAddresses?: readonly string[];
  /** Multiaddrs with /p2p/<peer id>. */
  readonly bootnodes?: readonly string[];
  readonly reservedNodes?: readonly string[];
  /** What `anchors()` of an earlier run told: called first, and bounded like any learned peer. */
  readonly anchors?: readonly string[];
  readonly reservedOnly?: boolean;
  readonly inPeers?: number;
  readonly outPeers?: number;
  readonly mdns?: boolean;
  readonly log?: (level: 'info' | 'warn', text: string) => void;
}

/** The network of a node; it listens and dials after `start`. Throws P2pError BadNodeKey or BadAddress. */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  return new Host(options, await keyOf(options.nodeKey));
}

/** The peer id of a node key. Throws P2pError BadNodeKey. */
export async function peerIdOf(nodeKey: Bytes): Promise<string> {
  return peerIdFromPrivateKey(await keyOf(nodeKey)).toString();
}

async function keyOf(nodeKey: Bytes): Promise<PrivateKey> {
  if (nodeKey.length !== 32) throw new P2pError('BadNodeKey', `${nodeKey.length} bytes`);
  return generateKeyPairFromSeed('Ed25519', nodeKey);
}

class Host implements Network {
  readonly peerId: string;
  private readonly options: NetworkOptions;
  private readonly key: PrivateKey;
  private readonly names: Names;
  private readonly outPeers: number;
  private readonly book: PeerBook;
  private readonly dialer = new Dialer(Math.random);
  private readonly requests: Requests;
  private readonly judge: GossipJudge;
  private readonly bytes = new Traffic();
  private readonly listeners = new Set<(event: PeerEvent) => void>();
  private node: Node | undefined;
  private neighbours: Neighbours | undefined;
  private timer: NodeJS.Timeout | undefined;
  private askAt = 0;

  constructor(options: NetworkOptions, key: PrivateKey) {
    this.options = options;
    this.key = key;
    this.peerId = peerIdFromPrivateKey(key).toString();
    this.names = wireNames(options.genesisHash);
    this.outPeers = options.outPeers ?? 8;
    this.book = new PeerBook({
      inPeers: options.inPeers ?? 32,
      reservedOnly: options.reservedOnly ?? false,
      perIp: SOCKETS_PER_IP,
    });
    const host = {
      now,
      open: (peer: string, protocol: WireProtocol, signal: AbortSignal) => this.open(peer, protocol, signal),
      report: (peer: string, delta: number, reason: string) => this.report(peer, delta, reason),
      log: (text: string) => this.log('info', text),
    };
    this.requests = new Requests(host);
    this.judge = new GossipJudge(host);
    this.requests.handle('peers', async (_question, from) => this.tellPeers(from));
    for (const text of options.bootnodes ?? []) this.learn(text, 'bootnode');
    for (const text of options.reservedNodes ?? []) this.addReserved(text);
    for (const text of (options.anchors ?? []).slice(0, MAX_ANCHORS)) this.learn(text, 'anchor');
  }

  addresses(): string[] {
    return this.node?.getMultiaddrs().map(String) ?? [];
  }

  peers(): PeerInfo[] {
    const at = now();
    return (this.neighbours?.list() ?? []).map(({ id, address, direction, agent }) => ({
      id,
      address,
      direction,
      agent,
      reserved: this.book.reserved.has(id),
      score: Math.round(this.book.score(id, at)),
    }));
  }

  traffic(): { readonly received: number; readonly sent: number } {
    const { received, sent } = this.bytes;
    return { received, sent };
  }

  async start(): Promise<void> {
    if (this.node !== undefined) return;
    const listen = this.options.listen ?? ['/ip4/127.0.0.1/tcp/0'];
    const node = await createNode({
      privateKey: this.key,
      listen,
      publicAddresses: this.options.publicAddresses ?? [],
      slots: (this.options.inPeers ?? 32) + this.outPeers + this.book.reserved.size,
      agent: this.options.agent,
      mdns: this.options.mdns ?? false,
      names: this.names,
      gater: this.gater(),
      score: (peer) => this.book.score(peer, now()),
    });
    const neighbours = new Neighbours(node, this.names, {
      now,
      ready: (peer) => this.onReady(peer),
      gone: (peer) => this.onGone(peer),
      wrong: (peer) => this.dialer.wrong(peer, now()),
      met: (peer, address) => this.dialer.add(peer, address, 'discovered'),
      log: (text) => this.log('info', text),
    });
    try {
      for (const protocol of WIRE_PROTOCOLS) await this.serve(node, protocol);
      await node.start();
      this.judge.attach(node.services.pubsub, this.names);
    } catch (error) {
      throw listenFault(error, listen);
    }
    this.node = node;
    this.neighbours = neighbours;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.tick();
  }

  async stop(): Promise<void> {
    const { node, neighbours } = this;
    if (node === undefined) return;
    clearInterval(this.timer);
    await node.stop();
    neighbours?.stop();
    this.node = undefined;
    this.neighbours = undefined;
  }

  async publish(topic: Topic, data: Bytes): Promise<void> {
    if (this.node === undefined) throw new P2pError('NotStarted', 'publish');
    if (data.length > MAX_GOSSIP_BYTES) {
      throw new P2pError('MessageTooLarge', `${data.length} > ${MAX_GOSSIP_BYTES} bytes`);
    }
    await this.node.services.pubsub.publish(this.names.topic(topic), data);
  }

  onGossip(handler: GossipHandler): void {
    this.judge.handler = handler;
  }

  request(peer: string, protocol: Protocol, payload: Bytes, options: RequestOptions): Promise<Bytes> {
    return this.requests.request(peer, protocol, payload, options);
  }

  handle(protocol: Protocol, handler: RequestHandler): void {
    this.requests.handle(protocol, handler);
  }

  onPeer(callback: (event: PeerEvent) => void): () => void {
    this.listeners.add(callback);
    return () => this.listeners.delete(callback);
  }

  report(peer: string, delta: number, reason: string): void {
    if (delta < 0) this.log('info', `peer ${peer}: ${delta} (${reason})`);
    if (!this.book.report(peer, delta, now())) return;
    this.log('warn', `peer ${peer} is banned: ${reason}`);
    this.neighbours?.hangUp(peer);
  }

  addReserved(text: string): void {
    this.book.reserved.add(text.startsWith('/') ? this.learn(text, 'reserved') : this.bare(text));
  }

  removeReserved(text: string): void {
    const peer = text.startsWith('/') ? located(text).peer : text;
    this.book.reserved.delete(peer);
    this.dialer.demote(peer);
    if (this.options.reservedOnly === true) this.neighbours?.hangUp(peer);
  }

  anchors(): string[] {
    const at = now();
    return (this.neighbours?.outbound(this.book.reserved) ?? [])
      .filter(({ peer, isReady }) => isReady && this.dialer.isLearned(peer) && this.book.score(peer, at) >= 0)
      .sort((a, b) => a.since - b.since)
      .slice(0, MAX_ANCHORS)
      .map(({ address }) => address);
  }

  tryOthers(): void {
    const { neighbours } = this;
    if (neighbours === undefined) return;
    const peer = this.dialer.makeWay(now(), this.slots(neighbours, now()));
    // Somebody else is called into the free slot by the next tick.
    if (peer !== undefined) {
      this.log('info', `peer ${peer} makes way for another`);
      neighbours.hangUp(peer);
    }
    this.askAnybody(neighbours);
  }

  /** Adds the multiaddr to the dialer; its peer id. */
  private learn(text: string, source: 'reserved' | 'bootnode' | 'anchor'): string {
    const { peer, address } = located(text);
    if (peer !== this.peerId) this.dialer.add(peer, address, source);
    return peer;
  }

  /** A peer id whose address is learnt from others. */
  private bare(peer: string): string {
    try {
      peerIdFromString(peer);
    } catch {
      // Whatever the parser did not like, the operator gave something that is no peer id.
      throw new P2pError('BadAddress', peer);
    }
    this.dialer.add(peer, undefined, 'reserved');
    return peer;
  }

  private serve(node: Node, protocol: WireProtocol): Promise<void> {
    const limits = { maxInboundStreams: MAX_INBOUND_STREAMS, maxOutboundStreams: MAX_INBOUND_STREAMS };
    return node.handle(
      this.names.protocol(protocol),
      (stream, connection) => {
        // libp2p turns a rejection into a reset stream; a Bug must stop the node instead.
        this.requests.serve(stream, connection.remotePeer.toString(), protocol).catch((bug: unknown) => {
          queueMicrotask(() => {
            throw bug;
          });
        });
      },
      limits,
    );
  }

  private async open(peer: string, protocol: WireProtocol, signal: AbortSignal): Promise<FrameStream> {
    const connection = this.neighbours?.connection(peer);
    if (connection === undefined) throw new RequestError('Disconnected', peer);
    try {
      return await connection.newStream(this.names.protocol(protocol), { signal });
    } catch (error) {
      if (signal.aborted) throw new RequestError('Timeout', 'opening a stream');
      throw new RequestError(connection.status === 'open' ? 'Refused' : 'Disconnected', message(error));
    }
  }

  private gater(): ConnectionGater {
    return {
      denyDialPeer: (peer) => this.book.banned(peer.toString(), now()),
      denyInboundConnection: (socket) => this.denySocket(socket),
      denyOutboundEncryptedConnection: (_, connection) => {
        this.bytes.follow(connection);
        return false;
      },
      denyInboundEncryptedConnection: (peer, connection) => {
        this.bytes.follow(connection);
        const id = peer.toString();
        const refusal = this.book.refuseInbound(id, this.neighbours?.inboundOthers(id, this.book.reserved) ?? 0, now());
        if (refusal !== undefined) this.log('info', `peer ${id} is not let in: ${refusal}`);
        return refusal !== undefined;
      },
    };
  }

  /** Counts the socket to its address until it closes. */
  private denySocket(socket: RawConnection): boolean {
    const ip = ipOf(socket.remoteAddr.toString());
    if (socket.status !== 'open' || !this.book.openSocket(ip)) return true;
    socket.addEventListener('close', () => this.book.closeSocket(ip), { once: true });
    return false;
  }

  private tick(): void {
    const { neighbours } = this;
    if (neighbours === undefined) return;
    const at = now();
    neighbours.check();
    const slots = this.slots(neighbours, at);
    for (const call of this.dialer.due(at, slots)) void this.dial(call);
    if (this.outPeers > slots.outbound.length && at >= this.askAt) this.askAnybody(neighbours);
  }

  private slots(neighbours: Neighbours, at: number): Slots {
    const outbound = neighbours.outbound(this.book.reserved);
    return {
      connected: (peer) => neighbours.connection(peer) !== undefined,
      banned: (peer) => this.book.banned(peer, at),
      free: this.options.reservedOnly === true ? 0 : this.outPeers - outbound.length,
      outbound,
    };
  }

  private async dial({ peer, addresses }: Call): Promise<void> {
    try {
      const signal = AbortSignal.timeout(DIAL_TIMEOUT_MS);
      const connection = await this.node?.dial(
        addresses.map((address) => multiaddr(address)),
        { signal },
      );
      // Called by the peer meanwhile, we would learn the port of its socket instead of where it listens.
      const at = connection?.direction === 'outbound' ? withPeer(connection.remoteAddr, peer) : undefined;
      this.dialer.ended(peer, true, now(), at);
    } catch (error) {
      this.dialer.ended(peer, false, now());
      if (this.dialer.failures(peer) === 1) this.log('info', `no answer from ${addresses[0]}: ${message(error)}`);
    }
  }

  private askAnybody(neighbours: Neighbours): void {
    this.askAt = now() + ASK_MS;
    const ready = neighbours.list();
    const one = ready[Math.floor(Math.random() * ready.length)];
    if (one !== undefined) void this.ask(one.id);
  }

  /** Asks a peer whom it knows. */
  private async ask(peer: string): Promise<void> {
    try {
      const options = { timeoutMs: ASK_TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES };
      const known = told(await this.requests.request(peer, 'peers', new Uint8Array(0), options));
      if (known === undefined) return this.report(peer, NONSENSE_PENALTY, 'malformed list of peers');
      for (const one of known) if (one.peer !== this.peerId) this.dialer.add(one.peer, one.address, 'discovered');
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
  }

  private tellPeers(from: string): Bytes {
    const connection = this.neighbours?.connection(from);
    const ip = connection === undefined ? '' : ipOf(connection.remoteAddr.toString());
    return tell(this.neighbours?.known() ?? [], { peer: from, ip });
  }

  private onReady(peer: string): void {
    this.dialer.proved(peer);
    this.emit({ type: 'connected', peer });
    const free = this.outPeers - (this.neighbours?.outbound(this.book.reserved).length ?? 0);
    if (free > 0 && this.options.reservedOnly !== true) void this.ask(peer);
  }

  private onGone(peer: string): void {
    this.dialer.lost(peer, now());
    this.emit({ type: 'disconnected', peer });
  }

  private emit(event: PeerEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  private log(level: 'info' | 'warn', text: string): void {
    this.options.log?.(level, text);
  }
}

/** Milliseconds that never jump: timeouts and scores do not follow the wall clock. */
function now(): number {
  return performance.now();
}

function listenFault(error: unknown, listen: readonly string[]): unknown {
  const text = message(error);
  if (text.includes('EADDRINUSE')) return new P2pError('PortInUse', listen.join(', '));
  if (/listen|EACCES|EADDRNOTAVAIL/i.test(text)) return new P2pError('ListenFailed', `${listen.join(', ')}: ${text}`);
  return error;
}
