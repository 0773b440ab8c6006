/**
 * # Verify: a ticket is believed only when recomputed.
 *
 * Always true: checks run in the order of docs/spec/compute-pow.md section 7, from 'bounds' on, cheap ones first, so a
 * bogus opening costs less than it cost its sender; a refused ticket says which check refused it, and nothing a peer
 * sent throws. The caller checks what needs state or keys: declared shape, assignment, order and the signature.
 */

import { type Bytes, equal } from '../../base/bytes.ts';
import { sha256 } from '../../crypto/hash.ts';
import { verifyPath } from '../merkle.ts';
import { leafIndex, panelLeaf } from './commitment.ts';
import { kappaOf, type NoiseHeader, seedsOf } from './noise.ts';
import { decodeOpening } from './opening.ts';
import {
  type Checked,
  checkShape,
  isWithin,
  OPERAND_MAX,
  OPERAND_MIN,
  type Place,
  type Shape,
  TILE,
} from './profile.ts';
import { evaluateTicket, type TicketEvaluator, wins } from './ticket.ts';

/** Everything that header, seal and opening say about a ticket, and the target it has to reach. */
export interface TicketClaim extends NoiseHeader, Place {
  /** Profile number as declared. */
  readonly profile: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly rootA: Bytes;
  readonly rootB: Bytes;
  /** The encoded opening. */
  readonly opening: Bytes;
  /** Of the seal; left out by a caller who has compared it already. */
  readonly openingHash?: Bytes;
  readonly difficulty: bigint;
  readonly boostPpm: bigint;
}

/** The ticket, or the first check that fails. `evaluate` may be a proven-equal faster evaluator. */
export function verifyTicket(
  claim: TicketClaim,
  evaluate: TicketEvaluator = evaluateTicket,
): Checked<{ readonly ticket: Bytes }> {
  const checked = checkShape(claim.profile, claim);
  if (!checked.ok) return checked;
  const { shape } = checked;
  if (!isWithin(shape, claim)) return { ok: false, code: 'PlaceOutOfBounds' };
  if (claim.openingHash !== undefined && !equal(sha256(claim.opening), claim.openingHash)) {
    return { ok: false, code: 'OpeningHashMismatch' };
  }
  const opening = decodeOpening(claim.opening, shape.profile);
  if (opening === undefined) return { ok: false, code: 'OpeningMalformed' };
  if (!inRange(opening.panelA) || !inRange(opening.panelB)) return { ok: false, code: 'OperandOutOfRange' };
  const { panelA, panelB } = opening;
  const a = { panel: panelA, path: opening.pathA, root: claim.rootA, block: claim.ti, lines: shape.m };
  if (!opens(a, claim.s, shape)) return { ok: false, code: 'PathAInvalid' };
  const b = { panel: panelB, path: opening.pathB, root: claim.rootB, block: claim.tj, lines: shape.n };
  if (!opens(b, claim.s, shape)) return { ok: false, code: 'PathBInvalid' };
  const seeds = seedsOf(kappaOf(claim, shape), claim.rootA, claim.rootB);
  const place = { ti: claim.ti, tj: claim.tj, s: claim.s };
  const ticket = evaluate({ profile: shape.profile, seeds, place, panelA, panelB });
  const target = { difficulty: claim.difficulty, slab: shape.profile.slab, boostPpm: claim.boostPpm };
  return wins(ticket, target) ? { ok: true, ticket } : { ok: false, code: 'TargetMissed' };
}

/** Whether every value is in [-64, 63]: exactly those plus 64 have no bit beyond the seventh. */
function inRange(panel: Int8Array): boolean {
  let beyond = 0;
  for (let i = 0; i < panel.length; i++) beyond |= (panel[i] as number) - OPERAND_MIN;
  return beyond >>> 0 <= OPERAND_MAX - OPERAND_MIN;
}

interface OpenedPanel {
  readonly panel: Int8Array;
  readonly path: readonly Bytes[];
  readonly root: Bytes;
  /** ti or tj, of lines / 16. */
  readonly block: number;
  readonly lines: number;
}

function opens(opened: OpenedPanel, s: number, shape: Shape): boolean {
  return verifyPath({
    leaf: panelLeaf(opened.panel),
    index: leafIndex(opened.block, s, shape.slabs),
    count: (opened.lines / TILE) * shape.slabs,
    path: opened.path,
    root: opened.root,
  });
}
