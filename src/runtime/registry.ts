/**
 * # Registry: shapes as the portable types of Substrate's metadata.
 *
 * Always true: equal shapes get one id; a type that contains itself gets its id before its parts are looked at.
 */
import { must, unreachable } from '../base/assert.ts';
import type { FieldShape, ParamShape, Shape } from '../codec/index.ts';

interface Field {
  readonly name: string | undefined;
  readonly type: number;
  readonly typeName: string | undefined;
  readonly docs: string[];
}

/** A field of the metadata codec's union: `tag` names the case. */
type Definition =
  | { readonly tag: 'composite'; readonly value: Field[] }
  | {
      readonly tag: 'variant';
      readonly value: {
        readonly name: string;
        readonly fields: Field[];
        readonly index: number;
        readonly docs: string[];
      }[];
    }
  | { readonly tag: 'sequence' | 'compact'; readonly value: number }
  | { readonly tag: 'array'; readonly value: { readonly len: number; readonly type: number } }
  | { readonly tag: 'tuple'; readonly value: number[] }
  | { readonly tag: 'primitive'; readonly value: { readonly tag: PrimitiveTag; readonly value: undefined } };
type PrimitiveTag = 'bool' | 'str' | 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256' | 'i32';

export interface PortableType {
  readonly id: number;
  readonly path: string[];
  readonly params: { readonly name: string; readonly type: number | undefined }[];
  readonly def: Definition;
  readonly docs: string[];
}

/** Collects types. `known` gives shapes to references that only the runtime can resolve. */
export class Registry {
  private readonly known: ReadonlyMap<string, Shape>;
  private readonly types: (PortableType | undefined)[] = [];
  private readonly ids = new Map<string, number>();
  private readonly keys = new Map<Shape, string>();

  constructor(known: ReadonlyMap<string, Shape> = new Map()) {
    this.known = known;
  }

  /** The id of a shape's type. */
  id(shape: Shape): number {
    const key = this.key(shape);
    const present = this.ids.get(key);
    if (present !== undefined) return present;
    const id = this.types.length;
    this.ids.set(key, id);
    this.types.push(undefined);
    this.types[id] = this.portable(id, this.resolve(shape));
    return id;
  }

  /** All types, by id. */
  lookup(): PortableType[] {
    return this.types.map((type) => must(type, 'a type without definition'));
  }

  private resolve(shape: Shape): Shape {
    return shape.kind === 'reference' ? (this.known.get(shape.name) ?? shape.resolve()) : shape;
  }

  private portable(id: number, shape: Shape): PortableType {
    const named = shape.kind === 'composite' || shape.kind === 'variant';
    return {
      id,
      path: named ? [...shape.path] : [],
      params: named ? shape.params.map((param) => this.param(param)) : [],
      def: this.definition(shape),
      docs: named ? [...shape.docs] : [],
    };
  }

  private param({ name, shape }: ParamShape): PortableType['params'][number] {
    return { name, type: shape === undefined ? undefined : this.id(shape) };
  }

  private field({ name, shape, docs }: FieldShape): Field {
    return { name, type: this.id(shape), typeName: undefined, docs: [...(docs ?? [])] };
  }

  private definition(shape: Shape): Definition {
    switch (shape.kind) {
      case 'primitive':
        return { tag: 'primitive', value: { tag: shape.name, value: undefined } };
      case 'compact':
        return { tag: 'compact', value: this.id(shape.of) };
      case 'sequence':
        return { tag: 'sequence', value: this.id(shape.of) };
      case 'array':
        return { tag: 'array', value: { len: shape.length, type: this.id(shape.of) } };
      case 'tuple':
        return { tag: 'tuple', value: shape.of.map((of) => this.id(of)) };
      case 'composite':
        return { tag: 'composite', value: shape.fields.map((field) => this.field(field)) };
      case 'variant':
        return {
          tag: 'variant',
          value: shape.cases.map(({ name, fields, index, docs }) => ({
            name,
            fields: fields.map((field) => this.field(field)),
            index,
            docs: [...docs],
          })),
        };
      case 'reference':
        return this.definition(this.resolve(shape));
      default:
        return unreachable(shape);
    }
  }

  /** A string that equal shapes share. A reference is its name, and so is the type that it stands for. */
  private key(shape: Shape): string {
    let key = this.keys.get(shape);
    if (key === undefined) this.keys.set(shape, (key = this.spell(shape)));
    return key;
  }

  private spell(shape: Shape): string {
    switch (shape.kind) {
      case 'primitive':
        return shape.name;
      case 'compact':
        return `compact<${this.key(shape.of)}>`;
      case 'sequence':
        return `[${this.key(shape.of)}]`;
      case 'array':
        return `[${this.key(shape.of)};${shape.length}]`;
      case 'tuple':
        return `(${shape.of.map((of) => this.key(of)).join()})`;
      case 'composite':
        return `${this.head(shape)}{${this.spellFields(shape.fields)}}`;
      case 'variant': {
        const cases = shape.cases.map(({ name, index, fields }) => `${index}${name}{${this.spellFields(fields)}}`);
        return `${this.head(shape)}<${cases.join('|')}>`;
      }
      case 'reference':
        return `&${shape.name}`;
      default:
        return unreachable(shape);
    }
  }

  private head({ path, params }: { readonly path: readonly string[]; readonly params: readonly ParamShape[] }): string {
    const spelled = params.map(({ name, shape }) => `${name}:${shape === undefined ? '' : this.key(shape)}`);
    return `${path.join('::')}<${spelled.join()}>`;
  }

  private spellFields(fields: readonly FieldShape[]): string {
    return fields.map(({ name, shape }) => `${name ?? ''}:${this.key(shape)}`).join();
  }
}
