/** # Root: the one hash that stands for a list (Polkadot spec, "ordered root"). */
import type { Bytes } from '../../base/bytes.ts';
import { finish, type Work } from '../../base/work.ts';
import { compactU32 } from '../../codec/index.ts';
import { keyOf } from '../key.ts';
import { KEYS_A_PIECE, StateTree } from '../tree.ts';

/** Root of a list under the keys compact(0), compact(1), …, layout V0: the extrinsics root of a block. */
export function orderedRoot(values: readonly Bytes[]): Bytes {
  return finish(orderedRootWork(values));
}

/** `orderedRoot` in pieces. */
export function* orderedRootWork(values: readonly Bytes[]): Work<Bytes> {
  const changes = new Map<string, Bytes>();
  for (const [index, value] of values.entries()) {
    // All keys of a full block at once take 40 ms of cold code.
    if (index % KEYS_A_PIECE === KEYS_A_PIECE - 1) yield;
    changes.set(keyOf(compactU32.enc(index)), value);
  }
  return (yield* StateTree.empty(0).changing(changes)).root;
}
