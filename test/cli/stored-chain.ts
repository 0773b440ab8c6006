/** # Stored chain: a dev chain with some blocks in a folder, made by a node that mined them and stopped. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { type RunningNode, startNode } from '../../src/node/node.ts';
import { DevMiner } from '../rpc/dev-node.ts';

/** Writes the dev spec with the least difficulty there is into `dir`; its path. */
export function easySpec(dir: string): string {
  const file = JSON.parse(readFileSync(join(import.meta.dirname, '../../genesis/dev.json'), 'utf8'));
  file.consensus.initialDifficulty = String(2 ** 20);
  file.consensus.blockTimeMs = 400;
  const path = join(dir, 'easy.json');
  writeFileSync(path, JSON.stringify(file));
  return path;
}

/** A node of that spec on disk, alone in the world. */
export async function storedNode(dir: string, more: Partial<NodeConfig> = {}): Promise<RunningNode> {
  await installFastPaths();
  const spec = easySpec(dir);
  const config: NodeConfig = {
    spec: parseChainSpec(readFileSync(spec, 'utf8'), spec),
    specSource: spec,
    basePath: join(dir, 'base'),
    tmp: false,
    name: 'test',
    validator: false,
    identity: undefined,
    minerThreads: 0,
    checker: false,
    rpc: {
      port: 0,
      host: '127.0.0.1',
      unsafe: false,
      cors: [],
      maxConnections: 100,
      maxRequestBytes: 1_048_576,
      maxSubscriptions: 256,
    },
    p2p: {
      listen: ['/ip4/127.0.0.1/tcp/0'],
      publicAddresses: [],
      bootnodes: [],
      reservedNodes: [],
      reservedOnly: true,
      inPeers: 0,
      outPeers: 0,
      mdns: false,
      nodeKey: new Uint8Array(32).fill(7),
    },
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
  });
}

/** Mines until the chain has this many blocks. */
export async function mineTo(node: RunningNode, blocks: number): Promise<void> {
  const miner = new DevMiner(`ws://127.0.0.1:${node.rpcPort}`);
  while (node.store.best.number < blocks) await new Promise((done) => setTimeout(done, 50));
  miner.stop();
}
