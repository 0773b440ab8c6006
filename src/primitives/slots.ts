/**
 * # Slots: the bytes of a block that its author made because it was his turn.
 *
 * Always true: a sealed header has exactly one PreRuntime and exactly one Seal of any engine, both `slot`, and the seal
 * is its last item; so nothing in it can pass for another engine's. The seal is bound to one chain by its genesis hash:
 * a key that serves two chains cannot be accused on one of them of what it did on the other.
 */
import { type Bytes, concat, littleEndian, utf8 } from '../base/bytes.ts';
import { CodecError, fixed, hash, mapped, type Of, struct, u64 } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { type DigestItem, SLOT_ENGINE } from './digest.ts';
import { Header } from './header.ts';

/** A slot number: exact up to 2^53, and further no clock of ours goes. */
export const Slot = mapped(u64, {
  decode: (wide, from) => (wide > BigInt(Number.MAX_SAFE_INTEGER) ? from.fail('range') : Number(wide)),
  encode: (slot: number) => BigInt(slot),
});

/** Whose turn it was, and what his key drew. Clients read the author from the first 32 bytes, as of `pow_`. */
export const SlotPreRuntime = struct({ author: fixed(32), slot: Slot, output: hash, proof: fixed(64) });
export type SlotPreRuntime = Of<typeof SlotPreRuntime>;

/** sr25519 signature of the author's authoring key over `slotSealMessage`. */
const SlotSeal = fixed(64);

/** Two headers of one slot that one author sealed: he owed the chain one. */
export const SlotEquivocation = struct({ first: Header, second: Header }, { path: 'slots::Equivocation' });
export type SlotEquivocation = Of<typeof SlotEquivocation>;

export const SLOT_FAULTS = {
  preRuntime: 'the header has no slot PreRuntime item, or more than one PreRuntime',
  seal: 'the header has no slot Seal, more than one Seal, or one that is not its last item',
  payload: 'a slot item does not decode',
} as const;

export type SlotFault = keyof typeof SLOT_FAULTS;

/** A header that is not sealed as an author seals in his slot. */
export class SlotError extends Error {
  override readonly name = 'SlotError';
  readonly code: SlotFault;

  constructor(code: SlotFault) {
    super(SLOT_FAULTS[code]);
    this.code = code;
  }
}

export interface SlotSealed extends SlotPreRuntime {
  readonly signature: Bytes;
  /** BLAKE2b-256 of the header without the seal. */
  readonly preHash: Bytes;
}

/** The parts of a sealed header; SlotError when it is not sealed as it must be. */
export function readSlotSealed(header: Header): SlotSealed {
  const [pre, ...morePre] = header.digest.filter(({ type }) => type === 'PreRuntime');
  if (morePre.length > 0 || !isOurs(pre)) throw new SlotError('preRuntime');
  const [seal, ...moreSeals] = header.digest.filter(({ type }) => type === 'Seal');
  if (moreSeals.length > 0 || !isOurs(seal) || seal !== header.digest.at(-1)) throw new SlotError('seal');
  try {
    const signature = SlotSeal.dec(seal.value.data);
    return { ...SlotPreRuntime.dec(pre.value.data), signature, preHash: slotPreHash(withoutSeal(header)) };
  } catch (error) {
    if (error instanceof CodecError) throw new SlotError('payload');
    throw error;
  }
}

type Engined = Extract<DigestItem, { type: 'PreRuntime' | 'Seal' }>;

function isOurs(item: DigestItem | undefined): item is Engined {
  return (item?.type === 'PreRuntime' || item?.type === 'Seal') && item.value.engine === SLOT_ENGINE;
}

function withoutSeal(header: Header): Header {
  return { ...header, digest: header.digest.slice(0, -1) };
}

/** What execution sees of the author: the first item of the header's digest. */
export function slotItem(preRuntime: SlotPreRuntime): DigestItem {
  return { type: 'PreRuntime', value: { engine: SLOT_ENGINE, data: SlotPreRuntime.enc(preRuntime) } };
}

/** BLAKE2b-256 of a header that bears no seal yet. */
export function slotPreHash(unsealed: Header): Bytes {
  return blake2_256(Header.enc(unsealed));
}

/** The header with its seal as the last item. */
export function withSlotSeal(header: Header, signature: Bytes): Header {
  const item: DigestItem = { type: 'Seal', value: { engine: SLOT_ENGINE, data: SlotSeal.enc(signature) } };
  return { ...header, digest: [...header.digest, item] };
}

const SEAL_TAG = utf8('slot/1/seal');
const VRF_TAG = utf8('slot/1/vrf');

/** What the author's key signs: "slot/1/seal" || genesis || preHash. */
export function slotSealMessage(genesis: Bytes, preHash: Bytes): Bytes {
  return concat(SEAL_TAG, genesis, preHash);
}

/** What the author's key draws from: "slot/1/vrf" || the epoch's randomness || slot u64. */
export function slotVrfMessage(randomness: Bytes, slot: number): Bytes {
  return concat(VRF_TAG, randomness, littleEndian(BigInt(slot), 8));
}
