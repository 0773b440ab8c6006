/** # Cluster: a few networks in this process, on real sockets of 127.0.0.1, all stopped when the test ends. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Bytes } from '../../src/base/bytes.ts';
import { createNetwork, type NetworkOptions } from '../../src/p2p/host.ts';
import type { GossipHandler, Network } from '../../src/p2p/network.ts';

export const GENESIS: Bytes = new Uint8Array(32).fill(0xa7);

export const seed = (n: number): Bytes => new Uint8Array(32).fill(n);

/** A started network that stops after the test. */
export async function started(t: TestContext, n: number, options: Partial<NetworkOptions> = {}): Promise<Network> {
  const network = await createNetwork({ nodeKey: seed(n), genesisHash: GENESIS, agent: 'test/1', ...options });
  t.after(() => network.stop());
  await network.start();
  return network;
}

/** Waits until `condition` holds; fails after `timeoutMs`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 40_000): Promise<number> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return performance.now() - start;
}

/** The address that others dial. */
export function dialable(network: Network): string {
  const [address] = network.addresses();
  if (address === undefined) throw new Error('the network listens nowhere');
  return address;
}

/** The first byte of what `gossipFlows` sends. */
export const WARM_UP = 0xff;

/**
 * Resolves once gossip of 'blocks' from one network reaches the other, through whomever is between them. Being told
 * of a peer is not enough: on a busy machine its stream opens seconds later, and what is said before that is lost.
 * Replaces the handler of `to` by `then`.
 */
export async function gossipFlows(from: Network, to: Network, then: GossipHandler = () => 'accept'): Promise<void> {
  let heard = false;
  to.onGossip((_topic, data) => {
    if (data[0] === WARM_UP) heard = true;
    return 'accept';
  });
  let turn = 0;
  await until('gossip arrives', () => {
    if (!heard && turn++ % 10 === 0) void from.publish('blocks', Uint8Array.of(WARM_UP, ...randomBytes(8)));
    return heard;
  });
  to.onGossip(then);
}
