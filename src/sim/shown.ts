/** # Shown: a node's chain as others are told of it: all of it, but for what a vice hides. */
import { must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { parentBlock } from '../consensus/meta.ts';
import type { BlockSource } from '../sync/blocks.ts';
import type { Status } from '../sync/messages.ts';
import type { SimNode } from './node.ts';

/** The blocks that a node hands out. */
export function shownBlocks(node: SimNode): BlockSource {
  const { vice, machines } = node;
  const { store } = machines;
  if (vice?.hides === undefined) return store;
  const isHidden = (hash: Bytes | undefined) => hash !== undefined && vice.hides?.(node, hash) === true;
  return {
    canonical: (number) => (isHidden(store.canonical(number)) ? undefined : store.canonical(number)),
    number: (hash) => (isHidden(hash) ? undefined : store.number(hash)),
    parent: (hash) => store.parent(hash),
    header: (hash) => (isHidden(hash) ? undefined : store.header(hash)),
    body: (hash) => (isHidden(hash) ? undefined : store.body(hash)),
    opening: (hash) => (isHidden(hash) ? undefined : store.opening(hash)),
    justification: (hash) => store.justification(hash),
  };
}

/** What a node says of itself to who connects. */
export function shownStatus(node: SimNode): Status {
  const { chain, store } = node.machines;
  const finalized = chain.finalized();
  let { hash, number } = chain.best();
  while (node.vice?.hides?.(node, hash) === true && number > finalized.number) {
    hash = must(store.parent(hash), 'a block has a parent');
    number--;
  }
  const { totalDifficulty } = parentBlock(store, hash).meta;
  return {
    genesis: node.place.world.genesis.hash,
    bestNumber: number,
    bestHash: hash,
    totalDifficulty,
    finalizedNumber: finalized.number,
    finalizedHash: finalized.hash,
    time: BigInt(node.wall),
  };
}
