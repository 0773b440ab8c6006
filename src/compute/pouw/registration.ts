/**
 * # Registration: work that anyone can do before he is assigned any, over operands that his account fixes.
 *
 * Always true: the operands follow from the account alone (Philox, purpose 0), so a verifier recomputes them and needs
 * no opening; tickets bind to the account, the chain and a recent block through the preHash (ECONOMY.md rule E).
 */
import { type Bytes, fromLittleEndian } from '../../base/bytes.ts';
import { philox4x32 } from '../../crypto/philox.ts';
import { type Operand, operandRoot, panelOf } from './commitment.ts';
import { kappaOf, seedsOf } from './noise.ts';
import { checkShape, isWithin, type Place, type Shape } from './profile.ts';
import { evaluateTicket, type TicketEvaluator, wins } from './ticket.ts';

/** m = n = 512, k = 1,024 in every profile whose slab divides it. */
export const REGISTRATION_SHAPE = { m: 512, n: 512, k: 1_024 } as const;
const NO_FRAGMENT = new Uint8Array(32);
const WORDS_PER_BLOCK = 4;

/** The operands of an account: A under node 0, B (transposed) under node 1; a byte's low seven bits less 64. */
export function registrationOperands(account: Bytes): { readonly a: Operand; readonly b: Operand } {
  const { m, n, k } = REGISTRATION_SHAPE;
  return { a: { data: draw(account, 0, m * k), lines: m, k }, b: { data: draw(account, 1, n * k), lines: n, k } };
}

function draw(account: Bytes, node: number, count: number): Int8Array {
  const key: [number, number] = [wordAt(account, 0), wordAt(account, 4)];
  const out = new Int8Array(count);
  for (let block = 0; block * 16 < count; block++) {
    const words = philox4x32(key, [block, node, 0, 0]);
    for (let w = 0; w < WORDS_PER_BLOCK; w++) {
      for (let byte = 0; byte < 4; byte++) {
        out[block * 16 + w * 4 + byte] = (((words[w] as number) >>> (8 * byte)) & 127) - 64;
      }
    }
  }
  return out;
}

function wordAt(bytes: Bytes, at: number): number {
  return Number(fromLittleEndian(bytes.subarray(at, at + 4)));
}

/** The header that a registration's noise is bound to; `attempt` stands in for the step. */
export function registrationHeader(account: Bytes, preHash: Bytes, attempt: number) {
  return { preHash, author: account, fragment: NO_FRAGMENT, step: attempt, node: 0 };
}

export interface RegistrationClaim {
  readonly account: Bytes;
  readonly preHash: Bytes;
  readonly profile: number;
  readonly difficulty: bigint;
  readonly tickets: readonly (Place & { readonly attempt: number })[];
}

/** Whether every ticket of the claim lies in the product and reaches the difficulty. Distinctness is the caller's. */
export function verifyRegistration(claim: RegistrationClaim, evaluate: TicketEvaluator = evaluateTicket): boolean {
  const checked = checkShape(claim.profile, REGISTRATION_SHAPE);
  if (!checked.ok) return false;
  const { shape } = checked;
  // Places first: they cost nothing, the operands cost 60 ms.
  if (claim.tickets.some((ticket) => !isWithin(shape, ticket))) return false;
  const { a, b } = registrationOperands(claim.account);
  const roots = [operandRoot(a, shape.profile.slab), operandRoot(b, shape.profile.slab)] as const;
  return claim.tickets.every((ticket) => reaches(claim, shape, { a, b }, roots, ticket, evaluate));
}

function reaches(
  claim: RegistrationClaim,
  shape: Shape,
  { a, b }: { readonly a: Operand; readonly b: Operand },
  [rootA, rootB]: readonly [Bytes, Bytes],
  ticket: Place & { readonly attempt: number },
  evaluate: TicketEvaluator,
): boolean {
  const { slab } = shape.profile;
  const header = registrationHeader(claim.account, claim.preHash, ticket.attempt);
  const seeds = seedsOf(kappaOf(header, shape), rootA, rootB);
  const panelA = panelOf(a, ticket.ti, ticket.s, slab);
  const panelB = panelOf(b, ticket.tj, ticket.s, slab);
  const found = evaluate({ profile: shape.profile, seeds, place: ticket, panelA, panelB });
  return wins(found, { difficulty: claim.difficulty, slab, boostPpm: 1_000_000n });
}
