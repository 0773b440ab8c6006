/** # Chain folder: which chain a command means, where it lies, and how it is opened without starting a node. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ChainSpec } from '../node/chain-spec.ts';
import { type OfflineChain, openOffline } from '../node/offline.ts';
import { loadSpec } from './spec-source.ts';
import type { Terminal } from './terminal.ts';

export interface ChainOptions {
  readonly chain: string | undefined;
  readonly dev: boolean;
  readonly 'base-path': string | undefined;
  readonly data: string | undefined;
}

export interface ChainPlace {
  readonly spec: ChainSpec;
  readonly basePath: string;
  /** `<base>/chains/<id>` */
  readonly dir: string;
}

/** The chain that the flags name. Throws ChainSpecError or UsageError. */
export function chainPlace(options: ChainOptions): ChainPlace {
  const spec = loadSpec(options.chain ?? (options.dev ? 'dev' : 'local'), options.data);
  const basePath = options['base-path'] ?? join(homedir(), '.maitoken');
  return { spec, basePath, dir: join(basePath, 'chains', spec.id) };
}

/**
 * Runs `work` on the chain and closes it, whatever comes. Whoever only reads leaves `intake` out: every state that is
 * kept can be seen, and none is pruned.
 */
export async function withChain<T>(
  options: ChainOptions,
  terminal: Terminal,
  work: (chain: OfflineChain) => Promise<T> | T,
  intake?: { readonly pruning: number | 'archive' },
): Promise<T> {
  const { spec, basePath } = chainPlace(options);
  const chain = await openOffline({
    spec,
    basePath,
    pruning: intake?.pruning ?? 'archive',
    create: intake !== undefined,
    warn: (text) => terminal.log('warn', text),
  });
  try {
    return await work(chain);
  } finally {
    await chain.store.close();
  }
}
