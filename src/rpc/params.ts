/**
 * # Params: the shapes that parameters take, as zod schemas.
 *
 * Always true: a schema takes whatever JSON can hold and gives its type or a sentence about what it expected; the time
 * it takes is linear in what it was given. Absent and null arrive as undefined. `title` is the name that `rpc.discover`
 * gives a parameter of this shape.
 */
import { z } from 'zod';
import type { Bytes } from '../base/bytes.ts';
import { ss58Decode } from '../crypto/ss58.ts';
import { fromHex } from './hex.ts';

export type Param<T> = z.ZodType<T>;

/** A string that `decode` understands; it throws Wrong with a sentence where it does not. */
function decoded<T>(
  meta: { title: string; pattern?: string; expected: string },
  decode: (text: string) => T,
): Param<T> {
  const { expected, ...known } = meta;
  return z
    .string(`expected ${expected}`)
    .meta({ ...known, description: expected })
    .transform((text, context) => {
      try {
        return decode(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Wrong ? error.message : `expected ${expected}` });
        return z.NEVER;
      }
    });
}

class Wrong extends Error {}

function hexOf(text: string): Bytes {
  const found = fromHex(text);
  if (!found) throw new Wrong('expected 0x-prefixed hex');
  return found;
}

/** 0x hex; the empty string counts as empty bytes, as PAPI sends it. */
export const bytes: Param<Bytes> = decoded(
  { title: 'data', pattern: '^(0x([0-9a-fA-F]{2})*)?$', expected: '0x-prefixed hex' },
  (text) => (text === '' ? new Uint8Array(0) : hexOf(text)),
);

const HASH = { title: 'hash', pattern: '^0x[0-9a-fA-F]{64}$', expected: '32 bytes as 0x-prefixed hex' };

function hashOf(text: string): Bytes {
  if (text.length !== 66) throw new Wrong(`expected ${HASH.expected}`);
  return hexOf(text);
}

/** 32 bytes as hex. */
export const hash: Param<Bytes> = decoded(HASH, hashOf);

/** An SS58 address of any prefix, or 32 bytes as hex. */
export const account: Param<Bytes> = decoded({ title: 'account', expected: 'an address' }, (text) => {
  if (text.startsWith('0x')) return hashOf(text);
  try {
    return ss58Decode(text).account;
  } catch (error) {
    throw new Wrong(`not an address: ${(error as Error).message}`);
  }
});

/** An integer from 0 to `max`. */
export function integer(max: number): Param<number> {
  const expected = `expected an integer from 0 to ${max}`;
  return z.int(expected).min(0, expected).max(max, expected).meta({ title: 'count' });
}

const U32 = 0xffff_ffff;

/** A height: number or hex string. */
export const height: Param<number> = z
  .union(
    [
      z.int().min(0).max(U32),
      z
        .string()
        .regex(/^0x[0-9a-fA-F]{1,8}$/)
        .transform((text) => Number.parseInt(text, 16)),
    ],
    'expected a block number',
  )
  .meta({ title: 'number' });

export function text(max: number): Param<string> {
  const expected = `expected a string of at most ${max} characters`;
  return z.string(expected).max(max, expected).meta({ title: 'text' });
}

export function list<T>(item: Param<T>, max: number): Param<T[]> {
  const expected = `expected a list of at most ${max} items`;
  return z.array(item, expected).max(max, expected).meta({ title: 'list' });
}

export function optional<T>(param: Param<T>): Param<T | undefined> {
  return param.optional();
}

/** An object of exactly these fields; a prototype has none of them. */
export function object<const F extends z.ZodRawShape>(fields: F): Param<z.output<z.ZodObject<F>>> {
  return z.strictObject(fields, {
    error: ({ code }) => (code === 'unrecognized_keys' ? 'unexpected field' : 'expected an object'),
  });
}

/** One of these words. */
export function oneOf<const W extends readonly string[]>(words: W): Param<W[number]> {
  return z.enum(words, `expected one of: ${words.join(', ')}`);
}

export const flag: Param<boolean> = z.boolean('expected true or false').meta({ title: 'flag' });

/** One of two shapes; what fits neither hears `expected`. */
export function either<A, B>(a: Param<A>, b: Param<B>, expected: string): Param<A | B> {
  return z.union([a, b], expected);
}

/** The same shape under the name that the method's page gives it. */
export function named<T>(title: string, param: Param<T>): Param<T> {
  return param.meta({ ...param.meta(), title });
}

/** The name of a subscription; clients may have kept it as a number. */
export const subscriptionId: Param<string> = z
  .union([z.string(), z.number()], 'expected a subscription')
  .meta({ title: 'subscription' })
  .transform(String);

/** The block whose state is meant: the best one if absent. */
export const optionalHash = optional(named('at', hash));

/** Four printable characters, as in the names of keystore files. */
export const keyType: Param<string> = z
  .string('expected four characters')
  .regex(/^[\x21-\x7e]{4}$/, 'expected four characters')
  .meta({ title: 'keyType' });

/** A public key: 32 bytes, or 33 of ecdsa. */
export const publicKey: Param<Bytes> = decoded(
  {
    title: 'publicKey',
    pattern: '^0x([0-9a-fA-F]{64}|[0-9a-fA-F]{66})$',
    expected: '32 or 33 bytes as 0x-prefixed hex',
  },
  (given) => {
    if (given.length !== 66 && given.length !== 68) throw new Wrong('expected 32 or 33 bytes as 0x-prefixed hex');
    return hexOf(given);
  },
);

/** Names that many methods share. */
export const key = named('key', bytes);
export const extrinsic = named('extrinsic', bytes);
export const functionName = named('function', text(128));
