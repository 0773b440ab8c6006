/** # Stored chain: a dev chain with some blocks in a folder, made by a node that mined them and stopped. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { DevMiner, easySpec as easySpecText, lonelyNode } from '../rpc/dev-node.ts';

/** Writes the dev spec with the least difficulty there is into `dir`; its path. */
export function easySpec(dir: string): string {
  const path = join(dir, 'easy.json');
  writeFileSync(path, easySpecText());
  return path;
}

/** A node of that spec on disk, alone in the world. */
export function storedNode(dir: string, more: Partial<NodeConfig> = {}): Promise<RunningNode> {
  const specSource = easySpec(dir);
  const spec = parseChainSpec(easySpecText(), specSource);
  return lonelyNode(join(dir, 'base'), { spec, specSource, ...more });
}

/** Mines until the chain has this many blocks. */
export async function mineTo(node: RunningNode, blocks: number): Promise<void> {
  const miner = new DevMiner(`ws://127.0.0.1:${node.rpcPort}`);
  while (node.store.best.number < blocks) await new Promise((done) => setTimeout(done, 50));
  miner.stop();
}
