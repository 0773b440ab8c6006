/** # Extrinsics: what is signed, what is sent, and how long it may wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, concat, fromHex, toHex } from '../../src/base/bytes.ts';
import { bytes as vecU8 } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import type { Scheme } from '../../src/crypto/verify.ts';
import { MultiAddress, MultiSignature, multiSign, verifyMultiSignature } from '../../src/primitives/account.ts';
import { Era, eraBirth, eraDeath, mortalEra } from '../../src/primitives/era.ts';
import {
  bareExtrinsic,
  decodeExtrinsic,
  EXTENSIONS,
  type Extra,
  type Extrinsic,
  type Implicit,
  signExtrinsic,
  signingPayload,
} from '../../src/primitives/extrinsic.ts';
import { testWithVectors } from '../vectors/substrate.ts';

const extra: Extra = { era: mortalEra(64, 1_000), nonce: 300, tip: 12_345_678_901_234n };
const implicit: Implicit = {
  specVersion: 100,
  transactionVersion: 1,
  genesisHash: new Uint8Array(32).fill(1),
  birthHash: new Uint8Array(32).fill(2),
};
const callOf = (length: number): Bytes => new Uint8Array(length).fill(6);
const SCHEMES: readonly Scheme[] = ['sr25519', 'ed25519', 'ecdsa'];

test('the signing payload is that of polkadot-js 16.5.6 for the same extensions', () => {
  const expected = [
    `0x${'06'.repeat(10)}`,
    '8502b1040bf22fce733a0b',
    '6400000001000000',
    '01'.repeat(32),
    '02'.repeat(32),
  ].join('');
  assert.equal(toHex(signingPayload(callOf(10), extra, implicit)), expected);
});

/** Whether `account` (what the address resolved to) signed this extrinsic under these implicit data. */
function hasValidSignature(extrinsic: Extrinsic, implicit: Implicit, account: Bytes): boolean {
  const { signed, call } = extrinsic;
  if (signed === undefined) return false;
  return verifyMultiSignature(signed.signature, signingPayload(call, signed.extra, implicit), account);
}

test('a payload of 256 bytes is signed as it is, one of 257 by its hash', () => {
  const rest = signingPayload(callOf(0), extra, implicit);
  const fits = 256 - rest.length;
  assert.equal(signingPayload(callOf(fits), extra, implicit).length, 256);
  const long = concat(callOf(fits + 1), rest);
  assert.deepEqual(signingPayload(callOf(fits + 1), extra, implicit), blake2_256(long));
});

for (const scheme of SCHEMES) {
  test(`what ${scheme} signs is read back, and verifies for its signer alone`, () => {
    const alice = keypairFromSuri('//Alice', scheme);
    const extrinsic = signExtrinsic(callOf(20), extra, implicit, alice);
    assert.deepEqual(decodeExtrinsic(extrinsic.bytes), extrinsic);
    assert.deepEqual(extrinsic.hash, blake2_256(extrinsic.bytes));
    assert.ok(hasValidSignature(extrinsic, implicit, alice.accountId));
    assert.ok(!hasValidSignature(extrinsic, implicit, keypairFromSuri('//Bob', scheme).accountId));
    assert.ok(!hasValidSignature(extrinsic, { ...implicit, specVersion: 101 }, alice.accountId));
    assert.ok(!hasValidSignature({ ...extrinsic, call: callOf(21) }, implicit, alice.accountId));
    const signed = { ...(extrinsic.signed as NonNullable<typeof extrinsic.signed>), extra: { ...extra, nonce: 301 } };
    assert.ok(!hasValidSignature({ ...extrinsic, signed }, implicit, alice.accountId));
  });
}

test('a signature does not verify under the name of another scheme', () => {
  const alice = keypairFromSuri('//Alice', 'ed25519');
  const message = callOf(9);
  const { value } = multiSign(alice, message) as { value: Bytes };
  assert.ok(verifyMultiSignature({ type: 'Ed25519', value }, message, alice.accountId));
  assert.ok(!verifyMultiSignature({ type: 'Sr25519', value }, message, alice.accountId));
  assert.ok(!verifyMultiSignature({ type: 'Ecdsa', value: concat(value, Uint8Array.of(0)) }, message, alice.accountId));
});

test('bare extrinsics of version 4 and 5 are accepted, general ones refused by name', () => {
  const call = callOf(5);
  const bare = bareExtrinsic(call);
  assert.equal(toHex(bare.bytes), '0x18040606060606');
  assert.deepEqual(decodeExtrinsic(bare.bytes), bare);
  const version = (byte: number) => decodeExtrinsic(vecU8.enc(concat(Uint8Array.of(byte), call)));
  assert.equal(version(5).signed, undefined);
  assert.deepEqual(version(5).call, call);
  assert.throws(() => version(0x45), { name: 'ExtrinsicError', code: 'general' });
  for (const byte of [0, 3, 6, 0x44, 0x81, 0x83, 0x85, 0xc4]) assert.throws(() => version(byte), { code: 'version' });
});

test('a length prefix that is missing, wrong or not canonical makes no extrinsic', () => {
  const { bytes } = bareExtrinsic(callOf(5));
  const bad = [bytes.slice(1), bytes.slice(0, -1), concat(bytes, callOf(1)), concat(fromHex('1900'), bytes.slice(1))];
  for (const input of [...bad, new Uint8Array()]) {
    assert.throws(() => decodeExtrinsic(input), { name: 'ExtrinsicError', code: 'malformed' });
  }
});

test('no bytes make the decoder throw anything but its own error, and what it accepts it keeps', () => {
  const { bytes: good } = signExtrinsic(callOf(20), extra, implicit, keypairFromSuri('//Alice', 'ed25519'));
  const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const copy = good.slice();
    copy[at] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }), fc.uint8Array().map(vecU8.enc)), (input) => {
      try {
        assert.deepEqual(decodeExtrinsic(input).bytes, input);
      } catch (error) {
        if ((error as Error).name !== 'ExtrinsicError') throw error;
      }
    }),
    { numRuns: 500 },
  );
});

test('an extrinsic does not alias the buffer that it arrived in', () => {
  const buffer = Buffer.from(bareExtrinsic(callOf(5)).bytes);
  const extrinsic = decodeExtrinsic(buffer);
  buffer.fill(0);
  assert.equal(toHex(extrinsic.bytes), '0x18040606060606');
  assert.deepEqual(extrinsic.call, callOf(5));
});

test('the extensions are those that polkadot-js 10 to 16 and PAPI 2 all understand, in order', () => {
  assert.deepEqual(
    EXTENSIONS.map(({ name }) => name),
    [
      'CheckNonZeroSender',
      'CheckSpecVersion',
      'CheckTxVersion',
      'CheckGenesis',
      'CheckMortality',
      'CheckNonce',
      'CheckWeight',
      'ChargeTransactionPayment',
    ],
  );
});

test('addresses and signatures have the indices that clients expect', () => {
  const key = new Uint8Array(32).fill(9);
  assert.equal(toHex(MultiAddress.enc({ type: 'Id', value: key })), `0x00${'09'.repeat(32)}`);
  assert.equal(toHex(MultiAddress.enc({ type: 'Index' })), '0x01');
  assert.equal(toHex(MultiAddress.enc({ type: 'Raw', value: Uint8Array.of(7) })), '0x020407');
  assert.equal(MultiAddress.enc({ type: 'Address20', value: new Uint8Array(20) })[0], 4);
  assert.equal(MultiSignature.enc({ type: 'Ecdsa', value: new Uint8Array(65) })[0], 2);
});

const ERA_BLOCKS: readonly [file: string, bytes: string, era: Era][] = [
  ['SignedBlock.004.immortal', '00', { type: 'Immortal' }],
  ['SignedBlock.004.mortal', '3300', { type: 'Mortal', period: 16, phase: 3 }],
];
for (const [name, hex, era] of ERA_BLOCKS) {
  testWithVectors(`the era of ${name} is read`, `polkadot-js-api/${name}.json`, (data) => {
    const { block } = (data as { result: { block: { extrinsics: string[]; header: { number: string } } } }).result;
    // Extrinsic version 1: prefix 2, version 1, address 33, signature 64, compact nonce 1, then the era.
    const era0 = 2 + 2 * (2 + 1 + 33 + 64 + 1);
    assert.equal(block.extrinsics[0]?.slice(era0, era0 + hex.length), hex);
    assert.deepEqual(Era.dec(fromHex(hex)), era);
    assert.equal(toHex(Era.enc(era)), `0x${hex}`);
    const parent = Number(block.header.number) - 1;
    if (era.type === 'Mortal') assert.equal(eraBirth(era, parent), parent);
  });
}

test('eras of polkadot-js come out: 64 blocks from 1000, 32768 from 20000', () => {
  assert.equal(toHex(Era.enc(mortalEra(64, 1_000))), '0x8502');
  assert.equal(toHex(Era.enc(mortalEra(32_768, 20_000))), '0x4e9c');
  assert.equal(toHex(Era.enc({ type: 'Immortal' })), '0x00');
});

test('every era of two bytes is either refused or the only spelling of its value', () => {
  let accepted = 0;
  for (let bits = 0; bits < 65_536; bits++) {
    const bytes = Uint8Array.of(bits & 255, bits >> 8);
    if (bytes[0] === 0) continue;
    try {
      const era = Era.dec(bytes);
      assert.deepEqual(Era.enc(era), bytes);
      accepted++;
    } catch (error) {
      assert.equal((error as Error).name, 'CodecError');
    }
  }
  // Phases of periods 4 .. 65536: 4 + 8 + .. + 4096, then 4096 for each of the four longer ones.
  assert.equal(accepted, 8_188 + 4 * 4_096);
});

test('an era holds its blocks and no others', () => {
  const periods = fc.integer({ min: 1, max: 70_000 });
  fc.assert(
    fc.property(periods, fc.nat(10_000_000), fc.nat(70_000), (period, current, later) => {
      const era = mortalEra(period, current);
      assert.ok(era.type === 'Mortal' && era.period >= Math.min(period, 65_536));
      const birth = eraBirth(era, current);
      const death = eraDeath(era, current);
      assert.ok(birth <= current && current < death);
      assert.equal(death - birth, era.period);
      assert.equal(eraBirth(era, birth), birth);
      if (birth + later < death) assert.equal(eraBirth(era, birth + later), birth);
      else assert.notEqual(eraBirth(era, birth + later), birth);
    }),
  );
  assert.equal(eraBirth({ type: 'Immortal' }, 77), 0);
  assert.equal(eraDeath({ type: 'Immortal' }, 77), Number.POSITIVE_INFINITY);
});
