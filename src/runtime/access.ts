/**
 * # Access: how rules and readers reach storage items, typed by their declarations.
 *
 * Always true: a reader cannot write, and a default is given for an absent key, never stored. Values are read as
 * copies: whoever changes one must put it back.
 */
import { must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import { arithmeticError } from './errors.ts';
import {
  allKeys,
  type KeyParts,
  type KeyValues,
  keysOf,
  type Listed,
  type MapItem,
  type Placed,
  type PlacedItem,
  type Readable,
  type StorageItem,
  storageKey,
  type ValueItem,
  type Writable,
} from './storage.ts';

/** The leading keys of a map: none, some or all. */
export type Leading<T extends readonly unknown[]> = T extends [infer First, ...infer Rest]
  ? [] | [First, ...Leading<Rest>]
  : [];

export interface ValueReader<G> {
  get(): G;
  has(): boolean;
}

export interface MapReader<K extends KeyParts, T, G> {
  get(...keys: KeyValues<K>): G;
  has(...keys: KeyValues<K>): boolean;
  /** The keys under a prefix, in the order of the state (by hashed key): the same on every node. */
  keys(...prefix: Leading<KeyValues<K>>): Generator<Listed<K>>;
  entries(...prefix: Leading<KeyValues<K>>): Generator<[Listed<K>, T]>;
  /** At most `limit` entries in that order, strictly after a key: for walks that go on in a later block. */
  page(limit: number, after?: KeyValues<K>): [Listed<K>, T][];
}

export interface ValueAccess<T, G> extends ValueReader<G> {
  put(value: T): void;
  delete(): void;
  /** Puts what `change` makes of the present value and returns it. */
  mutate(change: (value: G) => T): T;
  /** Reads and deletes. */
  take(): G;
}

export interface MapAccess<K extends KeyParts, T, G> extends MapReader<K, T, G> {
  put(...keysAndValue: [...keys: KeyValues<K>, value: T]): void;
  delete(...keys: KeyValues<K>): void;
  mutate(...keysAndChange: [...keys: KeyValues<K>, change: (value: G) => T]): T;
  take(...keys: KeyValues<K>): G;
  /** Deletes everything under a prefix; returns how many there were. */
  clear(...prefix: Leading<KeyValues<K>>): number;
}

type Items = Readonly<Record<string, StorageItem>>;

/** Read-only access to the items of a pallet. */
export type StateReader<S extends Items> = {
  readonly [N in keyof S]: S[N] extends ValueItem<unknown, infer G>
    ? ValueReader<G>
    : S[N] extends MapItem<infer K, infer T, infer G>
      ? MapReader<K, T, G>
      : never;
};

/** Access to the items of a pallet from its rules. */
export type StateAccess<S extends Items> = {
  readonly [N in keyof S]: S[N] extends ValueItem<infer T, infer G>
    ? ValueAccess<T, G>
    : S[N] extends MapItem<infer K, infer T, infer G>
      ? MapAccess<K, T, G>
      : never;
};

/** The key of an item under these key values; executives cache it, readers compute it. */
export type KeyMaker = (item: PlacedItem, keys: readonly unknown[]) => Bytes;

class Read {
  protected readonly item: PlacedItem;
  protected readonly state: Readable;
  protected readonly key: KeyMaker;

  constructor(item: PlacedItem, state: Readable, key: KeyMaker) {
    this.item = item;
    this.state = state;
    this.key = key;
  }

  get(...keys: unknown[]): unknown {
    const bytes = this.state.get(this.key(this.item, keys));
    return bytes === undefined ? this.item.fallback : this.item.codec.dec(bytes);
  }

  has(...keys: unknown[]): boolean {
    return this.state.get(this.key(this.item, keys)) !== undefined;
  }

  *keys(...prefix: unknown[]): Generator<unknown> {
    for (const key of allKeys(this.state, storageKey(this.item, prefix))) yield this.listed(key);
  }

  *entries(...prefix: unknown[]): Generator<[unknown, unknown]> {
    for (const key of allKeys(this.state, storageKey(this.item, prefix))) {
      const bytes = this.state.get(key);
      if (bytes !== undefined) yield [this.listed(key), this.item.codec.dec(bytes)];
    }
  }

  page(limit: number, after?: readonly unknown[]): [unknown, unknown][] {
    const last = after === undefined ? undefined : storageKey(this.item, after);
    return this.state.keys(this.item.prefix, last, limit).map((key) => {
      const bytes = must(this.state.get(key), 'a listed key has a value');
      return [this.listed(key), this.item.codec.dec(bytes)];
    });
  }

  private listed(key: Bytes): unknown {
    if (this.item.kind === 'value') return undefined;
    const keys: readonly unknown[] = keysOf(this.item, key);
    return keys.length === 1 ? keys[0] : keys;
  }
}

class Access extends Read {
  private readonly store: Writable;

  constructor(item: PlacedItem, store: Writable, key: KeyMaker) {
    super(item, store, key);
    this.store = store;
  }

  put(...keysAndValue: unknown[]): void {
    const value = keysAndValue.pop();
    this.store.put(this.key(this.item, keysAndValue), this.encoded(value));
  }

  delete(...keys: unknown[]): void {
    this.store.delete(this.key(this.item, keys));
  }

  mutate(...keysAndChange: unknown[]): unknown {
    const change = keysAndChange.pop() as (value: unknown) => unknown;
    const key = this.key(this.item, keysAndChange);
    const bytes = this.store.get(key);
    const next = change(bytes === undefined ? this.item.fallback : this.item.codec.dec(bytes));
    this.store.put(key, this.encoded(next));
    return next;
  }

  /** A call that reckons what its type cannot hold, a sum below zero, has failed: it must not stop every node. */
  private encoded(value: unknown): Bytes {
    try {
      return this.item.codec.enc(value);
    } catch (error) {
      // What is written follows from the state and the call alone: each node sees the same failure.
      if (error instanceof CodecError) throw arithmeticError('Overflow');
      throw error;
    }
  }

  take(...keys: unknown[]): unknown {
    const value = this.get(...keys);
    this.delete(...keys);
    return value;
  }

  clear(...prefix: unknown[]): number {
    let count = 0;
    for (const key of allKeys(this.store, storageKey(this.item, prefix))) {
      this.store.delete(key);
      count++;
    }
    return count;
  }
}

type PlacedItems = Readonly<Record<string, PlacedItem>>;

/** Typed writers for the items of a pallet. */
export function accessors<S extends Items>(items: PlacedItems, store: Writable, key: KeyMaker): StateAccess<S> {
  const out: Record<string, Access> = {};
  for (const name of Object.keys(items)) out[name] = new Access(items[name] as PlacedItem, store, key);
  return out as unknown as StateAccess<S>;
}

/** Typed readers for the items of a pallet, over any view of a state: what RPC, consensus and miners use. */
export function reader<S extends Items>(
  declared: { readonly storage: { [N in keyof S]: Placed<S[N]> } },
  view: Readable,
) {
  const items = declared.storage as unknown as PlacedItems;
  const out: Record<string, Read> = {};
  for (const name of Object.keys(items)) out[name] = new Read(items[name] as PlacedItem, view, storageKey);
  return out as unknown as StateReader<S>;
}

/** One read of one item: `readStorage(view, System.storage.Account, who)`. */
export function readStorage<G>(view: Readable, item: Placed<ValueItem<unknown, G>>): G;
export function readStorage<K extends KeyParts, G>(
  view: Readable,
  item: Placed<MapItem<K, unknown, G>>,
  ...keys: KeyValues<K>
): G;
export function readStorage(view: Readable, item: PlacedItem, ...keys: unknown[]): unknown {
  return new Read(item, view, storageKey).get(...keys);
}
