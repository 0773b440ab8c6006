import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat } from '../../../src/base/bytes.ts';
import { operandRoot, panelLeaf } from '../../../src/compute/pouw/commitment.ts';
import { kappaOf, seedsOf } from '../../../src/compute/pouw/noise.ts';
import { buildOpening, decodeOpening, encodeOpening, type Opening } from '../../../src/compute/pouw/opening.ts';
import { type Place, PROFILES, type TicketFault } from '../../../src/compute/pouw/profile.ts';
import { evaluateTicket } from '../../../src/compute/pouw/ticket.ts';
import { type TicketClaim, verifyTicket } from '../../../src/compute/pouw/verify.ts';
import { openingHash } from '../../../src/primitives/pow.ts';
import { drawOperands, shapeOf } from './vectors.ts';

const header = {
  preHash: new Uint8Array(32).fill(1),
  author: new Uint8Array(32).fill(2),
  fragment: new Uint8Array(32).fill(3),
  node: 5,
};

/** A claim at the first step whose ticket's high byte is at most `luck`, with the ticket itself as its target. */
function honest(profileId: number, size: { m: number; n: number; k: number }, place: Place, luck = 255) {
  const shape = shapeOf(profileId, size);
  const { a, b } = drawOperands(size, 'random');
  const rootA = operandRoot(a, shape.profile.slab);
  const rootB = operandRoot(b, shape.profile.slab);
  const opening = buildOpening(a, b, shape, place);
  const ticketAt = (step: number) => {
    const seeds = seedsOf(kappaOf({ ...header, step }, shape), rootA, rootB);
    return evaluateTicket({ ...opening, profile: shape.profile, seeds, place });
  };
  let step = 1;
  let ticket = ticketAt(step);
  while ((ticket[31] as number) > luck) ticket = ticketAt(++step);
  const value = BigInt(`0x${Buffer.from(ticket.toReversed()).toString('hex')}`);
  const difficulty = ((1n << 256n) * BigInt(256 * shape.profile.slab) - 1n) / value;
  const claim: TicketClaim = {
    ...header,
    step,
    ...place,
    ...size,
    profile: profileId,
    rootA,
    rootB,
    opening: encodeOpening(opening),
    difficulty,
    boostPpm: 1_000_000n,
  };
  return { claim, opening, ticket };
}

// Another header's ticket would be luckier once in 256 tries; the draws below are fixed, and none is.
const small = honest(0, { m: 80, n: 48, k: 512 }, { ti: 1, tj: 2, s: 0 }, 0);

function refused(change: Partial<TicketClaim>, code: TicketFault, claim = small.claim): void {
  assert.deepEqual(verifyTicket({ ...claim, ...change }), { ok: false, code });
}

test('an honest ticket is accepted in every profile, up to exactly its own difficulty', () => {
  for (const { claim, ticket } of [
    small,
    honest(1, { m: 32, n: 48, k: 2048 }, { ti: 0, tj: 2, s: 1 }),
    honest(2, { m: 16, n: 16, k: 2048 }, { ti: 0, tj: 0, s: 0 }),
  ]) {
    assert.deepEqual(verifyTicket(claim), { ok: true, ticket });
    assert.deepEqual(verifyTicket({ ...claim, openingHash: openingHash(claim.opening) }), { ok: true, ticket });
    refused({ difficulty: claim.difficulty + 1n }, 'TargetMissed', claim);
    assert.ok(verifyTicket({ ...claim, difficulty: claim.difficulty + 1n, boostPpm: 1_500_000n }).ok);
  }
});

test('a ticket that does not exist is refused before anything is hashed', () => {
  refused({ profile: 7 }, 'UnknownProfile');
  refused({ k: 513 }, 'BadShape');
  refused({ ti: 5 }, 'PlaceOutOfBounds');
  refused({ tj: 3 }, 'PlaceOutOfBounds');
  refused({ s: 2 }, 'PlaceOutOfBounds');
});

test('an opening other than the sealed one, or of another form, is refused', () => {
  const { claim } = small;
  const hash = openingHash(claim.opening);
  refused({ openingHash: hash, opening: Uint8Array.of(...claim.opening, 0) }, 'OpeningHashMismatch');
  refused({ opening: Uint8Array.of(...claim.opening, 0) }, 'OpeningMalformed');
  refused({ opening: claim.opening.slice(0, -1) }, 'OpeningMalformed');
  refused({ opening: new Uint8Array(0) }, 'OpeningMalformed');
  const long = { ...small.opening, pathA: new Array<Uint8Array>(32).fill(new Uint8Array(32)) };
  refused({ opening: encodeOpening(long) }, 'PathAInvalid');
});

test('an operand out of range is refused even if the roots were made of it', () => {
  // Of a product of one tile and one slab each operand is one panel, and its leaf is its root.
  const { claim, opening } = honest(0, { m: 16, n: 16, k: 256 }, { ti: 0, tj: 0, s: 0 });
  for (const [side, root] of [
    ['panelA', 'rootA'],
    ['panelB', 'rootB'],
  ] as const) {
    for (const value of [64, 127, -65, -128]) {
      const panel = opening[side].slice();
      panel[panel.length - 1] = value;
      const forged = { opening: encodeOpening({ ...opening, [side]: panel }), [root]: panelLeaf(panel) };
      refused(forged, 'OperandOutOfRange', claim);
    }
  }
});

test('a wrong tile, a foreign panel or a swapped path does not open', () => {
  const reseal = (change: Partial<Opening>) => ({ opening: encodeOpening({ ...small.opening, ...change }) });
  const { panelA, panelB, pathA, pathB } = small.opening;
  refused({ ti: 2 }, 'PathAInvalid');
  refused({ tj: 1 }, 'PathBInvalid');
  refused({ s: 1 }, 'PathAInvalid');
  refused(reseal({ panelA: panelB, panelB: panelA }), 'PathAInvalid');
  refused(reseal({ pathA: pathB, pathB: pathA }), 'PathAInvalid');
  refused(reseal({ pathA: pathA.toReversed() }), 'PathAInvalid');
  refused(reseal({ pathB: pathB.slice(1) }), 'PathBInvalid');
  const flipped = panelB.slice();
  flipped[0] = (flipped[0] as number) ^ 1;
  refused(reseal({ panelB: flipped }), 'PathBInvalid');
  refused({ rootA: small.claim.rootB }, 'PathAInvalid');
  refused({ rootB: small.claim.rootA }, 'PathBInvalid');
});

test('a ticket belongs to one author, one header, one fragment, one step and one node', () => {
  const other = new Uint8Array(32).fill(9);
  refused({ author: other }, 'TargetMissed');
  refused({ preHash: other }, 'TargetMissed');
  refused({ fragment: other }, 'TargetMissed');
  refused({ step: small.claim.step + 1 }, 'TargetMissed');
  refused({ node: header.node + 1 }, 'TargetMissed');
});

test('no bytes of a peer make the check throw', () => {
  const { claim } = small;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 9000 }),
        fc
          .tuple(fc.nat(claim.opening.length - 1), fc.integer({ min: 1, max: 255 }))
          .map(([at, bits]) => claim.opening.map((byte, i) => (i === at ? byte ^ bits : byte))),
      ),
      fc.record({ ti: fc.nat(6), tj: fc.nat(4), s: fc.nat(3), profile: fc.nat(3) }),
      (opening, place) => {
        assert.equal(verifyTicket({ ...claim, ...place, opening }).ok, false);
      },
    ),
    { numRuns: 100 },
  );
});

test('an opening is both panels raw, then both paths, and no other bytes are it', () => {
  for (const profile of PROFILES) {
    const panel = Int8Array.from({ length: 16 * profile.slab }, (_, i) => (i % 128) - 64);
    const sibling = new Uint8Array(32).fill(4);
    const opening = { panelA: panel, panelB: panel.toReversed(), pathA: [sibling], pathB: [] };
    const bytes = encodeOpening(opening);
    const panels = [opening.panelA, opening.panelB].map((one) => new Uint8Array(one));
    assert.deepEqual(bytes, concat(...panels, Uint8Array.of(4), sibling, Uint8Array.of(0)));
    assert.deepEqual(decodeOpening(bytes, profile), opening);
    assert.equal(decodeOpening(bytes.slice(1), profile), undefined);
  }
});
