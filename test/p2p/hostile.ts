/** # Hostile: a peer that speaks libp2p well and our protocols badly, so that bytes of any kind reach a node. */
import type { TestContext } from 'node:test';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Connection, Stream } from '../../src/p2p/libp2p-types.ts';
import type { Topic } from '../../src/p2p/network.ts';
import { createNode } from '../../src/p2p/node.ts';
import { WIRE_PROTOCOLS, type WireProtocol, wireNames } from '../../src/p2p/wire.ts';
import { GENESIS, seed, until } from './cluster.ts';

export interface Hostile {
  readonly peerId: string;
  readonly connection: Connection;
  /** A stream on which nothing was sent yet. */
  open(protocol: WireProtocol): Promise<Stream>;
  /** Sends the bytes and closes; what came back, or the error that ended the stream. */
  send(protocol: WireProtocol, ...parts: readonly Bytes[]): Promise<Bytes | Error>;
  /** Gossip that reached it. */
  readonly heard: readonly Bytes[];
  publish(topic: Topic, data: Bytes): Promise<unknown>;
  /** Answers every question of the protocol with these bytes instead of a frame. */
  answer(protocol: WireProtocol, answer: (stream: Stream) => void): Promise<void>;
}

/** A hostile peer connected to `address`, gone after the test. */
export async function hostile(t: TestContext, n: number, address: string): Promise<Hostile> {
  const names = wireNames(GENESIS);
  const node = await createNode({
    privateKey: await generateKeyPairFromSeed('Ed25519', seed(n)),
    listen: [],
    publicAddresses: [],
    slots: 10,
    agent: 'hostile',
    mdns: false,
    names,
    gater: {},
    score: () => 0,
  });
  t.after(() => node.stop());
  for (const protocol of WIRE_PROTOCOLS) await node.handle(names.protocol(protocol), (stream) => void stream.close());
  await node.start();
  for (const topic of names.topics.keys()) node.services.pubsub.subscribe(topic);
  const heard: Bytes[] = [];
  node.services.pubsub.addEventListener('message', ({ detail }) => heard.push(detail.data));
  const connection = await node.dial(multiaddr(address));
  // What is published before its stream is open and the other's topics are known reaches nobody.
  await until('gossip to the victim is open', () => {
    const mesh = connection.streams.filter(({ protocol }) => protocol.startsWith('/meshsub/'));
    const known = node.services.pubsub.getSubscribers(names.topic('blocks')).map(String);
    return mesh.some(({ direction }) => direction === 'outbound') && known.includes(connection.remotePeer.toString());
  });
  return {
    peerId: node.peerId.toString(),
    connection,
    heard,
    publish: (topic, data) => node.services.pubsub.publish(names.topic(topic), data),
    open: (protocol) => connection.newStream(names.protocol(protocol)),
    async send(protocol, ...parts) {
      const stream = await connection.newStream(names.protocol(protocol));
      const answer = collected(stream);
      for (const part of parts) stream.send(part);
      stream.close().catch(() => {});
      return answer;
    },
    answer: (protocol, answer) => node.handle(names.protocol(protocol), (stream) => answer(stream), { force: true }),
  };
}

/** Everything that the stream brings, or the error that ends it. */
function collected(stream: Stream): Promise<Bytes | Error> {
  return new Promise((resolve) => {
    const parts: Bytes[] = [];
    stream.addEventListener('message', ({ data }) => {
      parts.push(Uint8Array.from(data instanceof Uint8Array ? data : data.subarray()));
    });
    stream.addEventListener('close', ({ error }) => resolve(error ?? Uint8Array.from(Buffer.concat(parts))));
  });
}
