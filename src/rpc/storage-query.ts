/**
 * # Storage query: the items of `chainHead_v1_storage` and `archive_v1_storage`, a page at a time.
 *
 * Always true: a page is at most PAGE items, read in one turn of the line (turns.ts); the queries run on one immutable
 * state, in the order that they were asked.
 */
import type { Bytes } from '../base/bytes.ts';
import { blake2_256 } from '../crypto/hash.ts';
import type { StateTree } from '../state/tree.ts';
import { toHex } from './hex.ts';
import { bytes, key, list, named, object, oneOf, optional, type Param } from './params.ts';

/** Items of one event. */
const PAGE = 256;
/** Queries of one call. */
const MAX_QUERIES = 1_000;

const TYPES = ['value', 'hash', 'closestDescendantMerkleValue', 'descendantsValues', 'descendantsHashes'] as const;
type QueryType = (typeof TYPES)[number];

export interface StorageQuery {
  readonly key: Bytes;
  readonly type: QueryType;
  /** Of descendants: those after this key. */
  readonly paginationStartKey?: Bytes | undefined;
}

const item = object({ key, type: oneOf(TYPES), paginationStartKey: optional(bytes) }).refine(
  ({ type, paginationStartKey }) => paginationStartKey === undefined || type.startsWith('descendants'),
  'paginationStartKey: expected with descendants only',
);

/** A list of `{key, type}`, for descendants with the key after which to begin. */
export const storageQueries: Param<StorageQuery[]> = named('items', list(item, MAX_QUERIES));

export interface StorageItem {
  readonly key: string;
  readonly value?: string;
  readonly hash?: string;
  readonly closestDescendantMerkleValue?: string;
}

/** Pages of the answers: each step of the iterator reads one. */
export function* storagePages(view: StateTree, queries: readonly StorageQuery[]): Generator<StorageItem[]> {
  let page: StorageItem[] = [];
  for (const query of queries) {
    for (const found of itemsOf(view, query)) {
      page.push(found);
      if (page.length < PAGE) continue;
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

function* itemsOf(view: StateTree, { key, type, paginationStartKey }: StorageQuery): Generator<StorageItem> {
  if (type === 'closestDescendantMerkleValue') {
    const value = view.merkleValue(key);
    if (value) yield { key: toHex(key), closestDescendantMerkleValue: toHex(value) };
    return;
  }
  const isHash = type === 'hash' || type === 'descendantsHashes';
  if (type === 'value' || type === 'hash') {
    const value = view.get(key);
    if (value) yield itemOf(key, value, isHash);
    return;
  }
  let after = paginationStartKey;
  do {
    const keys = view.keys(key, after, PAGE);
    for (const found of keys) yield itemOf(found, view.get(found) as Bytes, isHash);
    after = keys.length < PAGE ? undefined : keys.at(-1);
  } while (after);
}

function itemOf(key: Bytes, value: Bytes, isHash: boolean): StorageItem {
  return isHash ? { key: toHex(key), hash: toHex(blake2_256(value)) } : { key: toHex(key), value: toHex(value) };
}
