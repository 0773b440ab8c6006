/**
 * # Pow: the bytes of a compute-pow win: who drew it, where, and what opens it (docs/spec/compute-pow.md, "Bytes").
 *
 * Always true: a sealed header has exactly one `pow_` PreRuntime and exactly one `pow_` Seal, which is its last item;
 * the work is bound to the header without that seal.
 */
import { type Bytes, concat, utf8 } from '../base/bytes.ts';
import { CodecError, compactU16, compactU32, fixed, hash, type Of, struct, u8 } from '../codec/index.ts';
import { blake2_256, sha256 } from '../crypto/hash.ts';
import { type DigestItem, itemsOf, POW_ENGINE } from './digest.ts';
import { Header } from './header.ts';

/** Who draws, and from which GEMM of which fragment. Clients read the author from the first 32 bytes. */
export const PowPreRuntime = struct({
  author: fixed(32),
  fragment: hash,
  step: compactU32,
  node: compactU16,
  profile: u8,
  m: compactU32,
  n: compactU32,
  k: compactU32,
});
export type PowPreRuntime = Of<typeof PowPreRuntime>;

/** The winning ticket (tile ti, tj of slab s), the operand roots, and the compute key's signature. */
export const PowSeal = struct({
  ti: compactU32,
  tj: compactU32,
  s: compactU32,
  rootA: hash,
  rootB: hash,
  openingHash: hash,
  signature: fixed(64),
});
export type PowSeal = Of<typeof PowSeal>;

/** SHA-256 of an opening's bytes, as the seal holds it. */
export function openingHash(opening: Bytes): Bytes {
  return sha256(opening);
}

const SEAL_TAG = utf8('cpow/1/seal');

/** What the author's compute key signs: "cpow/1/seal" || openingHash || preHash. */
export function sealMessage(opening: Bytes, pre: Bytes): Bytes {
  return concat(SEAL_TAG, opening, pre);
}

export const POW_FAULTS = {
  preRuntime: 'the header has no pow_ PreRuntime item, or several',
  seal: 'the header has no pow_ Seal, several, or one that is not its last item',
  payload: 'a pow_ item does not decode',
} as const;

export type PowFault = keyof typeof POW_FAULTS;

/** A header that is not sealed as compute-pow seals. */
export class PowError extends Error {
  override readonly name = 'PowError';
  readonly code: PowFault;

  constructor(code: PowFault) {
    super(POW_FAULTS[code]);
    this.code = code;
  }
}

export interface Sealed {
  readonly preRuntime: PowPreRuntime;
  readonly seal: PowSeal;
  /** BLAKE2b-256 of the header without the seal. */
  readonly preHash: Bytes;
}

/** BLAKE2b-256 of the header without its `pow_` seal; of the header as it is when it bears none. */
export function preHash(header: Header): Bytes {
  const { digest } = header;
  const unsealed = isSeal(digest.at(-1)) ? { ...header, digest: digest.slice(0, -1) } : header;
  return blake2_256(Header.enc(unsealed));
}

/** The parts of a sealed header; PowError when it is not sealed as it must be. */
export function readSealed(header: Header): Sealed {
  const [author, ...moreAuthors] = itemsOf(header.digest, 'PreRuntime', POW_ENGINE);
  if (author === undefined || moreAuthors.length > 0) throw new PowError('preRuntime');
  const [seal, ...moreSeals] = itemsOf(header.digest, 'Seal', POW_ENGINE);
  if (seal === undefined || moreSeals.length > 0 || !isSeal(header.digest.at(-1))) throw new PowError('seal');
  try {
    return { preRuntime: PowPreRuntime.dec(author), seal: PowSeal.dec(seal), preHash: preHash(header) };
  } catch (error) {
    if (error instanceof CodecError) throw new PowError('payload');
    throw error;
  }
}

/** The header with the author's item as its last one: what a seal is then drawn for. */
export function withPreRuntime(header: Header, preRuntime: PowPreRuntime): Header {
  const data = PowPreRuntime.enc(preRuntime);
  return { ...header, digest: [...header.digest, { type: 'PreRuntime', value: { engine: POW_ENGINE, data } }] };
}

/** The header with its seal as the last item. */
export function withSeal(header: Header, seal: PowSeal): Header {
  const data = PowSeal.enc(seal);
  return { ...header, digest: [...header.digest, { type: 'Seal', value: { engine: POW_ENGINE, data } }] };
}

function isSeal(item: DigestItem | undefined): boolean {
  return item?.type === 'Seal' && item.value.engine === POW_ENGINE;
}
