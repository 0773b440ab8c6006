/** # Root: the one hash that stands for keys and values, or for a list (Polkadot spec, "ordered root"). */
import type { Bytes } from '../../base/bytes.ts';
import { compactU32 } from '../../codec/index.ts';
import { StateTree } from '../tree.ts';
import type { StateVersion } from './node.ts';

/** Root of the trie of these keys and values; of equal keys the last one counts. */
export function trieRoot(entries: Iterable<readonly [Bytes, Bytes]>, version: StateVersion): Bytes {
  return StateTree.from(entries, version).root;
}

/** Root of a list under the keys compact(0), compact(1), …, layout V0: the extrinsics root of a block. */
export function orderedRoot(values: readonly Bytes[]): Bytes {
  return trieRoot(
    values.map((value, index): [Bytes, Bytes] => [compactU32.enc(index), value]),
    0,
  );
}
