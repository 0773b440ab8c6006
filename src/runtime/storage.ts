/**
 * # Storage: what a pallet keeps, by name and by key.
 *
 * Always true: the key of an item is twox128(pallet) ++ twox128(item) ++ hashed keys, as wallets compute it; every
 * hasher here is reversible, so that each map can be listed and its keys read back.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, concat, utf8 } from '../base/bytes.ts';
import { type Codec, Reader } from '../codec/index.ts';
import { blake2_128, twox } from '../crypto/hash.ts';

export type HasherName = 'Blake2128Concat' | 'Twox64Concat' | 'Identity';

/** A map key with a hasher of its own and, where that hasher is not cryptographic, the reason why it may be so. */
export interface HashedKey<T> {
  readonly hasher: HasherName;
  readonly codec: Codec<T>;
  readonly reason: string;
}

/** A bare codec is hashed by Blake2_128Concat: nobody can choose keys that make one branch of the trie deep. */
export type KeyPart<T> = Codec<T> | HashedKey<T>;
export type KeyParts = readonly KeyPart<unknown>[];
type KeyValue<P> = P extends HashedKey<infer T> ? T : P extends Codec<infer T> ? T : never;
/** The key values of a map, in order. */
export type KeyValues<K extends KeyParts> = { -readonly [I in keyof K]: KeyValue<K[I]> };
/** How one key is spelled in a listing: bare for a map of one key, a tuple otherwise. */
export type Listed<K extends KeyParts> = KeyValues<K> extends [infer Only] ? Only : KeyValues<K>;

/** Twox64Concat: three times faster, for keys that no user can choose. */
export function twox64Concat<T>(codec: Codec<T>, reason: string): HashedKey<T> {
  return { hasher: 'Twox64Concat', codec, reason };
}

/** Identity: for keys that are hashes already. */
export function identity<T>(codec: Codec<T>, reason: string): HashedKey<T> {
  return { hasher: 'Identity', codec, reason };
}

/** One value. `G` is what reading gives: `T`, or `T | undefined` where no default is declared. */
export interface ValueItem<T, G> {
  readonly kind: 'value';
  readonly doc: string;
  readonly codec: Codec<T>;
  readonly fallback: G;
}

/** Values by key. */
export interface MapItem<K extends KeyParts, T, G> {
  readonly kind: 'map';
  readonly doc: string;
  readonly keys: K;
  readonly codec: Codec<T>;
  readonly fallback: G;
}

export type StorageItem = ValueItem<unknown, unknown> | MapItem<KeyParts, unknown, unknown>;

/** An item that knows where it lives. */
export type Placed<I> = I & { readonly pallet: string; readonly name: string; readonly prefix: Bytes };
export type PlacedItem = Placed<StorageItem>;

export function value<T>(doc: string, codec: Codec<T>): ValueItem<T, T | undefined>;
export function value<T>(doc: string, codec: Codec<T>, fallback: T): ValueItem<T, T>;
/** Declares one value; with a default it is never absent. */
export function value<T>(doc: string, codec: Codec<T>, fallback?: T): ValueItem<T, T | undefined> {
  return { kind: 'value', doc, codec, fallback };
}

type One<P extends KeyPart<unknown>> = readonly [P];
export function map<const K extends KeyParts, T>(doc: string, keys: K, codec: Codec<T>): MapItem<K, T, T | undefined>;
export function map<const K extends KeyParts, T>(doc: string, keys: K, codec: Codec<T>, fallback: T): MapItem<K, T, T>;
export function map<P extends KeyPart<unknown>, T>(
  doc: string,
  key: P,
  codec: Codec<T>,
): MapItem<One<P>, T, T | undefined>;
export function map<P extends KeyPart<unknown>, T>(
  doc: string,
  key: P,
  codec: Codec<T>,
  fallback: T,
): MapItem<One<P>, T, T>;
/** Declares values by one key or by a list of keys; with a default no key is ever absent. */
export function map(
  doc: string,
  keys: KeyPart<unknown> | KeyParts,
  codec: Codec<unknown>,
  fallback?: unknown,
): MapItem<KeyParts, unknown, unknown> {
  return { kind: 'map', doc, keys: isKeys(keys) ? keys : [keys], codec, fallback };
}

function isKeys(keys: KeyPart<unknown> | KeyParts): keys is KeyParts {
  return Array.isArray(keys);
}

/** The item at its place in the state. */
export function place<I extends StorageItem>(item: I, pallet: string, name: string): Placed<I> {
  return { ...item, pallet, name, prefix: concat(twox(utf8(pallet), 16), twox(utf8(name), 16)) };
}

/** The hasher of a key part. */
export function hasherOf(part: KeyPart<unknown>): HasherName {
  return 'hasher' in part ? part.hasher : 'Blake2128Concat';
}

/** The codec of a key part. */
export function codecOf<T>(part: KeyPart<T>): Codec<T> {
  return 'hasher' in part ? part.codec : part;
}

const HASH_BYTES: Readonly<Record<HasherName, number>> = { Blake2128Concat: 16, Twox64Concat: 8, Identity: 0 };

function hashed(part: KeyPart<unknown>, value: unknown): readonly Bytes[] {
  const bytes = codecOf(part).enc(value);
  switch (hasherOf(part)) {
    case 'Blake2128Concat':
      return [blake2_128(bytes), bytes];
    case 'Twox64Concat':
      return [twox(bytes, 8), bytes];
    case 'Identity':
      return [bytes];
  }
}

/** The full key of an item, or the prefix that fewer keys than declared share. */
export function storageKey(item: PlacedItem, keys: readonly unknown[] = []): Bytes {
  if (item.kind === 'value' || keys.length === 0) return item.prefix;
  assert(keys.length <= item.keys.length, `too many keys for ${item.pallet}.${item.name}`);
  const parts: Bytes[] = [item.prefix];
  for (let i = 0; i < keys.length; i++) parts.push(...hashed(item.keys[i] as KeyPart<unknown>, keys[i]));
  return concat(...parts);
}

/** The keys that a full storage key of a map spells. */
export function keysOf<K extends KeyParts>(item: Placed<MapItem<K, unknown, unknown>>, key: Bytes): KeyValues<K> {
  const from = new Reader(key);
  from.take(item.prefix.length);
  const keys: unknown[] = [];
  for (const part of item.keys) {
    from.take(HASH_BYTES[hasherOf(part)]);
    keys.push(codecOf(part).read(from));
  }
  from.close();
  return keys as KeyValues<K>;
}

/** What can be read: the narrow view of a state that everything outside the executive gets. */
export interface Readable {
  get(key: Bytes): Bytes | undefined;
  /** At most `limit` keys with the prefix, sorted, strictly after `after`. */
  keys(prefix: Bytes, after: Bytes | undefined, limit: number): readonly Bytes[];
}

/** What the executive writes to. */
export interface Writable extends Readable {
  put(key: Bytes, value: Bytes): void;
  delete(key: Bytes): void;
}

// A listing reads this many keys at a time, so that a map of any size needs bounded memory.
const PAGE = 256;

/** Every key with the prefix, in order. Entries that the loop's body deletes or adds behind the cursor are not seen. */
export function* allKeys(state: Readable, prefix: Bytes): Generator<Bytes> {
  let after: Bytes | undefined;
  for (;;) {
    const page = state.keys(prefix, after, PAGE);
    yield* page;
    if (page.length < PAGE) return;
    after = page[page.length - 1];
  }
}
