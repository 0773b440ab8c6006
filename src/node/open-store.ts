/** # Open store: the memory of a node's chain, in a folder or in the process, held to the chain spec's checkpoint. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LevelStore } from '../state/level/level-store.ts';
import { MemoryStore } from '../state/level/memory-store.ts';
import type { Base, DurableStore } from '../state/store.ts';
import { ensureCheckpoint } from './checkpoint.ts';
import type { NodeConfig } from './config.ts';
import type { ChainRules } from './rules.ts';

/**
 * Opens the chain in its folder, or creates it there. Where there is nothing but genesis and `warp` finds a block to
 * begin with, the chain begins with that. Throws StoreError, or ChainSpecError for another checkpoint.
 */
export async function openStore(
  config: NodeConfig,
  rules: ChainRules,
  dir: string,
  warp?: () => Promise<Base | undefined>,
): Promise<DurableStore> {
  const found = config.tmp || !existsSync(join(dir, 'db')) ? undefined : await opened(config, rules, dir);
  if (found !== undefined && (warp === undefined || found.best.number > 0)) return found;
  const base = await warp?.();
  if (found !== undefined && base === undefined) return found;
  await found?.close();
  // What was here was genesis, which is in the chain spec.
  for (const name of base === undefined ? [] : ['anchor', 'db'])
    await rm(join(dir, name), { recursive: true, force: true });
  return opened(config, rules, dir, base);
}

async function opened(
  config: NodeConfig,
  { genesis, consensus }: ChainRules,
  dir: string,
  base?: Base,
): Promise<DurableStore> {
  const { pruning, dbCacheBytes, tmp } = config;
  const cache = dbCacheBytes === undefined ? {} : { cacheBytes: dbCacheBytes };
  const begin = base === undefined ? {} : { base };
  const store = tmp
    ? MemoryStore.create(genesis, pruning, base)
    : await LevelStore.open({ dir, genesis, pruning, ...cache, ...begin });
  try {
    ensureCheckpoint({ consensus }, store);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
