/**
 * # Profile: the shapes in which a product may be mined.
 *
 * Always true: a checked `Shape` has m and n in whole tiles and k in whole slabs, so every ticket covers exactly
 * 256*slab multiplications and no two tickets share one. Source: docs/spec/compute-pow.md, sections 1 and 2.
 */

/** Rows and columns of a tile: the least piece of a product that is a ticket. */
export const TILE = 16;
/** The longest inner dimension of a mined node: every partial sum stays below 2^27 (docs/spec/compute-pow.md, 2). */
const MAX_INNER = 4096;
/** Operands are 7-bit integers, so that noised ones (plus or minus 62) still fit a signed byte. */
export const OPERAND_MIN = -64;
export const OPERAND_MAX = 63;

export interface Profile {
  readonly id: number;
  /** Positions of k in one ticket. */
  readonly slab: number;
  /** Rank r of the noise, and the positions t of one chunk: equal, so that a chunk's noise has full rank. */
  readonly rank: number;
}

/** The profiles by id: 0 for devnets and small models, 1 by default, 2 for large devices. */
export const PROFILES: readonly Profile[] = [
  { id: 0, slab: 256, rank: 64 },
  { id: 1, slab: 1024, rank: 128 },
  { id: 2, slab: 2048, rank: 256 },
];

/** A product C = A B that may be mined: A is m x k, B is k x n. Made by `checkShape` only. */
export interface Shape {
  readonly profile: Profile;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** S = k / slab. */
  readonly slabs: number;
}

/** One ticket's place: tile row, tile column, slab. */
export interface Place {
  readonly ti: number;
  readonly tj: number;
  readonly s: number;
}

/** Why a ticket is refused, in the order in which it is checked. */
export const TICKET_FAULTS = {
  UnknownProfile: 'no profile has this number',
  BadShape: 'm and n are not multiples of 16, or k is not a multiple of the slab up to 4,096',
  PlaceOutOfBounds: 'the ticket lies outside the product',
  OpeningHashMismatch: 'the opening is not the one that the seal names',
  OpeningMalformed: 'the opening is not two panels and two paths',
  OperandOutOfRange: 'an opened operand is not in [-64, 63]',
  PathAInvalid: 'panel A does not open in root A',
  PathBInvalid: 'panel B does not open in root B',
  TargetMissed: 'the ticket does not reach the target',
} as const;

export type TicketFault = keyof typeof TICKET_FAULTS;
export type Checked<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly code: TicketFault };

/** The shape of these dimensions, or why they cannot be mined. */
export function checkShape(
  profileId: number,
  size: { readonly m: number; readonly n: number; readonly k: number },
): Checked<{ readonly shape: Shape }> {
  const profile = PROFILES[profileId];
  if (profile === undefined) return { ok: false, code: 'UnknownProfile' };
  const { m, n, k } = size;
  const whole = isCount(m, TILE) && isCount(n, TILE) && isCount(k, profile.slab) && k <= MAX_INNER;
  if (!whole) return { ok: false, code: 'BadShape' };
  return { ok: true, shape: { profile, m, n, k, slabs: k / profile.slab } };
}

/** Whether the ticket exists in a product of this shape. */
export function isWithin(shape: Shape, place: Place): boolean {
  return isIndex(place.ti, shape.m / TILE) && isIndex(place.tj, shape.n / TILE) && isIndex(place.s, shape.slabs);
}

/** Tickets of a whole product. */
export function ticketCount(shape: Shape): number {
  return (shape.m / TILE) * (shape.n / TILE) * shape.slabs;
}

function isCount(value: number, multiple: number): boolean {
  return value > 0 && value >>> 0 === value && value % multiple === 0;
}

function isIndex(value: number, count: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < count;
}
