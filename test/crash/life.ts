/**
 * # Life: a node reduced to what a crash can hurt: the chain machine, its finality and the store on disk, fed with
 * blocks as fast as it takes them. It says each step before it goes on (loader.ts lists the lines).
 */
import { join } from 'node:path';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { Chain, type ChainEffect } from '../../src/consensus/chain.ts';
import { Watermarks } from '../../src/keystore/watermarks.ts';
import { LevelStore, type StorePoint } from '../../src/state/level/level-store.ts';
import type { BlockRef, DurableStore } from '../../src/state/store.ts';
import { consensusRules, GENESIS, genesis } from '../consensus/world.ts';
import { Ballot, linkOf, voteLine } from './ballot.ts';
import { type TrueBlock, timeOf } from './corpus.ts';

/** Undo records that are kept. */
export const PRUNING = 64;
/** Beside anchor and database, as in a node. */
export const MARKS = 'grandpa-votes';

export interface LifeParts {
  readonly dir: string;
  readonly blocks: readonly TrueBlock[];
  readonly say: (line: string) => void;
  readonly onPoint?: (point: StorePoint) => void;
  /** Votes are for the block so far below the best one. */
  readonly below: number;
  /** A bug on purpose: `vote-first` or `no-sync` (loader.ts). */
  readonly plant?: string | undefined;
}

/** Opens the chain and imports what it does not have yet; the open store. Rejects with the error of a failed write. */
export async function grow(parts: LifeParts): Promise<LevelStore> {
  const { dir, blocks, say, onPoint, below, plant } = parts;
  const started = performance.now();
  const store = await LevelStore.open({ dir, genesis, pruning: PRUNING, ...(onPoint ? { onPoint } : {}) });
  const marks = await Watermarks.open(join(dir, MARKS), GENESIS);
  const chain = new Chain({ rules: consensusRules, store, finality: new Ballot(marks, below) });
  const failed = Promise.withResolvers<never>();
  const disk = plant === 'no-sync' ? careless(store) : store;
  const heard = (message: Bytes): void => {
    const line = voteLine(message);
    if (line !== undefined) say(line);
  };
  const link = linkOf(disk, marks, heard, failed.reject);
  const perform = async (effects: readonly ChainEffect[]): Promise<void> => {
    const finals: BlockRef[] = [];
    let written = Promise.resolve();
    for (const effect of effects) {
      if (effect.type === 'flush') written = disk.flush(effect.sync);
      if (effect.type === 'finalized') finals.push(...effect.blocks.slice(-1));
      if (effect.type === 'broadcast' && plant === 'vote-first') heard(effect.message);
      else if (effect.type === 'broadcast' || effect.type === 'persist') link.perform(effect, () => Promise.resolve());
    }
    const { number } = store.best;
    await written;
    say(`saved ${number}`);
    for (const { hash, number } of finals) say(`final ${number} ${toHex(hash)}`);
  };
  say(`ready ${store.best.number} ${store.settled.number} ${Math.round(performance.now() - started)}`);
  const writes: Promise<void>[] = [];
  for (const block of blocks) {
    if (store.number(block.hash) !== undefined || block.number <= store.settled.number) continue;
    say(`import ${block.number}`);
    const at = timeOf(block.number);
    const effects: ChainEffect[] = [...chain.step(at, { type: 'block', block: { ...block, origin: { type: 'own' } } })];
    while (chain.wakeAt() === 0) effects.push(...chain.step(at, { type: 'tick' }));
    writes.push(perform(effects));
    // As in a node the next block does not wait for the disk; here it waits for the write before the last.
    await Promise.race([writes[writes.length - 2], failed.promise]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.race([writes[writes.length - 1], failed.promise]);
  return store;
}

/** The store of a node that takes a write for a synced one. */
function careless(store: LevelStore): DurableStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'flush') return () => target.flush(false);
      const found: unknown = Reflect.get(target, name);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}
