/** # Open store: the memory of a node's chain, in a folder or in the process, held to the chain spec's checkpoint. */
import { LevelStore } from '../state/level/level-store.ts';
import { MemoryStore } from '../state/level/memory-store.ts';
import type { DurableStore } from '../state/store.ts';
import { ensureCheckpoint } from './checkpoint.ts';
import type { NodeConfig } from './config.ts';
import type { ChainRules } from './rules.ts';

/** Opens the chain in its folder, or creates it there. Throws StoreError, or ChainSpecError for another checkpoint. */
export async function openStore(config: NodeConfig, rules: ChainRules, dir: string): Promise<DurableStore> {
  const { pruning, dbCacheBytes, tmp } = config;
  const { genesis } = rules;
  const cache = dbCacheBytes === undefined ? {} : { cacheBytes: dbCacheBytes };
  const store = tmp ? MemoryStore.create(genesis, pruning) : await LevelStore.open({ dir, genesis, pruning, ...cache });
  try {
    ensureCheckpoint(rules, store);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
