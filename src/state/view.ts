/** # View: what anybody may see of a state: values, keys in order, one root. Nothing that is seen ever changes. */
import type { Bytes } from '../base/bytes.ts';

/** One state of the chain. */
export interface StateView {
  /** The state root, as in the header of the block that led here. */
  readonly root: Bytes;
  /** The value under a key. */
  get(key: Bytes): Bytes | undefined;
  /** Keys that begin with `prefix`, in order, strictly after `after`, at most `limit` of them. */
  keys(prefix: Bytes, after: Bytes | undefined, limit: number): Bytes[];
}

/** New values by key (`keyOf` in key.ts); null removes the key. */
export type ChangeSet = ReadonlyMap<string, Bytes | null>;
