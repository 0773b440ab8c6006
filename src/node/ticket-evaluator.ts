/**
 * # Ticket evaluator: the kernels' evaluator if it proves itself at start-up, else the plain reference.
 *
 * Always true: an evaluator that differs from the reference on one ticket judges none.
 */

import { equal } from '../base/bytes.ts';
import { RESERVED_BYTES } from '../compute/canonical/kernels.ts';
import { loadKernels } from '../compute/engine/kernels-file.ts';
import { PROFILES, TILE } from '../compute/pouw/profile.ts';
import { evaluateTicket, type TicketEvaluator, type TicketInput } from '../compute/pouw/ticket.ts';
import { ticketKernel } from '../compute/pouw/ticket-kernel.ts';
import { sha256 } from '../crypto/hash.ts';

/** 0.16 ms a ticket in the kernels, 0.9 ms in plain JavaScript (profile 0). `warn` hears of a fallback. */
export function ticketEvaluator(warn: (text: string) => void): TicketEvaluator {
  try {
    const fast = ticketKernel(loadKernels(), RESERVED_BYTES);
    const differs = probes().findIndex((probe) => !equal(fast(probe), evaluateTicket(probe)));
    if (differs < 0) return fast;
    warn(`tickets: the kernels differ from the reference on probe ${differs}; the reference judges`);
  } catch (error) {
    // No kernels, or others than the tree pins: blocks can still be checked, only slower.
    warn(`tickets: the reference judges: ${(error as Error).message}`);
  }
  return evaluateTicket;
}

/** One ticket of each profile over pseudo-random operands, and one over the extreme ones. */
function probes(): TicketInput[] {
  return PROFILES.flatMap((profile, i) => {
    const seeds = { seedA: sha256(Uint8Array.of(i, 1)), seedB: sha256(Uint8Array.of(i, 2)) };
    const place = { ti: i, tj: 2 * i, s: i };
    const panel = (start: number): Int8Array => {
      const out = new Int8Array(profile.slab * TILE);
      for (let at = 0, x = start; at < out.length; at++) {
        x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
        out[at] = ((x >>> 9) & 127) - 64;
      }
      return out;
    };
    const least = new Int8Array(profile.slab * TILE).fill(-64);
    return [
      { profile, seeds, place, panelA: panel(1), panelB: panel(2) },
      { profile, seeds, place, panelA: least, panelB: least },
    ];
  });
}
