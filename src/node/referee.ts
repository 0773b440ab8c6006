/**
 * # Referee: gives the runtime's host the mathematics of the work.
 *
 * Always true: these are the functions of `compute`, unchanged; the runtime itself never imports them.
 */
import { verifyRegistration } from '../compute/pouw/registration.ts';
import { transcriptRoot, verifyOperands, verifyState } from '../compute/transcript.ts';
import type { Referee } from '../runtime/referee.ts';

export const referee: Referee = {
  transcript: ({ rS, rL, rG }) => transcriptRoot({ states: rS, losses: rL, operands: rG }),
  opensState: verifyState,
  opensOperands: (sizes, rG, at, [rootA, rootB], path) => verifyOperands(sizes, rG, at, rootA, rootB, path),
  registration: (work) => verifyRegistration(work),
};
