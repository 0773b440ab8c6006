/**
 * # Shape: what a codec's bytes mean, said portably.
 *
 * Always true: a shape alone is enough to describe the type to a foreign client (Substrate metadata V14 to V16) and to
 * know the fewest bytes that a value takes. Equal objects are equal types; a reference is the only way to recurse.
 */
import { unreachable } from '../base/assert.ts';

export type PrimitiveName = 'bool' | 'str' | 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256' | 'i32';

export interface PrimitiveShape {
  readonly kind: 'primitive';
  readonly name: PrimitiveName;
}

export interface CompactShape {
  readonly kind: 'compact';
  readonly of: Shape;
}

export interface SequenceShape {
  readonly kind: 'sequence';
  readonly of: Shape;
}

export interface ArrayShape {
  readonly kind: 'array';
  readonly of: Shape;
  readonly length: number;
}

export interface TupleShape {
  readonly kind: 'tuple';
  readonly of: readonly Shape[];
}

/** A field of a composite or of a variant; a field without a name is positional. */
export interface FieldShape {
  readonly name?: string;
  readonly shape: Shape;
  readonly docs?: readonly string[];
}

/** A type parameter: `T` of `Option<T>`; without a shape it is phantom. */
export interface ParamShape {
  readonly name: string;
  readonly shape?: Shape;
}

export interface CompositeShape {
  readonly kind: 'composite';
  readonly path: readonly string[];
  readonly params: readonly ParamShape[];
  readonly fields: readonly FieldShape[];
  readonly docs: readonly string[];
}

export interface CaseShape {
  readonly name: string;
  readonly index: number;
  readonly fields: readonly FieldShape[];
  readonly docs: readonly string[];
}

export interface VariantShape {
  readonly kind: 'variant';
  readonly path: readonly string[];
  readonly params: readonly ParamShape[];
  readonly cases: readonly CaseShape[];
  readonly docs: readonly string[];
}

/** A type by name, so that a type may contain itself (a call that holds calls). `resolve` always gives one object. */
export interface ReferenceShape {
  readonly kind: 'reference';
  readonly name: string;
  resolve(): Shape;
}

export type Shape =
  | PrimitiveShape
  | CompactShape
  | SequenceShape
  | ArrayShape
  | TupleShape
  | CompositeShape
  | VariantShape
  | ReferenceShape;

/** What a type may say about itself beside its parts. `path` is spelled as in Rust: `sp_core::crypto::AccountId32`. */
export interface Naming {
  readonly path?: string;
  readonly params?: readonly ParamShape[];
  readonly docs?: readonly string[];
}

export const primitive = (name: PrimitiveName): PrimitiveShape => ({ kind: 'primitive', name });

/** A composite of these fields under a name. */
export function composite(fields: readonly FieldShape[], naming: Naming): CompositeShape {
  return { kind: 'composite', ...spelled(naming), fields };
}

/** A variant of these cases under a name. */
export function variantShape(cases: readonly CaseShape[], naming: Naming): VariantShape {
  return { kind: 'variant', ...spelled(naming), cases };
}

/**
 * The fields by which a variant case holds `shape`: a nameless composite gives its named fields, a tuple its positional
 * ones, anything else is one positional field; the empty tuple is a case without fields.
 */
export function fieldsOf(shape: Shape): readonly FieldShape[] {
  if (shape.kind === 'tuple') return shape.of.map((of) => ({ shape: of }));
  if (shape.kind === 'composite' && shape.path.length === 0) return shape.fields;
  return [{ shape }];
}

const PRIMITIVE_BYTES: Readonly<Record<PrimitiveName, number>> = {
  bool: 1,
  str: 1,
  u8: 1,
  u16: 2,
  u32: 4,
  u64: 8,
  u128: 16,
  u256: 32,
  i32: 4,
};

/** The fewest bytes that any value of this shape takes: what a length prefix is checked against before allocating. */
export function leastBytes(shape: Shape): number {
  switch (shape.kind) {
    case 'primitive':
      return PRIMITIVE_BYTES[shape.name];
    case 'compact':
      return leastBytes(shape.of) === 0 ? 0 : 1;
    case 'sequence':
    case 'variant':
    // A reference stands for a type that contains itself, hence a variant or a sequence: one byte at least.
    case 'reference':
      return 1;
    case 'array':
      return shape.length * leastBytes(shape.of);
    case 'tuple':
      return shape.of.reduce((sum, of) => sum + leastBytes(of), 0);
    case 'composite':
      return shape.fields.reduce((sum, field) => sum + leastBytes(field.shape), 0);
    default:
      return unreachable(shape);
  }
}

/** Path segments of a naming, with the defaults filled in. */
export function spelled(naming: Naming): Pick<CompositeShape, 'path' | 'params' | 'docs'> {
  return {
    path: naming.path === undefined ? [] : naming.path.split('::'),
    params: naming.params ?? [],
    docs: naming.docs ?? [],
  };
}
