/**
 * # Digest: what a header carries beside its roots, each item marked with the engine that it belongs to.
 *
 * Always true: an engine id is four bytes, written as four characters ('pow_', 'FRNK'); items keep their order.
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import {
  bytes,
  type Codec,
  composite,
  fixed,
  mapped,
  type Of,
  reshaped,
  tuple,
  unit,
  variant,
  vec,
} from '../codec/index.ts';

/** The engine id of compute-pow: authorship, seals and openings. */
export const POW_ENGINE = 'pow_';
/** The engine id of slots: whose turn a block was, and his seal (docs/spec/consensus.md section 9). */
export const SLOT_ENGINE = 'slot';

export interface Engined {
  /** Four characters, one per byte (Latin-1). */
  readonly engine: string;
  readonly data: Bytes;
}

/** ([u8; 4], Vec<u8>) */
export const Engined: Codec<Engined> = mapped(tuple(fixed(4), bytes), {
  decode: ([id, data]) => ({ engine: String.fromCharCode(...id), data }),
  encode: ({ engine, data }): [Bytes, Bytes] => [engineBytes(engine), data],
});

export const DigestItem = variant(
  {
    Other: [0, bytes],
    Consensus: [4, Engined],
    Seal: [5, Engined],
    PreRuntime: [6, Engined],
    RuntimeEnvironmentUpdated: [8, unit],
  },
  { path: 'sp_runtime::generic::digest::DigestItem' },
);
export type DigestItem = Of<typeof DigestItem>;

// A header of ours holds three items at most; real chains stay below ten.
const MAX_ITEMS = 64;

const Logs: Codec<readonly DigestItem[]> = vec(DigestItem, MAX_ITEMS);

/** Vec<DigestItem>, known to clients as a struct of `logs`. */
export const Digest: Codec<readonly DigestItem[]> = reshaped(
  composite([{ name: 'logs', shape: Logs.shape }], { path: 'sp_runtime::generic::digest::Digest' }),
  Logs,
);

/** The items of one kind and engine, in order. */
export function itemsOf(
  digest: readonly DigestItem[],
  kind: 'Consensus' | 'Seal' | 'PreRuntime',
  engine: string,
): readonly Bytes[] {
  const found: Bytes[] = [];
  for (const item of digest) if (item.type === kind && item.value.engine === engine) found.push(item.value.data);
  return found;
}

function engineBytes(engine: string): Bytes {
  assert(engine.length === 4 && /^[\0-\xff]{4}$/.test(engine), 'an engine id of four bytes');
  return Uint8Array.from(engine, (c) => c.charCodeAt(0));
}
