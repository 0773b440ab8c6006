/**
 * # Neighbours: connections come and go, peers of this chain stay.
 *
 * Always true: a peer is told of as ready only when it speaks this chain's protocols and gossip reaches it, and once;
 * two connections to one peer are reduced to the one that both sides choose; a peer whose gossip stream died is
 * repaired or hung up, never kept silent (gossipsub opens no new stream while a connection is left).
 */
import { ipOf, type Located, scope } from './discovery.ts';
import { message } from './frames.ts';
import type { Connection, PeerId } from './libp2p-types.ts';
import type { Node } from './node.ts';
import type { Names } from './wire.ts';

/** Both sides have seen both connections by then. */
const SETTLE_MS = 250;
/** A connection that has not shown its protocols by then, or a peer not on our topics, is hung up. */
const PATIENCE_MS = 15_000;
/** A new peer is told of when gossip reaches it, or after this long all the same. */
const GREET_MS = 2_000;
const GREET_STEP_MS = 10;
/** A gossip stream is opened right after the handshake; missing for longer, it is asked for again. */
const REPAIR_MS = 2_000;
/** The library still reads what it knows of a peer while it says goodbye to it. */
const FORGET_MS = 5_000;
const MAX_AGENT_CHARS = 64;
const MAX_LISTEN_ADDRESSES = 4;

export interface NeighboursHost {
  now(): number;
  ready(peer: string): void;
  gone(peer: string): void;
  /** The peer is of another chain. */
  wrong(peer: string): void;
  /** The peer says that it listens here. */
  met(peer: string, address: string): void;
  log(text: string): void;
}

export interface Neighbour {
  readonly id: string;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  readonly agent: string;
}

/** Somebody whom we called. */
export interface Outbound extends Located {
  /** Unix milliseconds: when the connection opened. */
  readonly since: number;
  /** It can be asked. */
  readonly isReady: boolean;
}

interface Ready {
  readonly agent: string;
  /** Where others can reach it, as far as we know. */
  readonly reach: Located | undefined;
  /** Gossip is mended no sooner. */
  repairAt: number;
  /** When it was last seen on our topics, or came. */
  heardAt: number;
}

export class Neighbours {
  private readonly node: Node;
  private readonly names: Names;
  private readonly host: NeighboursHost;
  /** Everybody with a connection, by the text of its id. */
  private readonly ids = new Map<string, PeerId>();
  private readonly ready = new Map<string, Ready>();
  /** When a connected peer that is not ready was first seen. At most one entry per connection. */
  private readonly strangers = new Map<string, number>();
  private readonly timers = new Set<NodeJS.Timeout>();

  /** Listens to the node's events; create it before the node starts. */
  constructor(node: Node, names: Names, host: NeighboursHost) {
    this.node = node;
    this.names = names;
    this.host = host;
    node.addEventListener('connection:open', ({ detail }) => this.onOpen(detail));
    node.addEventListener('peer:identify', ({ detail }) => {
      const claims = { agent: detail.agentVersion ?? '', listen: detail.listenAddrs.map(String) };
      this.onIdentified(detail.connection, detail.protocols, claims);
    });
    node.addEventListener('peer:disconnect', ({ detail }) => this.onDisconnect(detail));
    node.addEventListener('peer:discovery', ({ detail }) => {
      const peer = detail.id.toString();
      for (const address of detail.multiaddrs.slice(0, MAX_LISTEN_ADDRESSES)) host.met(peer, withPeer(address, peer));
    });
  }

  /** Forgets everything; the node is stopped. */
  stop(): void {
    for (const timer of this.timers) clearTimeout(timer);
    for (const peer of [...this.ready.keys()]) this.leave(peer);
  }

  /** Peers that can be asked now. */
  list(): Neighbour[] {
    const list: Neighbour[] = [];
    for (const [id, { agent }] of this.ready) {
      const connection = this.connection(id);
      if (connection === undefined) continue;
      list.push({ id, agent, address: connection.remoteAddr.toString(), direction: connection.direction });
    }
    return list;
  }

  /** Where our peers can be reached by others. */
  known(): Located[] {
    return [...this.ready.values()].flatMap(({ reach }) => reach ?? []);
  }

  /** The open connection to the peer that both sides prefer. */
  connection(peer: string): Connection | undefined {
    return this.preferred(peer, this.connections(peer));
  }

  /** Peers outside `exempt`, and other than `peer`, that connected to us. */
  inboundOthers(peer: string, exempt: ReadonlySet<string>): number {
    const others = new Set<string>();
    for (const { direction, remotePeer } of this.node.getConnections()) {
      const id = remotePeer.toString();
      if (direction === 'inbound' && id !== peer && !exempt.has(id)) others.add(id);
    }
    return others.size;
  }

  /** Peers outside `exempt` that we connected to, each once. */
  outbound(exempt: ReadonlySet<string>): Outbound[] {
    const others = new Map<string, Outbound>();
    for (const { direction, remotePeer, remoteAddr, timeline } of this.node.getConnections()) {
      const peer = remotePeer.toString();
      if (direction !== 'outbound' || exempt.has(peer)) continue;
      const isReady = this.ready.has(peer);
      others.set(peer, { peer, address: withPeer(remoteAddr, peer), since: timeline.open, isReady });
    }
    return [...others.values()];
  }

  hangUp(peer: string): void {
    const id = this.ids.get(peer);
    if (id === undefined) return;
    this.node.hangUp(id).catch((error: unknown) => {
      this.host.log(`hanging up on ${peer}: ${message(error)}`);
    });
  }

  /** Hangs up on whoever never showed its protocols, and mends gossip. Call it a few times a second. */
  check(): void {
    const now = this.host.now();
    for (const [peer, since] of this.strangers) {
      if (now - since < PATIENCE_MS) continue;
      this.strangers.delete(peer);
      this.hangUp(peer);
    }
    const subscribed = this.subscribers();
    for (const [peer, ready] of this.ready) {
      const connection = this.connection(peer);
      if (connection === undefined) continue;
      if (subscribed.has(peer)) ready.heardAt = now;
      if (now - ready.heardAt > PATIENCE_MS) {
        this.host.log(`peer ${peer} is on none of our topics`);
        ready.heardAt = now;
        this.hangUp(peer);
      } else if (now >= ready.repairAt && !this.gossips(peer)) {
        ready.repairAt = now + REPAIR_MS;
        this.repair(peer, connection);
      }
    }
  }

  private connections(peer: string): readonly Connection[] {
    const id = this.ids.get(peer);
    return id === undefined ? [] : this.node.getConnections(id);
  }

  private onOpen(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    this.ids.set(peer, connection.remotePeer);
    if (!this.ready.has(peer) && !this.strangers.has(peer)) this.strangers.set(peer, this.host.now());
    // Our listener may run before the library counts the new connection.
    if (this.connections(peer).some((other) => other !== connection)) this.later(SETTLE_MS, () => this.settle(peer));
  }

  private onIdentified(
    connection: Connection,
    protocols: readonly string[],
    claims: { readonly agent: string; readonly listen: readonly string[] },
  ): void {
    const peer = connection.remotePeer.toString();
    if (!protocols.includes(this.names.protocol('peers'))) {
      this.host.log(`peer ${peer} at ${connection.remoteAddr} is of another chain`);
      this.host.wrong(peer);
      this.hangUp(peer);
      return;
    }
    const reach = this.reachOf(connection, claims.listen);
    if (reach !== undefined) this.host.met(peer, reach.address);
    const agent = claims.agent.replace(/[^ -~]/g, '').slice(0, MAX_AGENT_CHARS);
    this.greet(peer, { agent, reach }, this.host.now() + GREET_MS);
  }

  /** Waits for gossip: what is published the moment a peer is told of must reach it. */
  private greet(peer: string, known: Pick<Ready, 'agent' | 'reach'>, deadline: number): void {
    if (this.ready.has(peer) || this.connection(peer) === undefined) return;
    const now = this.host.now();
    if (now < deadline && !(this.gossips(peer) && this.subscribers().has(peer))) {
      this.later(GREET_STEP_MS, () => this.greet(peer, known, deadline));
      return;
    }
    this.strangers.delete(peer);
    this.ready.set(peer, { ...known, repairAt: now + REPAIR_MS, heardAt: now });
    this.host.ready(peer);
  }

  private subscribers(): Set<string> {
    return new Set(this.node.services.pubsub.getSubscribers(this.names.topic('blocks')).map(String));
  }

  /** An address of the peer: the one that we dialled, or the first of its own that is as reachable as its socket. */
  private reachOf(connection: Connection, listen: readonly string[]): Located | undefined {
    const peer = connection.remotePeer.toString();
    const remote = connection.remoteAddr.toString();
    if (connection.direction === 'outbound') return { peer, address: withPeer(remote, peer) };
    const near = scope(ipOf(remote));
    const address = listen.slice(0, 4 * MAX_LISTEN_ADDRESSES).find((own) => scope(ipOf(own)) >= near);
    return address === undefined ? undefined : { peer, address: withPeer(address, peer) };
  }

  private onDisconnect(id: PeerId): void {
    const peer = id.toString();
    this.ids.delete(peer);
    this.strangers.delete(peer);
    this.leave(peer);
    this.later(FORGET_MS, () => {
      if (this.node.status !== 'started' || this.node.getConnections(id).length > 0) return;
      this.node.peerStore.delete(id).catch((error: unknown) => this.host.log(`forgetting ${peer}: ${message(error)}`));
    });
  }

  private leave(peer: string): void {
    if (this.ready.delete(peer)) this.host.gone(peer);
  }

  /** Keeps one connection. Calls of both sides at once make two; gossip may have to move. */
  private settle(peer: string): void {
    const connections = this.connections(peer);
    const kept = this.preferred(peer, connections);
    const ready = this.ready.get(peer);
    if (ready !== undefined) ready.repairAt = this.host.now();
    for (const connection of connections) {
      if (connection === kept) continue;
      connection
        .close()
        .catch((error: unknown) => connection.abort(new Error(message(error))))
        // Until gossip has moved to the connection that is left, what is published does not reach the peer.
        .finally(() => this.check());
    }
  }

  /** Both sides name the same one: dialled by the smaller peer id, the newest of those. */
  private preferred(peer: string, connections: readonly Connection[]): Connection | undefined {
    const direction = this.node.peerId.toString() < peer ? 'outbound' : 'inbound';
    let best: Connection | undefined;
    for (const connection of connections) {
      if (connection.status !== 'open') continue;
      const better =
        best === undefined ||
        (connection.direction === direction && best.direction !== direction) ||
        (connection.direction === best.direction && connection.timeline.open > best.timeline.open);
      if (better) best = connection;
    }
    return best;
  }

  /** Whether gossip has a stream to the peer. */
  private gossips(peer: string): boolean {
    return this.connections(peer).some(({ streams }) => {
      return streams.some((stream) => stream.direction === 'outbound' && stream.protocol.startsWith('/meshsub/'));
    });
  }

  /** Identifying again tells gossipsub of the connection that is left (js-libp2p pull request 3531). */
  private repair(peer: string, connection: Connection): void {
    this.host.log(`gossip to ${peer} is mended`);
    this.node.services.identify.identify(connection).catch((error: unknown) => {
      this.host.log(`identifying ${peer}: ${message(error)}`);
    });
  }

  private later(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, delayMs);
    this.timers.add(timer);
  }
}

/** The multiaddr with the peer's id at its end. */
export function withPeer(address: { toString(): string }, peer: string): string {
  const text = address.toString();
  return text.includes('/p2p/') ? text : `${text}/p2p/${peer}`;
}
