/** # Root: the one hash that stands for a list (Polkadot spec, "ordered root"). */
import type { Bytes } from '../../base/bytes.ts';
import { finish, type Work } from '../../base/work.ts';
import { compactU32 } from '../../codec/index.ts';
import { keyOf } from '../key.ts';
import { StateTree } from '../tree.ts';

/** Root of a list under the keys compact(0), compact(1), …, layout V0: the extrinsics root of a block. */
export function orderedRoot(values: readonly Bytes[]): Bytes {
  return finish(orderedRootWork(values));
}

/** `orderedRoot` in pieces. */
export function* orderedRootWork(values: readonly Bytes[]): Work<Bytes> {
  const changes = new Map(values.map((value, index) => [keyOf(compactU32.enc(index)), value]));
  return (yield* StateTree.empty(0).changing(changes)).root;
}
