/** # Hashes, streams and signatures against published answers and against independent implementations. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { before, test } from 'node:test';
import {
  blake2AsU8a,
  cryptoWaitReady,
  ed25519PairFromSeed,
  ed25519Sign,
  ed25519Verify,
  secp256k1PairFromSeed,
  secp256k1Sign,
  secp256k1Verify,
  sr25519PairFromSeed,
  sr25519Sign,
  sr25519Verify,
  xxhashAsU8a,
} from '@polkadot/util-crypto';
import fc from 'fast-check';
import { concat, fromHex, toHex, utf8 } from '../../src/base/bytes.ts';
import { chacha20Keystream } from '../../src/crypto/chacha20.ts';
import { ecdsaRecover, ecdsaVerifyReference } from '../../src/crypto/ecdsa.ts';
import * as hash from '../../src/crypto/hash.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { type Block, philox4x32 } from '../../src/crypto/philox.ts';
import { sr25519Expand, sr25519PublicKey } from '../../src/crypto/sr25519.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { testWithVectors } from '../vectors/substrate.ts';

before(() => cryptoWaitReady());

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
const messages = fc.uint8Array({ maxLength: 300 });
const FEW = { numRuns: 15 };

testWithVectors('polkadot-js hashes "abc" to the same', 'polkadot-js-common/hashes.json', (data) => {
  const vector = data as Readonly<Record<string, string>>;
  const input = utf8(vector.ascii_input ?? '');
  assert.equal(toHex(hash.twox(input, 8)), vector.twox64);
  assert.equal(toHex(hash.twox(input, 16)), vector.twox128);
  assert.equal(toHex(hash.twox(input, 32)), vector.twox256);
  assert.equal(toHex(hash.blake2_128(input)), vector.blake2_128);
  assert.equal(toHex(hash.blake2_256(input)), vector.blake2_256);
  assert.equal(toHex(hash.blake2_512(input)), vector.blake2_512);
});

testWithVectors("kagome's twox is ours", 'kagome/twox.json', (data) => {
  const { cases } = data as { cases: readonly { input: string; twox128: string; twox256: string }[] };
  for (const { input, twox128, twox256 } of cases) {
    assert.equal(toHex(hash.twox(fromHex(input), 16)), twox128);
    assert.equal(toHex(hash.twox(fromHex(input), 32)), twox256);
  }
});

interface Sr25519Vectors {
  readonly seed: string;
  readonly public_key: string;
  readonly secret_key: string;
  readonly signatures: readonly { message_ascii: string; public_key: string; signature: string }[];
}

testWithVectors("kagome's sr25519 key and the known signature", 'kagome/sr25519.json', (data) => {
  const vector = data as Sr25519Vectors;
  const secret = sr25519Expand(fromHex(vector.seed));
  assert.equal(toHex(sr25519PublicKey(secret)), vector.public_key);
  // The vector's scalar is in the ed25519 form, 8 times ours; the nonce is the same.
  assert.equal(toHex(secret.subarray(32)), `0x${vector.secret_key.slice(66)}`);
  for (const { message_ascii, public_key, signature } of vector.signatures) {
    const verify = (text: string) => verifySignature('sr25519', fromHex(signature), utf8(text), fromHex(public_key));
    assert.ok(verify(message_ascii));
    assert.ok(!verify(`${message_ascii}!`));
  }
});

test('hashes equal those of @polkadot/util-crypto and of Node', () => {
  fc.assert(
    fc.property(messages, (data) => {
      assert.deepEqual(hash.twox(data, 32), xxhashAsU8a(data, 256, true));
      assert.deepEqual(hash.blake2_256(data), blake2AsU8a(data, 256, undefined, true));
      assert.deepEqual(hash.blake2_64(data), blake2AsU8a(data, 64, undefined, true));
      assert.equal(toHex(hash.sha256(data)), `0x${createHash('sha256').update(data).digest('hex')}`);
    }),
  );
});

test('BLAKE3 of nothing is the published one, keyed or not', () => {
  assert.equal(toHex(hash.blake3(utf8(''))), '0xaf1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
  const key = utf8('whats the Elvish word for friend');
  assert.equal(
    toHex(hash.blake3Keyed(key, utf8(''))),
    '0x92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26',
  );
});

test("ChaCha20 gives RFC 8439's first block and OpenSSL's stream", () => {
  const zero = chacha20Keystream(new Uint8Array(32), new Uint8Array(12), 64);
  assert.equal(toHex(zero.subarray(0, 16)), '0x76b8e0ada0f13d90405d6ae55386bd28');
  fc.assert(
    fc.property(seeds, fc.uint8Array({ minLength: 12, maxLength: 12 }), fc.nat(300), (key, nonce, length) => {
      const cipher = createCipheriv('chacha20', key, concat(new Uint8Array(4), nonce));
      assert.deepEqual(chacha20Keystream(key, nonce, length), new Uint8Array(cipher.update(new Uint8Array(length))));
    }),
  );
});

test('Philox4x32-10 gives the known answers of Random123', () => {
  const answers: readonly [Block, readonly [number, number], Block][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [counter, key, words] of answers) assert.deepEqual(philox4x32(key, counter), words);
});

test('sr25519: what we sign Rust verifies, and the other way round', () => {
  fc.assert(
    fc.property(seeds, messages, (seed, message) => {
      const ours = keypairFromSeed('sr25519', seed);
      const theirs = sr25519PairFromSeed(seed);
      assert.deepEqual(ours.publicKey, theirs.publicKey);
      assert.ok(sr25519Verify(message, ours.sign(message), theirs.publicKey));
      assert.ok(verifySignature('sr25519', sr25519Sign(message, theirs), message, ours.publicKey));
      assert.deepEqual(ours.sign(message), ours.sign(message));
    }),
    FEW,
  );
});

test('ed25519: what we sign others verify, and the other way round', () => {
  fc.assert(
    fc.property(seeds, messages, (seed, message) => {
      const ours = keypairFromSeed('ed25519', seed);
      const theirs = ed25519PairFromSeed(seed);
      assert.deepEqual(ours.publicKey, theirs.publicKey);
      assert.deepEqual(ours.sign(message), ed25519Sign(message, theirs));
      assert.ok(ed25519Verify(message, ours.sign(message), theirs.publicKey));
      assert.ok(!verifySignature('ed25519', ours.sign(message), concat(message, Uint8Array.of(0)), ours.publicKey));
    }),
    FEW,
  );
});

test('ecdsa: what we sign others verify, and the key is recovered', () => {
  fc.assert(
    fc.property(seeds, messages, (seed, message) => {
      const ours = keypairFromSeed('ecdsa', seed);
      const theirs = secp256k1PairFromSeed(seed);
      assert.deepEqual(ours.publicKey, theirs.publicKey);
      const signature = ours.sign(message);
      assert.ok(secp256k1Verify(message, signature, theirs.publicKey, 'blake2'));
      const other = secp256k1Sign(message, theirs, 'blake2');
      assert.ok(verifySignature('ecdsa', other, message, ours.publicKey));
      assert.deepEqual(ecdsaRecover(signature, message), ours.publicKey);
      const ethereum = concat(signature.subarray(0, 64), Uint8Array.of((signature[64] as number) + 27));
      assert.deepEqual(ecdsaRecover(ethereum, message), ours.publicKey);
    }),
    FEW,
  );
});

test('malformed ecdsa signatures recover nobody', () => {
  const pair = keypairFromSeed('ecdsa', new Uint8Array(32).fill(7));
  const signature = pair.sign(utf8('hello'));
  const withByte = (at: number, byte: number) => {
    const copy = signature.slice();
    copy[at] = byte;
    return copy;
  };
  assert.equal(ecdsaRecover(withByte(64, 4), utf8('hello')), undefined);
  assert.equal(ecdsaRecover(withByte(64, 26), utf8('hello')), undefined);
  assert.equal(ecdsaRecover(withByte(64, 31), utf8('hello')), undefined);
  assert.equal(ecdsaRecover(signature.slice(0, 64), utf8('hello')), undefined);
  assert.equal(ecdsaRecover(new Uint8Array(65), utf8('hello')), undefined);
  assert.equal(ecdsaRecover(new Uint8Array(65).fill(0xff), utf8('hello')), undefined);
  assert.ok(!ecdsaVerifyReference(withByte(3, 0x55), utf8('hello'), pair.publicKey));
});

test('an ecdsa signature with a high s is the same key saying the same', () => {
  const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
  const pair = keypairFromSeed('ecdsa', new Uint8Array(32).fill(7));
  const signature = pair.sign(utf8('hello'));
  const s = BigInt(toHex(signature.subarray(32, 64)));
  const high = fromHex((order - s).toString(16).padStart(64, '0'));
  const flipped = concat(signature.subarray(0, 32), high, Uint8Array.of((signature[64] as number) ^ 1));
  assert.deepEqual(ecdsaRecover(flipped, utf8('hello')), pair.publicKey);
});

test('no bytes make a verifier throw', () => {
  const any = fc.uint8Array({ maxLength: 70 });
  const shaped = fc.tuple(fc.uint8Array({ minLength: 64, maxLength: 65 }), any, seeds);
  fc.assert(
    fc.property(fc.oneof(fc.tuple(any, any, any), shaped), ([signature, message, key]) => {
      for (const scheme of ['ed25519', 'sr25519', 'ecdsa'] as const) {
        assert.equal(verifySignature(scheme, signature, message, key), false);
      }
    }),
  );
});
