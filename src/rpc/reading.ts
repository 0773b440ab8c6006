/** # Reading: the block and the state that a call speaks of. */
import { type Bytes, equal } from '../base/bytes.ts';
import type { BlockRef } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import { prunedState, unknownBlock } from './errors.ts';
import { toHex } from './hex.ts';
import type { CallContext } from './registry.ts';

/** The block that an optional hash names: the best one if absent. Throws UnknownBlock. */
export function blockAt({ backend }: CallContext, at: Bytes | undefined): BlockRef {
  const { best } = backend.store;
  if (at === undefined || equal(at, best.hash)) return best;
  const number = backend.store.number(at);
  if (number === undefined) throw unknownBlock(toHex(at));
  return { hash: at, number };
}

type Use<T> = (view: StateTree, block: BlockRef) => T;

/** Reads little from the state after a block. States below the settled one are made again, which takes a turn. */
export function read<T>(context: CallContext, at: Bytes | undefined, use: Use<T>): T | Promise<T> {
  const block = blockAt(context, at);
  if (block.number < context.backend.store.settled.number) return readMuch(context, at, use);
  return use(viewOf(context, block), block);
}

/** Reads from the state after a block when its turn has come: for what can take longer than a millisecond. */
export function readMuch<T>(context: CallContext, at: Bytes | undefined, use: Use<T>): Promise<T> {
  return context.turns.run(() => {
    const block = blockAt(context, at);
    return use(viewOf(context, block), block);
  });
}

/** The state after a block. Throws when it was discarded. */
export function viewOf({ backend }: CallContext, block: BlockRef): StateTree {
  const view = backend.store.view(block.hash);
  if (!view) throw prunedState(toHex(block.hash));
  return view;
}
