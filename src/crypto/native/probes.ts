/**
 * # Probes: signatures at the edges of the two rules, with the answer that the whole network must give.
 *
 * Always true: `valid` is what the reference says (tested); listing the answers keeps the start-up self-test short,
 * since the reference takes over a millisecond for each.
 */
import { type Bytes, concat, fromHex, fromLittleEndian, littleEndian, utf8 } from '../../base/bytes.ts';

export interface Probe {
  readonly name: string;
  readonly signature: Bytes;
  readonly message: Bytes;
  readonly publicKey: Bytes;
  readonly valid: boolean;
}

// The order of the prime subgroup, of both schemes (RFC 8032, RFC 9496).
const ORDER = (1n << 252n) + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
const PRIME = (1n << 255n) - 19n;

/** The same probe with the byte at `at` of one part changed by `flip`. */
function damaged(probe: Probe, part: 'signature' | 'message' | 'publicKey', at: number, flip = 1): Probe {
  const bytes = probe[part].slice();
  bytes[at] = (bytes[at] as number) ^ flip;
  return { ...probe, name: `${probe.name}, byte ${at} of ${part} changed`, [part]: bytes, valid: false };
}

function cut(probe: Probe): readonly Probe[] {
  const { signature, publicKey } = probe;
  return [
    { ...probe, name: 'a short signature', signature: signature.slice(0, 63), valid: false },
    { ...probe, name: 'a long signature', signature: concat(signature, new Uint8Array(1)), valid: false },
    { ...probe, name: 'a short key', publicKey: publicKey.slice(0, 31), valid: false },
    { ...probe, name: 'an empty key', publicKey: new Uint8Array(), valid: false },
  ];
}

/** s + order: the same number to sloppy arithmetic. The marker bit of sr25519 is kept. */
function withLargerScalar(probe: Probe): Probe {
  const { signature } = probe;
  const marker = probe.signature === SR_GOOD.signature ? 1n << 255n : 0n;
  const scalar = fromLittleEndian(signature.subarray(32)) - marker + ORDER + marker;
  const larger = concat(signature.slice(0, 32), littleEndian(scalar, 32));
  return { ...probe, name: `${probe.name}, scalar plus order`, signature: larger, valid: false };
}

const ED_GOOD: Probe = {
  name: 'RFC 8032 test 2',
  signature: fromHex(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ),
  message: Uint8Array.of(0x72),
  publicKey: fromHex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'),
  valid: true,
};

// Points of small order, with encodings above the field prime: S = 0, R = A. ZIP-215 accepts them all.
const SMALL_ORDER = [
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `ee${'ff'.repeat(30)}7f`,
  `01${'00'.repeat(30)}80`,
].map(fromHex);

const smallOrder = SMALL_ORDER.map((point, i) => ({
  name: `small order ${i}`,
  signature: concat(point, new Uint8Array(32)),
  message: Uint8Array.of(0),
  publicKey: point,
  valid: true,
}));

/** Valid only by the cofactored equation: R, or A, has a component of order 8. */
const COFACTORED: readonly Probe[] = [
  {
    name: 'R with a torsion component',
    signature: fromHex(
      '055d3067657e15526df39cd85ea81d5469b34db9d1cff8ee5a1bb6710b7cecbd' +
        '16f4a35a536d74656a4b25f588b020b3e3832b749a595343556daca9e3783e04',
    ),
    message: utf8('cofactor'),
    publicKey: fromHex('62244e218f4deae680de9a6832ab808cbda6da6451c5caae6be7eca4d466b5d9'),
    valid: true,
  },
  {
    name: 'A with a torsion component',
    signature: fromHex(
      'f0e92dbede6e0d80fbf877969f41e82ac9f3421d3083d77aea45cf93d1385484' +
        'f986fee6ba856521b318924a077fdd182283f8090ef3616db3af418725fe7c0c',
    ),
    message: utf8('cofactor'),
    publicKey: fromHex('bd714bc26817786bc082589a0814771ac15a981628f57dc7304c30a8d7e29dd7'),
    valid: true,
  },
];

// From sr25519-crust (test/ds.cpp): context "substrate", the development phrase's key.
const SR_GOOD: Probe = {
  name: 'the known sr25519 signature',
  signature: fromHex(
    '4e172314444b8f820bb54c22e95076f220ed25373e5c178234aa6c211d292712' +
      '44b947e3ff3418ff6b45fd1df1140c8cbff69fc58ee6dc96df70936a2bb74b82',
  ),
  message: utf8('this is a message'),
  publicKey: fromHex('46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a'),
  valid: true,
};

const NO_KEY = new Uint8Array(32);
// R = identity, s = 0 with the marker: the equation holds for the identity as key.
const NOTHING = concat(new Uint8Array(63), Uint8Array.of(0x80));

export const ED25519_PROBES: readonly Probe[] = [
  ED_GOOD,
  damaged(ED_GOOD, 'signature', 0),
  damaged(ED_GOOD, 'signature', 40),
  damaged(ED_GOOD, 'message', 0),
  damaged(ED_GOOD, 'publicKey', 5),
  withLargerScalar(ED_GOOD),
  ...cut(ED_GOOD),
  ...smallOrder,
  ...COFACTORED,
];

export const SR25519_PROBES: readonly Probe[] = [
  SR_GOOD,
  damaged(SR_GOOD, 'signature', 0, 2),
  damaged(SR_GOOD, 'signature', 40),
  damaged(SR_GOOD, 'signature', 63, 0x80),
  damaged(SR_GOOD, 'message', 3),
  damaged(SR_GOOD, 'publicKey', 0),
  damaged(SR_GOOD, 'publicKey', 7),
  withLargerScalar(SR_GOOD),
  ...cut(SR_GOOD),
  { ...SR_GOOD, name: 'the identity as key', signature: NOTHING, publicKey: NO_KEY, valid: false },
  { ...SR_GOOD, name: 'R the identity', signature: concat(NO_KEY, SR_GOOD.signature.slice(32)), valid: false },
  { ...SR_GOOD, name: 'a key of ones', publicKey: new Uint8Array(32).fill(0xff), valid: false },
  { ...SR_GOOD, name: 'a key above the prime', publicKey: littleEndian(PRIME + 1n, 32), valid: false },
  // The good signature again: hostile input must not have worn anything out.
  { ...SR_GOOD, name: 'the known sr25519 signature after all that' },
];
