/** # Compounds: codecs made of codecs; order of fields and cases is the order in which they are written down. */
import { assert, must } from '../base/assert.ts';
import { type Codec, CodecError, codec, type Of, type Reader } from './codec.ts';
import { fixed } from './scalars.ts';
import { composite, fieldsOf, leastBytes, type Naming, type Shape, spelled, variantShape } from './shape.ts';

type AnyCodec = Codec<unknown>;

/** Vec<T>, of at most `max` items where a bound is given. Items without bytes need a bound. */
export function vec<T>(item: Codec<T>, max = 0xffff_ffff): Codec<T[]> {
  const least = leastBytes(item.shape);
  assert(least > 0 || max < 0xffff_ffff, 'a sequence of empty items needs a bound');
  return codec<T[]>(
    { kind: 'sequence', of: item.shape },
    (out, value) => {
      if (value.length > max) throw new CodecError('length');
      out.compactU32(value.length);
      for (const one of value) item.write(out, one);
    },
    (from) => {
      const length = from.length(least);
      if (length > max) from.fail('length');
      const value: T[] = [];
      for (let i = 0; i < length; i++) value.push(item.read(from));
      return value;
    },
  );
}

/** [T; length]. */
export function array<T>(item: Codec<T>, length: number): Codec<T[]> {
  return codec<T[]>(
    { kind: 'array', of: item.shape, length },
    (out, value) => {
      if (value.length !== length) throw new CodecError('length');
      for (const one of value) item.write(out, one);
    },
    (from) => {
      const value: T[] = [];
      for (let i = 0; i < length; i++) value.push(item.read(from));
      return value;
    },
  );
}

/** Option<T>, where None is undefined. (polkadot-js packs Option<bool> into one byte: do not hand it one.) */
export function option<T>(some: Codec<T>): Codec<T | undefined> {
  const shape = variantShape(
    [
      { name: 'None', index: 0, fields: [], docs: [] },
      { name: 'Some', index: 1, fields: [{ shape: some.shape }], docs: [] },
    ],
    { path: 'Option', params: [{ name: 'T', shape: some.shape }] },
  );
  return codec<T | undefined>(
    shape,
    (out, value) => {
      out.u8(value === undefined ? 0 : 1);
      if (value !== undefined) some.write(out, value);
    },
    (from) => {
      const tag = from.u8();
      if (tag > 1) from.fail('option');
      return tag === 0 ? undefined : some.read(from);
    },
  );
}

export type Result<T, E> = { readonly type: 'Ok'; readonly value: T } | { readonly type: 'Err'; readonly value: E };

/** Result<T, E>. */
export function result<T, E>(ok: Codec<T>, err: Codec<E>): Codec<Result<T, E>> {
  const shape = variantShape(
    [
      { name: 'Ok', index: 0, fields: [{ shape: ok.shape }], docs: [] },
      { name: 'Err', index: 1, fields: [{ shape: err.shape }], docs: [] },
    ],
    {
      path: 'Result',
      params: [
        { name: 'T', shape: ok.shape },
        { name: 'E', shape: err.shape },
      ],
    },
  );
  return codec<Result<T, E>>(
    shape,
    (out, value) => {
      out.u8(value.type === 'Ok' ? 0 : 1);
      if (value.type === 'Ok') ok.write(out, value.value);
      else err.write(out, value.value);
    },
    (from) => {
      const tag = from.u8();
      if (tag > 1) from.fail('variant');
      return tag === 0 ? { type: 'Ok', value: ok.read(from) } : { type: 'Err', value: err.read(from) };
    },
  );
}

type TupleOf<C extends readonly AnyCodec[]> = { -readonly [K in keyof C]: Of<C[K]> };

/** (A, B, ..). */
export function tuple<const C extends readonly AnyCodec[]>(...items: C): Codec<TupleOf<C>> {
  return codec<TupleOf<C>>(
    { kind: 'tuple', of: items.map((item) => item.shape) },
    (out, value) => {
      if (value.length !== items.length) throw new CodecError('length');
      for (let i = 0; i < items.length; i++) (items[i] as AnyCodec).write(out, value[i]);
    },
    (from) => {
      const value: unknown[] = [];
      for (const item of items) value.push(item.read(from));
      return value as TupleOf<C>;
    },
  );
}

type Fields = Readonly<Record<string, AnyCodec>>;
type StructOf<F extends Fields> = { -readonly [K in keyof F]: Of<F[K]> };

/** A struct: its fields one after the other, in the order given. */
export function struct<F extends Fields>(fields: F, naming: Naming = {}): Codec<StructOf<F>> {
  const names = Object.keys(fields);
  // JavaScript moves integer-like keys to the front: such a name would silently change the order.
  assert(!names.some((name) => /^\d+$/.test(name)), 'a field name that is a number');
  const codecs = names.map((name) => fields[name] as AnyCodec);
  const shape = composite(
    names.map((name, i) => ({ name, shape: (codecs[i] as AnyCodec).shape })),
    naming,
  );
  return codec<StructOf<F>>(
    shape,
    (out, value) => {
      for (let i = 0; i < names.length; i++) (codecs[i] as AnyCodec).write(out, value[names[i] as keyof F]);
    },
    (from) => {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) value[names[i] as string] = (codecs[i] as AnyCodec).read(from);
      return value as StructOf<F>;
    },
  );
}

type Cases = Readonly<Record<string, AnyCodec | readonly [index: number, of: AnyCodec]>>;
type CaseOf<C> = C extends readonly [number, infer Inner] ? Of<Inner> : Of<C>;
type Case<K, T> = [T] extends [undefined]
  ? { readonly type: K; readonly value?: undefined }
  : { readonly type: K; readonly value: T };
export type VariantOf<C extends Cases> = { [K in keyof C]: Case<K, CaseOf<C[K]>> }[keyof C];

export interface VariantNaming extends Naming {
  /** Docs of single cases, by name. */
  readonly caseDocs?: Readonly<Record<string, readonly string[]>>;
}

/**
 * An enum. A case is a codec (index = its position) or `[index, codec]`; values are `{ type: 'Name', value }`. A case
 * over a nameless struct has named fields, over a tuple positional ones, over `unit` none.
 */
export function variant<C extends Cases>(cases: C, naming: VariantNaming = {}): Codec<VariantOf<C>> {
  const entries = Object.entries(cases).map(([name, of], position) => {
    const [index, inner] = isIndexed(of) ? of : [position, of];
    return { name, index, inner };
  });
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const byIndex: ((typeof entries)[number] | undefined)[] = [];
  for (const entry of entries) {
    assert(Number.isInteger(entry.index) && entry.index >= 0 && entry.index < 256, 'index of a case');
    assert(byIndex[entry.index] === undefined, 'two cases with one index');
    byIndex[entry.index] = entry;
  }
  const shape = variantShape(
    entries.map(({ name, index, inner }) => ({
      name,
      index,
      fields: fieldsOf(inner.shape),
      docs: naming.caseDocs?.[name] ?? [],
    })),
    naming,
  );
  return codec<VariantOf<C>>(
    shape,
    (out, value) => {
      const entry = byName.get(value.type as string);
      if (entry === undefined) throw new CodecError('variant');
      out.u8(entry.index);
      entry.inner.write(out, value.value);
    },
    (from) => {
      const entry = byIndex[from.u8()];
      if (entry === undefined) return from.fail('variant');
      return { type: entry.name, value: entry.inner.read(from) } as unknown as VariantOf<C>;
    },
  );
}

function isIndexed(of: AnyCodec | readonly [number, AnyCodec]): of is readonly [number, AnyCodec] {
  return Array.isArray(of);
}

/**
 * The same bytes under a portable name. A nameless struct or variant takes the name; anything else becomes a struct of
 * one positional field (`AccountId32` over `[u8; 32]`).
 */
export function named<T>(path: string, inner: Codec<T>, naming: Omit<Naming, 'path'> = {}): Codec<T> {
  const { shape } = inner;
  const nameless = (shape.kind === 'composite' || shape.kind === 'variant') && shape.path.length === 0;
  if (!nameless) return reshaped(composite([{ shape }], { ...naming, path }), inner);
  const said = spelled({ ...naming, path });
  return reshaped({ ...shape, ...said, docs: said.docs.length > 0 ? said.docs : shape.docs }, inner);
}

/** The same bytes, described by another shape: for types that foreign clients know under a shape of their own. */
export function reshaped<T>(shape: Shape, inner: Codec<T>): Codec<T> {
  return codec<T>(
    shape,
    (out, value) => inner.write(out, value),
    (from) => inner.read(from),
  );
}

/** The same bytes under another value. `decode` may refuse by `from.fail('value')`; it and `encode` are inverse. */
export function mapped<T, U>(
  inner: Codec<T>,
  to: { decode(value: T, from: Reader): U; encode(value: U): T },
): Codec<U> {
  return codec<U>(
    inner.shape,
    (out, value) => inner.write(out, to.encode(value)),
    (from) => to.decode(inner.read(from), from),
  );
}

/** A codec by name that is made later, so that a type may contain itself; nesting is bounded by the reader (256). */
export function lazy<T>(name: string, make: () => Codec<T>): Codec<T> {
  const made: { codec?: Codec<T> } = {};
  const resolve = (): Codec<T> => {
    made.codec ??= make();
    return must(made.codec, 'a lazy codec');
  };
  return codec<T>(
    { kind: 'reference', name, resolve: () => resolve().shape },
    (out, value) => resolve().write(out, value),
    (from) => from.deeper(() => resolve().read(from)),
  );
}

/** `inner` as a length-prefixed byte string that it must fill exactly. */
export function opaque<T>(inner: Codec<T>): Codec<T> {
  return codec<T>(
    { kind: 'sequence', of: { kind: 'primitive', name: 'u8' } },
    (out, value) => {
      const bytes = inner.enc(value);
      out.compactU32(bytes.length);
      out.raw(bytes);
    },
    (from) => from.within(from.length(1), () => inner.read(from)),
  );
}

/** 32 bytes of a hash, known to clients as primitive_types::H256. */
export const hash = named('primitive_types::H256', fixed(32));
