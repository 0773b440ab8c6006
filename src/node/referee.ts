/**
 * # Referee: gives the runtime's host the mathematics of the work.
 *
 * Always true: these are the functions of `compute`, unchanged; the runtime itself never imports them.
 */
import { verifyRegistration } from '../compute/pouw/registration.ts';
import { evaluateTicket, type TicketEvaluator } from '../compute/pouw/ticket.ts';
import { transcriptRoot, verifyOperands, verifyState } from '../compute/transcript.ts';
import type { Referee } from '../runtime/referee.ts';

/** A referee with a proven-equal evaluator of tickets: with the kernels' a registration costs half as much. */
export function refereeWith(evaluate: TicketEvaluator): Referee {
  return {
    transcript: ({ rS, rL, rG }) => transcriptRoot({ states: rS, losses: rL, operands: rG }),
    opensState: verifyState,
    opensOperands: (sizes, rG, at, [rootA, rootB], path) => verifyOperands(sizes, rG, at, rootA, rootB, path),
    registration: (work) => verifyRegistration(work, evaluate),
  };
}

/** The referee of the plain reference. */
export const referee: Referee = refereeWith(evaluateTicket);
