/**
 * # Config: values from the JSON of a chain spec, guided by their shapes.
 *
 * Always true: an account or a voter's key may be an address of this chain or 32 bytes in hex; a byte string is hex;
 * an amount may be a number, a decimal string or a bigint; field names may be camelCase. What is absent is zero or
 * empty. The chain-spec schema has refused unknown fields before.
 */
import { type Bytes, fromHex } from '../base/bytes.ts';
import type { CompositeShape, PrimitiveName, Shape, VariantShape } from '../codec/index.ts';
import { Ss58Error, ss58Decode } from '../crypto/ss58.ts';
import { DispatchFailure } from './errors.ts';

/** A chain spec whose genesis cannot be built. `path` says where. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(path: string, reason: string) {
    super(`genesis: ${path}: ${reason}`);
  }
}

/** Does what a place of the config says; ConfigError with that place where a rule of the chain refuses it. */
export function building(path: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (error instanceof DispatchFailure) throw new ConfigError(path, error.message);
    throw error;
  }
}

const NUMBERS: ReadonlySet<PrimitiveName> = new Set(['u8', 'u16', 'u32', 'i32']);
const BITS: Partial<Record<PrimitiveName, number>> = { u8: 8, u16: 16, u32: 32, u64: 64, u128: 128, u256: 256 };
/** Types of 32 bytes that have addresses: accounts, and keys of session and votes. */
const ADDRESSED: ReadonlySet<string | undefined> = new Set(['AccountId32', 'Public']);

export class ConfigReader {
  private readonly ss58Format: number;

  constructor(ss58Format: number) {
    this.ss58Format = ss58Format;
  }

  /** The value of a codec with this shape that `json` spells; ConfigError otherwise. */
  read(shape: Shape, json: unknown, path: string): unknown {
    switch (shape.kind) {
      case 'primitive':
        return readPrimitive(shape.name, json, path);
      case 'compact':
      case 'reference':
        return this.read(shape.kind === 'compact' ? shape.of : shape.resolve(), json, path);
      case 'sequence':
        return isByte(shape.of) ? readBytes(json ?? '0x', path) : this.items(shape.of, json ?? [], path);
      case 'array': {
        const value = isByte(shape.of) ? readBytes(json, path) : this.items(shape.of, json, path);
        if (value.length !== shape.length) throw new ConfigError(path, `${shape.length} items expected`);
        return value;
      }
      case 'tuple':
        return this.tuple(shape.of, json, path);
      case 'composite':
        return this.composite(shape, json, path);
      case 'variant':
        return this.variant(shape, json, path);
    }
  }

  private items(of: Shape, json: unknown, path: string): unknown[] {
    if (!Array.isArray(json)) throw new ConfigError(path, 'a list expected');
    return json.map((item, index) => this.read(of, item, `${path}[${index}]`));
  }

  private tuple(of: readonly Shape[], json: unknown, path: string): unknown {
    if (of.length === 0) return undefined;
    if (!Array.isArray(json) || json.length !== of.length) throw new ConfigError(path, `${of.length} items expected`);
    return of.map((shape, index) => this.read(shape, json[index], `${path}[${index}]`));
  }

  private composite(shape: CompositeShape, json: unknown, path: string): unknown {
    const [first] = shape.fields;
    if (first !== undefined && first.name === undefined) {
      if (ADDRESSED.has(shape.path.at(-1)) && typeof json === 'string' && !json.startsWith('0x')) {
        return this.account(json, path);
      }
      return this.read(first.shape, json, path);
    }
    const record = asRecord(json ?? {}, path);
    return Object.fromEntries(
      shape.fields.map(({ name = '', shape: of }) => [
        name,
        this.read(of, record[camelCase(name)] ?? record[name], `${path}.${name}`),
      ]),
    );
  }

  private account(text: string, path: string): Bytes {
    try {
      return ss58Decode(text, this.ss58Format).account;
    } catch (error) {
      if (error instanceof Ss58Error) throw new ConfigError(path, error.message);
      throw error;
    }
  }

  private variant(shape: VariantShape, json: unknown, path: string): unknown {
    if (shape.path.length === 1 && shape.path[0] === 'Option') {
      const some = shape.cases[1]?.fields[0]?.shape;
      return json === undefined || json === null || some === undefined ? undefined : this.read(some, json, path);
    }
    const [name, inner] =
      typeof json === 'string' ? [json, undefined] : (Object.entries(asRecord(json, path))[0] ?? []);
    const found = shape.cases.find((one) => one.name === name);
    if (found === undefined) throw new ConfigError(path, 'no such case');
    const [field] = found.fields;
    if (field === undefined) return { type: found.name, value: undefined };
    const naming = { path: [], params: [], docs: [] };
    const of: Shape = field.name === undefined ? field.shape : { kind: 'composite', ...naming, fields: found.fields };
    return { type: found.name, value: this.read(of, inner, `${path}.${found.name}`) };
  }
}

/** `computeKey` for compute_key, `computePow` for ComputePow. */
export function camelCase(name: string): string {
  const joined = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return joined.slice(0, 1).toLowerCase() + joined.slice(1);
}

function isByte(shape: Shape): boolean {
  return shape.kind === 'primitive' && shape.name === 'u8';
}

function readBytes(json: unknown, path: string): Bytes {
  if (json instanceof Uint8Array) return json;
  if (typeof json !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(json)) throw new ConfigError(path, 'hex expected');
  return fromHex(json);
}

function readPrimitive(name: PrimitiveName, json: unknown, path: string): unknown {
  if (name === 'bool') {
    if (json !== undefined && typeof json !== 'boolean') throw new ConfigError(path, 'true or false expected');
    return json ?? false;
  }
  if (name === 'str') {
    if (json !== undefined && typeof json !== 'string') throw new ConfigError(path, 'a text expected');
    return json ?? '';
  }
  const value = readInteger(json ?? 0, path);
  const bits = BITS[name];
  const fits = bits === undefined ? BigInt.asIntN(32, value) === value : BigInt.asUintN(bits, value) === value;
  if (!fits) throw new ConfigError(path, `does not fit ${name}`);
  return NUMBERS.has(name) ? Number(value) : value;
}

function readInteger(json: unknown, path: string): bigint {
  if (typeof json === 'bigint') return json;
  if (typeof json === 'number' && Number.isSafeInteger(json)) return BigInt(json);
  if (typeof json === 'string' && /^(\d+|0x[0-9a-fA-F]+)$/.test(json)) return BigInt(json);
  throw new ConfigError(path, 'an integer expected');
}

function asRecord(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ConfigError(path, 'an object expected');
  return json as Readonly<Record<string, unknown>>;
}
