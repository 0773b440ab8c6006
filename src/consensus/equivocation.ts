/**
 * # Equivocation: remembers who sealed in which slot, so that a second seal is noticed.
 *
 * Always true: at most MAX_TURNS turns are kept, the earliest slots forgotten first, and of each turn two headers. Only
 * headers whose seal was checked come in, so only an authority can fill it, with its own slots, and late ones push out
 * nothing but later ones of its own kind: what is remembered is always the latest.
 */
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import type { Header } from '../primitives/header.ts';
import type { SlotEquivocation } from '../primitives/slots.ts';
import { type DecodedBlock, turnOf } from './import.ts';

/** Five hours of 12-s slots, or all branches of a long stall: about 700 bytes each. */
const MAX_TURNS = 1_024;

interface Turn {
  readonly slot: number;
  readonly hash: Bytes;
  readonly header: Header;
  /** The second header's hash: with it the author is accused, once. */
  other?: Bytes;
}

export class Witness {
  private readonly turns = new Map<string, Turn>();

  /** Takes a checked header; a proof when it is the second one of its slot and author. */
  see(block: Pick<DecodedBlock, 'hash' | 'decoded' | 'sealed'>): SlotEquivocation | undefined {
    const turn = turnOf(block);
    if (turn === undefined) return undefined;
    const key = keyOf(turn);
    const known = this.turns.get(key);
    if (known === undefined) {
      this.turns.set(key, { slot: turn.slot, hash: block.hash, header: block.decoded });
      if (this.turns.size > MAX_TURNS) this.forgetEarliest();
      return undefined;
    }
    if (known.other !== undefined || equal(known.hash, block.hash)) return undefined;
    known.other = block.hash;
    return { first: known.header, second: block.decoded };
  }

  /** Whether two other headers of its slot and author are known. */
  isThird(block: Pick<DecodedBlock, 'hash' | 'sealed'>): boolean {
    const turn = turnOf(block);
    const known = turn && this.turns.get(keyOf(turn));
    if (known?.other === undefined) return false;
    return !equal(known.hash, block.hash) && !equal(known.other, block.hash);
  }

  private forgetEarliest(): void {
    let earliest: [string, Turn] | undefined;
    for (const entry of this.turns) if (earliest === undefined || entry[1].slot < earliest[1].slot) earliest = entry;
    if (earliest !== undefined) this.turns.delete(earliest[0]);
  }
}

function keyOf({ slot, author }: { readonly slot: number; readonly author: Bytes }): string {
  return `${slot}/${toHex(author)}`;
}
