/**
 * # Seal: whether the work in a header is real, its author's own, and of an assigned fragment.
 *
 * Always true: checks run in the order of COMPUTE-POW "Import", cheap ones before dear ones: params, assignment, order,
 * bounds, opening hash, signature, range, paths, target. They need the header, the opening and the parent's state,
 * never the body, so a header is judged before its body is asked for.
 */
import { type Bytes, equal } from '../base/bytes.ts';
import { checkShape, isWithin, type Profile } from '../compute/pouw/profile.ts';
import { wins } from '../compute/pouw/ticket.ts';
import { type TicketClaim, verifyTicket } from '../compute/pouw/verify.ts';
import { verifySignature } from '../crypto/verify.ts';
import { openingHash, type PowPreRuntime, type PowSeal, type Sealed, sealMessage } from '../primitives/pow.ts';
import type { StateView } from '../state/view.ts';
import { type Checked, failed, passed, TICKET_CODES } from './block-error.ts';
import type { ConsensusRules, MinedNode, SealFragment } from './rules.ts';

/** A ticket that was drawn again, and what it is measured by. */
export interface ProvenTicket {
  /** 32 bytes, little-endian. */
  readonly ticket: Bytes;
  readonly slab: number;
  readonly boostPpm: bigint;
}

/** Whether a ticket reaches a difficulty. */
export function reaches(proven: ProvenTicket, difficulty: bigint): boolean {
  return wins(proven.ticket, { difficulty, slab: proven.slab, boostPpm: proven.boostPpm });
}

/** All checks of a seal; `difficulty` may be a lower bound where the block's own is not known yet. */
export function checkSeal(
  rules: ConsensusRules,
  state: StateView,
  sealed: Sealed,
  opening: Bytes,
  difficulty: bigint,
): Checked<ProvenTicket> {
  const { preRuntime, seal } = sealed;
  const shape = checkShape(preRuntime.profile, preRuntime);
  if (!shape.ok) return failed(TICKET_CODES[shape.code]);
  const author = rules.seals.author(state, preRuntime.author);
  if (author === undefined) return failed('UnknownAuthor');
  const fragment = rules.seals.fragment(state, preRuntime.fragment, preRuntime.author);
  if (fragment === undefined) return failed('ForeignFragment');
  const declared = checkDeclared(preRuntime, fragment);
  if (!declared.ok) return declared;
  if (!isWithin(shape.shape, seal)) return failed('WrongTile');
  if (!equal(openingHash(opening), seal.openingHash)) return failed('WrongOpening');
  const message = sealMessage(seal.openingHash, sealed.preHash);
  if (!verifySignature('ed25519', seal.signature, message, author.computeKey)) return failed('BadSignature');
  return draw(rules, shape.shape.profile, claimOf(sealed, opening, difficulty, BigInt(author.boostPpm)));
}

/** The greatest boost there is: what a header without a known parent is given the benefit of. */
const MAX_BOOST_PPM = 1_500_000n;

/**
 * The part of a seal that needs no state: form, bounds, opening, ticket. For a block whose parent is not known:
 * it says that somebody did about that much work for these very bytes, not that he was allowed to.
 */
export function checkWork(
  rules: ConsensusRules,
  sealed: Sealed,
  opening: Bytes,
  difficulty: bigint,
): Checked<ProvenTicket> {
  const { preRuntime, seal } = sealed;
  const shape = checkShape(preRuntime.profile, preRuntime);
  if (!shape.ok) return failed(TICKET_CODES[shape.code]);
  if (!equal(openingHash(opening), seal.openingHash)) return failed('WrongOpening');
  return draw(rules, shape.shape.profile, claimOf(sealed, opening, difficulty, MAX_BOOST_PPM));
}

/** The rest of params, which needs the step graph, then order. */
function checkDeclared(preRuntime: PowPreRuntime, fragment: SealFragment): Checked<MinedNode> {
  const node = fragment.minedNodes[preRuntime.node];
  if (node === undefined) return failed('UnknownNode');
  if (preRuntime.profile !== fragment.profile) return failed('WrongProfile');
  if (node.m !== preRuntime.m || node.n !== preRuntime.n || node.k !== preRuntime.k) return failed('WrongShape');
  if (!node.fits) return failed('NotMinable');
  const { step } = preRuntime;
  if (step < 1 || step > fragment.steps) return failed('StepOutOfRange');
  return isNext(preRuntime, fragment) ? passed(node) : failed('ReusedStep');
}

/** (step, node) greater than the last winning pair; the final step may win again and again (DECISIONS section 1). */
function isNext(at: PowPreRuntime, fragment: SealFragment): boolean {
  const { lastWin } = fragment;
  if (lastWin === undefined || at.step > lastWin.step || at.step === fragment.steps) return true;
  return at.step === lastWin.step && at.node > lastWin.node;
}

function claimOf(sealed: Sealed, opening: Bytes, difficulty: bigint, boostPpm: bigint): TicketClaim {
  const { preRuntime, preHash } = sealed;
  const seal: PowSeal = sealed.seal;
  return {
    preHash,
    author: preRuntime.author,
    fragment: preRuntime.fragment,
    step: preRuntime.step,
    node: preRuntime.node,
    profile: preRuntime.profile,
    m: preRuntime.m,
    n: preRuntime.n,
    k: preRuntime.k,
    ti: seal.ti,
    tj: seal.tj,
    s: seal.s,
    rootA: seal.rootA,
    rootB: seal.rootB,
    opening,
    difficulty,
    boostPpm,
  };
}

function draw(rules: ConsensusRules, profile: Profile, claim: TicketClaim): Checked<ProvenTicket> {
  const verified = rules.evaluate === undefined ? verifyTicket(claim) : verifyTicket(claim, rules.evaluate);
  if (!verified.ok) return failed(TICKET_CODES[verified.code]);
  return passed({ ticket: verified.ticket, slab: profile.slab, boostPpm: claim.boostPpm });
}
