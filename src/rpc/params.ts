/**
 * # Params: the shapes that parameters take.
 *
 * Always true: a reader takes whatever JSON can hold and gives its type or throws -32602 with a sentence about what it
 * expected; the time it takes is linear in what it was given. Absent and null arrive as undefined.
 */
import type { Bytes } from '../base/bytes.ts';
import { ss58Decode } from '../crypto/ss58.ts';
import { invalidParams } from './errors.ts';
import { fromHex } from './hex.ts';

export type Param<T> = (given: unknown) => T;

/** 0x hex; the empty string counts as empty bytes, as PAPI sends it. */
export const bytes: Param<Bytes> = (given) => {
  if (given === '') return new Uint8Array(0);
  const found = typeof given === 'string' ? fromHex(given) : undefined;
  if (found) return found;
  throw invalidParams('expected 0x-prefixed hex');
};

/** 32 bytes as hex. */
export const hash: Param<Bytes> = (given) => {
  const found = typeof given === 'string' && given.length === 66 ? fromHex(given) : undefined;
  if (found) return found;
  throw invalidParams('expected 32 bytes as 0x-prefixed hex');
};

/** An SS58 address of any prefix, or 32 bytes as hex. */
export const account: Param<Bytes> = (given) => {
  if (typeof given !== 'string') throw invalidParams('expected an address');
  if (given.startsWith('0x')) return hash(given);
  try {
    return ss58Decode(given).account;
  } catch (error) {
    throw invalidParams(`not an address: ${(error as Error).message}`);
  }
};

/** An integer from 0 to `max`. */
export function integer(max: number): Param<number> {
  return (given) => {
    if (typeof given === 'number' && Number.isInteger(given) && given >= 0 && given <= max) return given;
    throw invalidParams(`expected an integer from 0 to ${max}`);
  };
}

const u32 = integer(0xffff_ffff);

/** A height: number or hex string. */
export const height: Param<number> = (given) => {
  if (typeof given === 'string' && /^0x[0-9a-fA-F]{1,8}$/.test(given)) return Number.parseInt(given, 16);
  if (typeof given === 'number') return u32(given);
  throw invalidParams('expected a block number');
};

export function text(max: number): Param<string> {
  return (given) => {
    if (typeof given === 'string' && given.length <= max) return given;
    throw invalidParams(`expected a string of at most ${max} characters`);
  };
}

export function list<T>(item: Param<T>, max: number): Param<T[]> {
  return (given) => {
    if (!Array.isArray(given) || given.length > max) throw invalidParams(`expected a list of at most ${max} items`);
    return given.map((one) => item(one));
  };
}

export function optional<T>(param: Param<T>): Param<T | undefined> {
  return (given) => (given === undefined ? undefined : param(given));
}

type Fields = Readonly<Record<string, Param<unknown>>>;
type ObjectOf<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Param<infer T> ? T : never };

/** An object of exactly these fields; a prototype has none of them. */
export function object<const F extends Fields>(fields: F): Param<ObjectOf<F>> {
  const known = new Map(Object.entries(fields));
  return (given) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalidParams('expected an object');
    for (const name of Object.keys(given)) if (!known.has(name)) throw invalidParams('unexpected field');
    const found = new Map(Object.entries(given));
    return Object.fromEntries([...known].map(([name, field]) => [name, field(found.get(name))])) as ObjectOf<F>;
  };
}

/** The name of a subscription; clients may have kept it as a number. */
export const subscriptionId: Param<string> = (given) => {
  if (typeof given === 'string' || typeof given === 'number') return String(given);
  throw invalidParams('expected a subscription');
};

export const optionalHash = optional(hash);
