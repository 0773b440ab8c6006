/**
 * # Gossip: how soon a block of 100 KB reaches the last of twenty nodes, over raw gossipsub with as many bytes.
 *
 * Row G19. Twenty networks of this process on real sockets of 127.0.0.1, each calling three others. Raw: a message of the
 * block's bytes, accepted as it comes. Ours: the block as nodes gossip it, each with the production sync machine, which
 * puts it together from what its pool holds; time ends when the last machine hands it to the import. Left out is what
 * import and execution cost, which no node waits for before it passes a block on.
 */
import { type Bytes, littleEndian } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { createNetwork } from '../../src/p2p/host.ts';
import type { Network } from '../../src/p2p/network.ts';
import { Header } from '../../src/primitives/header.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import { Announcement, announcementOf } from '../../src/sync/messages.ts';
import { Sync, type SyncEffect } from '../../src/sync/sync.ts';
import { type BenchOptions, median, type Row, rounded } from './measure.ts';

const NODES = 20;
const CALLS = 3;
const EXTRINSICS = 690;
const EXTRINSIC_BYTES = 145;
/** Of profile 0: two panels of 16 x 1024 and their paths. */
const OPENING_BYTES = 34_000;
const GENESIS = new Uint8Array(32).fill(0x19);
const READY_MS = 60_000;
const ROUND_MS = 30_000;

interface Block {
  readonly header: Bytes;
  readonly opening: Bytes;
  readonly extrinsics: readonly Bytes[];
}

/** One network that hears; `heard` is told of every raw message and of every block that is whole. */
class Hearer {
  readonly network: Network;
  /** What waits in its pool. */
  pool: readonly { readonly hash: Bytes; readonly bytes: Bytes }[] = [];
  heard: (() => void) | undefined;
  readonly #sync: Sync;
  readonly #verdicts = new Map<string, (verdict: 'accept' | 'ignore' | 'reject') => void>();
  #messages = 0;

  constructor(network: Network) {
    this.network = network;
    const best = { hash: GENESIS, number: 0, totalDifficulty: 0n };
    const chain = { best: () => best, finalized: () => best, hashAt: () => GENESIS, knows: () => false };
    const pool = { extrinsics: () => this.pool };
    this.#sync = new Sync({ genesis: GENESIS, chain, pool, vet: () => 'fits' });
    network.onPeer(({ type, peer }) => this.#step({ type, peer }));
    network.onGossip((topic, data, from) => {
      if (topic !== 'blocks') {
        this.heard?.();
        return 'accept';
      }
      const message = `m${++this.#messages}`;
      return new Promise((resolve) => {
        this.#verdicts.set(message, resolve);
        this.#step({ type: 'announced', peer: from, message, announcement: Announcement.dec(data) });
      });
    });
  }

  #step(input: Parameters<Sync['step']>[1]): void {
    for (const effect of this.#sync.step(Date.now(), input)) this.#perform(effect);
  }

  #perform(effect: SyncEffect): void {
    if (effect.type === 'verdict') {
      this.#verdicts.get(effect.message)?.(effect.verdict);
      this.#verdicts.delete(effect.message);
    }
    if (effect.type === 'import') this.heard?.();
    if (effect.type === 'askExtrinsics' || effect.type === 'askBlocks') throw new Error('the pool holds all of it');
  }
}

/** Row G19. */
export async function gossipRows({ quick }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 5 : 20;
  const hearers = await connected();
  try {
    const times = { raw: [] as number[], ours: [] as number[] };
    let bytes = 0;
    for (let round = 0; round <= rounds; round++) {
      const block = blockOf(round);
      const sent = Announcement.enc(announcementOf(block.header, block.opening, block.extrinsics));
      bytes = sent.length;
      const pool = block.extrinsics.map((one) => ({ hash: blake2_256(one), bytes: one }));
      for (const hearer of hearers) hearer.pool = pool;
      const size = block.header.length + block.opening.length + EXTRINSICS * EXTRINSIC_BYTES;
      const raw = await lastHears(hearers, round, 'transactions', noise(round, size));
      const ours = await lastHears(hearers, round, 'blocks', sent);
      // The first rounds build the mesh.
      if (round === 0) continue;
      times.raw.push(raw);
      times.ours.push(ours);
    }
    const terms = {
      nodes: NODES,
      rounds,
      announcementBytes: bytes,
      rawMs: rounded(median(times.raw), 1),
      oursMs: rounded(median(times.ours), 1),
    };
    const value = rounded(median(times.ours) / median(times.raw), 2);
    const name = 'a block of 100 KB to the last of 20 nodes / raw gossipsub';
    return [{ id: 'G19', name, value, unit: 'x', must: 1.5, better: 'less', terms }];
  } finally {
    await Promise.all(hearers.map(({ network }) => network.stop()));
  }
}

/** The networks, once each sees as many neighbours as it calls. */
async function connected(): Promise<Hearer[]> {
  const hearers: Hearer[] = [];
  for (let i = 0; i < NODES; i++) {
    const known = hearers.slice(-CALLS).flatMap(({ network }) => network.addresses().slice(0, 1));
    const nodeKey = blake2_256(littleEndian(BigInt(i), 4));
    const options = { nodeKey, genesisHash: GENESIS, agent: 'bench/1', bootnodes: known, outPeers: CALLS };
    const network = await createNetwork(options);
    hearers.push(new Hearer(network));
    await network.start();
  }
  const deadline = performance.now() + READY_MS;
  while (hearers.some(({ network }) => network.peers().length < CALLS)) {
    if (performance.now() > deadline) throw new Error('the nodes do not find each other');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // Two heartbeats: the meshes stand.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  return hearers;
}

/** Milliseconds from sending to the last of the others hearing it. */
async function lastHears(
  hearers: readonly Hearer[],
  round: number,
  topic: 'blocks' | 'transactions',
  data: Bytes,
): Promise<number> {
  const sender = hearers[round % NODES] as Hearer;
  const start = performance.now();
  const all = hearers.map((hearer) => {
    if (hearer === sender) return undefined;
    return new Promise<void>((resolve) => {
      hearer.heard = resolve;
    });
  });
  sender.heard = undefined;
  const late = setTimeout(() => {
    throw new Error(`${topic} of round ${round} did not reach everybody`);
  }, ROUND_MS);
  await sender.network.publish(topic, data);
  await Promise.all(all);
  clearTimeout(late);
  return performance.now() - start;
}

function blockOf(round: number): Block {
  const extrinsics = Array.from({ length: EXTRINSICS }, (_, i) => noise(round * EXTRINSICS + i, EXTRINSIC_BYTES));
  const header = Header.enc({
    parentHash: GENESIS,
    number: 1,
    stateRoot: blake2_256(littleEndian(BigInt(round), 4)),
    extrinsicsRoot: orderedRoot(extrinsics),
    digest: [],
  });
  return { header, opening: noise(round + 7, OPENING_BYTES), extrinsics };
}

/** Bytes that do not compress, and differ for each number. */
function noise(seed: number, length: number): Bytes {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += 32) {
    out.set(blake2_256(littleEndian(BigInt(seed) * 1_048_576n + BigInt(at), 8)).subarray(0, length - at), at);
  }
  return out;
}
