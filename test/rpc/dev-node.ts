/**
 * # Dev node: a whole node in this process, on the dev chain with the least difficulty there is, and a miner for it.
 *
 * The miner speaks to the node through its port alone, with the client that `maitoken miner` uses; its operands are
 * drawn at random instead of trained, which no seal can tell.
 */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { operandRoot, panelOf } from '../../src/compute/pouw/commitment.ts';
import { kappaOf, seedsOf } from '../../src/compute/pouw/noise.ts';
import { buildOpening, encodeOpening } from '../../src/compute/pouw/opening.ts';
import { checkShape, type Shape } from '../../src/compute/pouw/profile.ts';
import { evaluateTicket, wins } from '../../src/compute/pouw/ticket.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { RpcClient, RpcDisconnected, RpcRefused } from '../../src/miner/rpc-client.ts';
import type { FragmentJson, JobJson, TemplateJson, WorkJson } from '../../src/miner/wire.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { type NodeHooks, type RunningNode, startNode } from '../../src/node/node.ts';
import { Header } from '../../src/primitives/header.ts';
import { openingHash, PowPreRuntime, PowSeal, preHash, sealMessage, withPreRuntime } from '../../src/primitives/pow.ts';

/** Short, so that a dozen blocks come while one would come on a dev chain. */
const BLOCK_MS = 400;
const GENESIS = join(import.meta.dirname, '../../genesis');
export const RPC: NodeConfig['rpc'] = {
  port: 0,
  host: '127.0.0.1',
  unsafe: false,
  cors: [],
  maxConnections: 100,
  maxRequestBytes: 1_048_576,
  maxSubscriptions: 256,
};

export interface DevNode {
  readonly node: RunningNode;
  readonly http: string;
  readonly ws: string;
  /** The token that opens PUT of blobs. */
  readonly token: string;
  stop(): Promise<void>;
}

/** The text of a spec that ships, with the least difficulty there is and `changes` of its consensus. */
export function easySpec(id: 'dev' | 'local' = 'dev', changes: Readonly<Record<string, unknown>> = {}): string {
  const file = JSON.parse(readFileSync(join(GENESIS, `${id}.json`), 'utf8')) as { consensus: object };
  const consensus = { ...file.consensus, initialDifficulty: String(2 ** 20), blockTimeMs: BLOCK_MS, ...changes };
  return JSON.stringify({ ...file, consensus });
}

/** Nobody is met but whom the test names, and nobody at all where it names no list; `key` tells nodes apart. */
export function privateNet(key: number, reservedNodes?: readonly string[]): NodeConfig['p2p'] {
  const peers = reservedNodes === undefined ? 0 : 8;
  return {
    listen: ['/ip4/127.0.0.1/tcp/0'],
    publicAddresses: [],
    bootnodes: [],
    reservedNodes: reservedNodes ?? [],
    reservedOnly: true,
    inPeers: peers,
    outPeers: peers,
    mdns: false,
    nodeKey: new Uint8Array(32).fill(key),
  };
}

/** A node of that spec, alone in the world, with `more` of its config and `hooks`. */
export async function lonelyNode(
  basePath: string,
  more: Partial<NodeConfig> = {},
  hooks: Partial<NodeHooks> = {},
): Promise<RunningNode> {
  await installFastPaths();
  const config: NodeConfig = {
    spec: parseChainSpec(easySpec(), 'dev with the least difficulty'),
    specSource: 'dev',
    basePath,
    tmp: false,
    name: 'test',
    validator: false,
    identity: undefined,
    minerThreads: 0,
    checker: false,
    rpc: RPC,
    p2p: privateNet(7),
    pruning: 256,
    data: undefined,
    blobBytes: 64 * 1_048_576,
    check: false,
    ...more,
  };
  return startNode(config, {
    log: () => {},
    onFatal: (error) => {
      throw error;
    },
    ...hooks,
  });
}

/** Starts a node; `rpc` changes how its port is opened, `more` the rest of its config. */
export async function startDevNode(
  rpc: Partial<NodeConfig['rpc']> = {},
  more: Partial<NodeConfig> = {},
): Promise<DevNode> {
  const basePath = mkdtempSync(join(tmpdir(), 'maitoken-rpc-'));
  const node = await lonelyNode(basePath, { tmp: true, ...more, rpc: { ...RPC, ...rpc } });
  const address = `127.0.0.1:${node.rpcPort}`;
  return {
    node,
    http: `http://${address}/`,
    ws: `ws://${address}`,
    token: readFileSync(join(basePath, 'chains', node.config.spec.id, 'blobs.token'), 'utf8'),
    async stop() {
      await node.stop();
      rmSync(basePath, { recursive: true, force: true });
    },
  };
}

/** Mines for an author of the genesis until it is stopped, a block every `everyMs` or so. */
export class DevMiner {
  readonly #rpc: RpcClient;
  readonly #account: Uint8Array;
  readonly #key: ReturnType<typeof keypairFromSuri>;
  #jobs: JobJson[] = [];
  #work: WorkJson | undefined;
  #template: TemplateJson | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isMining = false;
  #isStopped = false;
  #steps = new Map<string, number>();

  constructor(url: string, author = 'Alice', everyMs = BLOCK_MS) {
    this.#account = keypairFromSuri(`//${author}//stash`, 'sr25519').accountId;
    this.#key = keypairFromSuri(`//${author}//compute`, 'ed25519');
    this.#rpc = new RpcClient(url);
    this.#rpc.subscribe('miner_subscribeWork', [toHex(this.#account)], (event) => {
      const said = event as WorkJson | TemplateJson;
      if (said.type === 'work') this.#work = said;
      else this.#template = said;
    });
    this.#timer = setInterval(() => void this.#mine(), everyMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#rpc.close();
  }

  async #mine(): Promise<void> {
    const template = this.#template;
    const fragment = this.#work?.fragments.find(({ status }) => status === 'Assigned');
    if (!template || !fragment || this.#isMining) return;
    this.#isMining = true;
    try {
      if (this.#jobs.length === 0) this.#jobs = await this.#rpc.call<JobJson[]>('compute_jobs');
      const job = this.#jobs.find(({ id }) => id === fragment.job);
      assert.ok(job);
      await this.#rpc.call('miner_submitTicket', [this.#win(template, fragment, job)]);
    } catch (error) {
      // A template that grew stale while its ticket was drawn, a step that won before this miner began: the next one
      // comes. A call that `stop` cut off: none.
      const isStale = error instanceof RpcRefused && /Template|ReusedStep/.test(error.message);
      // A node that has ended: who waits for its blocks will miss them.
      const isGone = error instanceof RpcDisconnected;
      if (!this.#isStopped && !isStale && !isGone) throw error;
    } finally {
      this.#isMining = false;
    }
  }

  /** Draws operands until one of their tickets wins. */
  #win(template: TemplateJson, fragment: FragmentJson, job: JobJson) {
    const { node, shape } = smallest(job);
    const header = Header.dec(fromHex(template.header));
    for (;;) {
      const step = Math.min((this.#steps.get(fragment.id) ?? 0) + 1, job.steps);
      this.#steps.set(fragment.id, step);
      const a = { data: drawn(shape.m * shape.k), lines: shape.m, k: shape.k };
      const b = { data: drawn(shape.n * shape.k), lines: shape.n, k: shape.k };
      const [rootA, rootB] = [operandRoot(a, shape.profile.slab), operandRoot(b, shape.profile.slab)];
      const { m, n, k, profile } = shape;
      const place = { author: this.#account, fragment: fromHex(fragment.id), step, node, profile: profile.id, m, n, k };
      const pre = preHash(withPreRuntime(header, place));
      const seeds = seedsOf(kappaOf({ ...place, preHash: pre }, shape), rootA, rootB);
      const target = { difficulty: BigInt(template.difficulty), slab: profile.slab, boostPpm: 1_000_000n };
      for (let tj = 0; tj < n / 16; tj++) {
        const tile = { ti: 0, tj, s: 0 };
        const panels = { panelA: panelOf(a, 0, 0, profile.slab), panelB: panelOf(b, tj, 0, profile.slab) };
        if (!wins(evaluateTicket({ profile, seeds, place: tile, ...panels }), target)) continue;
        const opening = encodeOpening(buildOpening(a, b, shape, tile));
        const named = openingHash(opening);
        const signature = this.#key.sign(sealMessage(named, pre));
        return {
          templateId: template.id,
          preRuntime: toHex(PowPreRuntime.enc(place)),
          seal: toHex(PowSeal.enc({ ...tile, rootA, rootB, openingHash: named, signature })),
          opening: toHex(opening),
        };
      }
    }
  }
}

/** The mined node whose operands are soonest hashed. */
function smallest(job: JobJson): { node: number; shape: Shape } {
  const sizes = job.mined_nodes.map(({ m, n, k }) => (m + n) * k);
  const node = sizes.indexOf(Math.min(...sizes));
  const checked = checkShape(job.profile, job.mined_nodes[node] as { m: number; n: number; k: number });
  assert.ok(checked.ok);
  return { node, shape: checked.shape };
}

/** Operands of 7 bits, -64 to 63. */
function drawn(length: number): Int8Array {
  return randomFillSync(new Int8Array(length)).map((byte) => byte >> 1);
}
