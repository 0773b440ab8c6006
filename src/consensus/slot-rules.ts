/** # Slot rules: turns by pallet Slots, as consensus asks for them. */
import type { Bytes } from '../base/bytes.ts';
import { verifySignature } from '../crypto/verify.ts';
import { vrfVerify } from '../crypto/vrf.ts';
import { slotAuthorities, slotEpoch } from '../runtime/pallets/slots.ts';
import { epochAt } from '../runtime/slots.ts';
import type { SlotRules } from './rules.ts';

/** The rules of a chain whose epochs have so many slots; `genesis` is the hash of its block 0. */
export function slotRules(genesis: Bytes, epochSlots: number): SlotRules {
  return {
    genesis,
    epochAt: (slot) => epochAt(slot, epochSlots),
    epoch: (view, slot) => slotEpoch(view, slot, epochSlots),
    authorities: slotAuthorities,
    verifyVrf: vrfVerify,
    verifySeal: (signature, message, key) => verifySignature('sr25519', signature, message, key),
  };
}
