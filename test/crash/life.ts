/**
 * # Life: a node reduced to what a crash can hurt: the chain machine, a voter and the store on disk, fed with blocks as
 * fast as it takes them. It says each step before it goes on (loader.ts lists the lines).
 */
import { toHex } from '../../src/base/bytes.ts';
import { Chain, type ChainEffect } from '../../src/consensus/chain.ts';
import { keepMemory, keptMemory } from '../../src/consensus/finality/memory.ts';
import type { SignedVote } from '../../src/consensus/finality/round.ts';
import { LevelStore, type StorePoint } from '../../src/state/level/level-store.ts';
import type { BlockRef } from '../../src/state/store.ts';
import { consensusRules, genesis } from '../consensus/world.ts';
import { Ballot } from './ballot.ts';
import { type TrueBlock, timeOf } from './corpus.ts';

/** Undo records that are kept. */
export const PRUNING = 64;

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
  const { dir, blocks, say, onPoint, below } = parts;
  const started = performance.now();
  const store = await LevelStore.open({ dir, genesis, pruning: PRUNING, ...(onPoint ? { onPoint } : {}) });
  const votes: SignedVote[] = [];
  const finality = new Ballot({
    store,
    now: timeOf(store.best.number),
    memory: keptMemory(store),
    persist: (memory) => keepMemory(store, memory),
    say: (vote) => votes.push(vote),
    below,
  });
  const chain = new Chain({ rules: consensusRules, store, finality });
  say(`ready ${store.best.number} ${store.settled.number} ${Math.round(performance.now() - started)}`);
  const flushes: Promise<void>[] = [];
  for (const block of blocks) {
    if (store.number(block.hash) !== undefined || block.number <= store.settled.number) continue;
    say(`import ${block.number}`);
    const at = timeOf(block.number);
    const effects: ChainEffect[] = [...chain.step(at, { type: 'block', block: { ...block, origin: { type: 'own' } } })];
    while (chain.wakeAt() === 0) effects.push(...chain.step(at, { type: 'tick' }));
    flushes.push(perform(parts, store, effects, votes.splice(0)));
    // As in a node the next block does not wait for the disk; here it waits for the write before the last.
    await flushes[flushes.length - 2];
    await new Promise((resolve) => setImmediate(resolve));
  }
  await flushes[flushes.length - 1];
  return store;
}

async function perform(
  { say, plant }: LifeParts,
  store: LevelStore,
  effects: readonly ChainEffect[],
  votes: readonly SignedVote[],
): Promise<void> {
  const finals: BlockRef[] = [];
  let [writes, sync] = [false, votes.length > 0];
  for (const effect of effects) {
    if (effect.type === 'flush') [writes, sync] = [true, sync || effect.sync];
    if (effect.type === 'finalized') finals.push(...effect.blocks.slice(-1));
  }
  if (!writes && votes.length === 0) return;
  const { number } = store.best;
  const tell = (): void => {
    for (const { hash, number } of finals) say(`final ${number} ${toHex(hash)}`);
  };
  const vote = (): void => {
    for (const { round, stage, target } of votes) say(`vote ${round} ${stage} ${target.number} ${toHex(target.hash)}`);
  };
  if (plant === 'vote-first') vote();
  await store.flush(sync && plant !== 'no-sync');
  say(`saved ${number}`);
  tell();
  if (plant !== 'vote-first') vote();
}
