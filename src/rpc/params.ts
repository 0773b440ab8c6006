/** # Params: the shapes that parameters take, and JSON forms of what the chain is made of. */
import { z } from 'zod';
import { type Bytes, fromHex, toHex } from '../base/bytes.ts';
import { ss58Decode } from '../crypto/ss58.ts';
import type { BlockRef } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import { prunedState, unknownBlock } from './errors.ts';
import type { CallContext } from './registry.ts';

const HEX = /^0x([0-9a-fA-F]{2})*$/;

/** 0x hex; the empty string counts as empty bytes, as PAPI sends it. */
export const bytes = z
  .string()
  .refine((text) => text === '' || HEX.test(text), 'expected 0x-prefixed hex')
  .transform((text): Bytes => (text === '' ? new Uint8Array(0) : fromHex(text)));

/** 32 bytes as hex. */
export const hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'expected 32 bytes as 0x-prefixed hex')
  .transform((text): Bytes => fromHex(text));

export const optionalHash = hash.optional();

/** An SS58 address of any prefix, or 32 bytes as hex. */
export const account = z.string().transform((text, context): Bytes => {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return fromHex(text);
  try {
    return ss58Decode(text).account;
  } catch (error) {
    context.addIssue(`not an address: ${(error as Error).message}`);
    return z.NEVER;
  }
});

/** A height: number or hex string. */
export const height = z.union([
  z.number().int().min(0).max(0xffff_ffff),
  z
    .string()
    .regex(/^0x[0-9a-fA-F]{1,8}$/, 'expected a block number')
    .transform((text) => Number.parseInt(text, 16)),
]);

export const count = (max: number) => z.number().int().min(0).max(max);

/** The block that an optional hash names: the best one if absent. Throws UnknownBlock. */
export function blockAt({ backend }: CallContext, at: Bytes | undefined): BlockRef {
  const { store } = backend;
  if (!at) return store.best;
  const number = store.number(at);
  if (number === undefined) throw unknownBlock(toHex(at));
  return { hash: at, number };
}

/** The state after a block. */
export function stateAt(context: CallContext, at: Bytes | undefined): { block: BlockRef; view: StateTree } {
  const block = blockAt(context, at);
  const view = context.backend.store.view(block.hash);
  if (!view) throw prunedState(toHex(block.hash));
  return { block, view };
}
