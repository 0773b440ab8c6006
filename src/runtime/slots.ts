/**
 * # Slots: whose turn it is, as a function of time and of what the chain agreed on before.
 *
 * Always true: time is cut into slots of the block time, each slot belongs to one epoch and one authority, and of any
 * n slots of an epoch that follow one another each of its n authorities has one.
 */
import { type Bytes, concat, equal, utf8 } from '../base/bytes.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { type Header, headerHash } from '../primitives/header.ts';
import { readSlotSealed, type SlotEquivocation, SlotError, slotSealMessage } from '../primitives/slots.ts';
import { Dice } from './dice.ts';

/** Who may author, and the sr25519 key with which he draws and seals. */
export interface SlotAuthority {
  readonly account: Bytes;
  readonly key: Bytes;
}

/** What decides the turns of an epoch. */
export interface SlotEpoch {
  readonly randomness: Bytes;
  readonly authorities: readonly SlotAuthority[];
}

/** The slot of a time: both in ms, the time since 1970. */
export function slotAt(timestampMs: number, blockTimeMs: number): number {
  return Math.floor(timestampMs / blockTimeMs);
}

/** The epoch that a slot belongs to. */
export function epochAt(slot: number, epochSlots: number): number {
  return Math.floor(slot / epochSlots);
}

/** The authorities in the order of their turns; whoever knows the randomness knows it. */
export function turnsOf({ randomness, authorities }: SlotEpoch): readonly SlotAuthority[] {
  return new Dice(blake2_256(concat(utf8('slot/1/turns'), randomness))).shuffled(authorities);
}

/** The one authority that may author in this slot of the epoch. */
export function authorOf(epoch: SlotEpoch, slot: number): SlotAuthority | undefined {
  const turns = turnsOf(epoch);
  return turns[slot % turns.length];
}

/** Who sealed twice in a slot. */
export interface Accused {
  readonly author: Bytes;
  readonly slot: number;
}

/**
 * Whom two headers accuse: they are different, sealed, of one slot and one author; whether his key made the seals is
 * not looked at yet. Undefined when they accuse nobody. Two seals of one header are two headers: their hashes differ.
 */
export function accusedBy({ first, second }: SlotEquivocation): Accused | undefined {
  const [a, b] = [turnIn(first), turnIn(second)];
  if (a === undefined || b === undefined || a.slot !== b.slot || !equal(a.author, b.author)) return undefined;
  return equal(headerHash(first), headerHash(second)) ? undefined : { author: a.author, slot: a.slot };
}

/** What a seal is checked by: sr25519 of `key`. */
type VerifySeal = (signature: Bytes, message: Bytes, key: Bytes) => boolean;

/** Whether the key made the seals of both headers. */
export function provesEquivocation(
  proof: SlotEquivocation,
  by: { readonly genesis: Bytes; readonly key: Bytes; readonly verify: VerifySeal },
): boolean {
  return [proof.first, proof.second].every((header) => {
    const turn = turnIn(header);
    if (turn === undefined) return false;
    return by.verify(turn.signature, slotSealMessage(by.genesis, turn.preHash), by.key);
  });
}

function turnIn(header: Header) {
  try {
    return readSlotSealed(header);
  } catch (error) {
    // A header from outside: that it is not sealed is a result.
    if (error instanceof SlotError) return undefined;
    throw error;
  }
}
