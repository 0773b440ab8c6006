/**
 * # Ticket kernel: one ticket in the kernels' memory, for whoever checks many.
 *
 * Always true: equal to evaluateTicket on every input (kernels.test.ts).
 */
import { assert } from '../../base/assert.ts';
import type { WasmKernels } from '../canonical/wasm.ts';
import { pouwCalls } from './calls.ts';
import { TILE } from './profile.ts';
import type { TicketEvaluator } from './ticket.ts';

/** Bytes that an evaluator uses, enough for every profile: two panels, seeds, and the kernel's own scratch. */
export const TICKET_SCRATCH = 65_536 * 4;

/** An evaluator over `scratch .. scratch + TICKET_SCRATCH` (a multiple of 64) of the kernels' memory. */
export function ticketKernel(kernels: WasmKernels, scratch: number): TicketEvaluator {
  assert(scratch % 64 === 0, 'scratch is aligned to 64 bytes');
  const calls = pouwCalls(kernels.exports);
  return ({ profile, seeds, place, panelA, panelB }) => {
    const { slab, rank } = profile;
    kernels.grow(scratch + TICKET_SCRATCH);
    const [seedA, seedB, out] = [scratch, scratch + 64, scratch + 128];
    const atA = scratch + 192;
    const atB = atA + TILE * slab;
    kernels.u8.set(seeds.seedA, seedA);
    kernels.u8.set(seeds.seedB, seedB);
    kernels.i8.set(panelA, atA);
    kernels.i8.set(panelB, atB);
    calls.pouwTicket(out, atA, atB, seedA, seedB, place.ti, place.tj, place.s, slab, rank, atB + TILE * slab);
    return kernels.u8.slice(out, out + 32);
  };
}
