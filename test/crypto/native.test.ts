/** # Fast paths: equal to the reference on everything tried, and dropped with a reason when they are not. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, concat, toHex } from '../../src/base/bytes.ts';
import { activeKeystream, chacha20Keystream, chacha20KeystreamReference } from '../../src/crypto/chacha20.ts';
import { ed25519SignReference } from '../../src/crypto/ed25519.ts';
import * as hash from '../../src/crypto/hash.ts';
import { activeSigner, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { LOADERS, type Loaders } from '../../src/crypto/native/loaders.ts';
import { ED25519_PROBES, type Probe, SR25519_PROBES } from '../../src/crypto/native/probes.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { activeVerifiers, referenceVerifiers, verifySignature } from '../../src/crypto/verify.ts';
import { activeVrf, referenceVrf } from '../../src/crypto/vrf.ts';

const referenceSigners = { ...activeSigner };
function uninstall(): void {
  Object.assign(hash.activeHashes, hash.referenceHashes);
  Object.assign(activeVerifiers, referenceVerifiers);
  activeKeystream.chacha20 = chacha20KeystreamReference;
  Object.assign(activeSigner, referenceSigners);
  Object.assign(activeVrf, referenceVrf);
}
after(uninstall);

for (const { name, signature, message, publicKey, valid } of ED25519_PROBES) {
  test(`ed25519 by the reference: ${name} is ${valid ? 'valid' : 'invalid'}`, () => {
    assert.equal(referenceVerifiers.ed25519(signature, message, publicKey), valid);
  });
}
for (const { name, signature, message, publicKey, valid } of SR25519_PROBES) {
  test(`sr25519 by the reference: ${name} is ${valid ? 'valid' : 'invalid'}`, () => {
    assert.equal(referenceVerifiers.sr25519(signature, message, publicKey), valid);
  });
}

test('on this machine every fast path proves itself and is installed', async () => {
  uninstall();
  const report = await installFastPaths();
  assert.deepEqual(
    report.filter(({ active }) => active !== 'fast'),
    [],
  );
  assert.equal(report.length, 9);
  for (const name of Object.keys(hash.referenceHashes) as (keyof hash.Hashes)[]) {
    assert.notEqual(hash.activeHashes[name], hash.referenceHashes[name], `${name} is not installed`);
  }
});

test('installed hashes equal the reference on any input', async () => {
  await installFastPaths();
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000, size: 'max' }), key, (data, by) => {
      for (const size of [8, 16, 32, 64]) {
        assert.deepEqual(hash.activeHashes.blake2(data, size), hash.referenceHashes.blake2(data, size));
      }
      assert.deepEqual(hash.sha256(data), hash.referenceHashes.sha256(data));
      assert.deepEqual(hash.blake3(data), hash.referenceHashes.blake3(data));
      assert.deepEqual(hash.blake3Keyed(by, data), hash.referenceHashes.blake3Keyed(by, data));
      assert.deepEqual(hash.activeHashes.twox64(data, 3), hash.referenceHashes.twox64(data, 3));
      const nonce = by.slice(0, 12);
      const length = 2 * data.length;
      assert.deepEqual(chacha20Keystream(by, nonce, length), chacha20KeystreamReference(by, nonce, length));
    }),
  );
});

test('installed signatures equal the reference, and damage of any byte is seen', async () => {
  await installFastPaths();
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const scheme = fc.constantFrom('ed25519' as const, 'sr25519' as const);
  fc.assert(
    fc.property(
      scheme,
      seeds,
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(95),
      fc.nat(255),
      (by, seed, text, at, flip) => {
        const pair = keypairFromSeed(by, seed);
        const signature = pair.sign(text);
        if (by === 'ed25519') assert.deepEqual(signature, ed25519SignReference(seed, text));
        assert.ok(verifySignature(by, signature, text, pair.publicKey));
        const both = concat(signature, pair.publicKey);
        both[at] = (both[at] as number) ^ flip;
        const [sig, key] = [both.slice(0, 64), both.slice(64)];
        assert.equal(verifySignature(by, sig, text, key), referenceVerifiers[by](sig, text, key));
      },
    ),
    { numRuns: 40 },
  );
});

test('three hundred hostile keys leave sr25519 verification as it was, and nothing is printed', async () => {
  const fast = await LOADERS.sr25519();
  const probe = SR25519_PROBES[0] as Probe;
  const printed: unknown[] = [];
  const { error } = console;
  console.error = (...words: unknown[]) => printed.push(words);
  try {
    for (let i = 0; i < 300; i++) {
      const key = new Uint8Array(32).fill(i);
      key[0] = 2 * i;
      key[31] = 0x50;
      assert.equal(fast(probe.signature, probe.message, key), false);
    }
  } finally {
    console.error = error;
  }
  assert.ok(fast(probe.signature, probe.message, probe.publicKey));
  assert.deepEqual(printed, []);
});

/** One bit of one answer wrong, on inputs that `on` picks. */
function lying<A extends readonly unknown[]>(f: (...args: A) => Bytes, on: (...args: A) => boolean) {
  return (...args: A): Bytes => {
    const answer = f(...args);
    if (on(...args)) answer[0] = (answer[0] as number) ^ 1;
    return answer;
  };
}
const { referenceHashes } = hash;
const shared = new Uint8Array(32);

const FAULTS: readonly [what: string, name: string, faulty: Partial<Loaders>][] = [
  [
    'a BLAKE2b that is wrong on blocks of exactly 128 bytes',
    'blake2b (sodium-native)',
    { blake2: async () => lying(referenceHashes.blake2, (data) => data.length === 128) },
  ],
  [
    'a BLAKE2b that is wrong at 8 bytes of output',
    'blake2b (sodium-native)',
    { blake2: async () => lying(referenceHashes.blake2, (_data, size) => size === 8) },
  ],
  [
    'a SHA-256 that answers from one buffer',
    'sha256 (node:crypto)',
    {
      sha256: async () => (data) => {
        shared.set(referenceHashes.sha256(data));
        return shared;
      },
    },
  ],
  [
    'a SHA-256 that answers Buffers',
    'sha256 (node:crypto)',
    { sha256: async () => (data) => Buffer.from(referenceHashes.sha256(data)) },
  ],
  [
    'a keyed BLAKE3 that keeps its first key',
    'blake3 (hash-wasm)',
    {
      blake3: async () => ({
        blake3: referenceHashes.blake3,
        blake3Keyed: (_key, data) => referenceHashes.blake3Keyed(new Uint8Array(32), data),
      }),
    },
  ],
  [
    'a twox that ignores the offset of a view',
    'twox64 (xxhash-wasm)',
    { twox64: async () => (data, seed) => referenceHashes.twox64(new Uint8Array(data.buffer, 0, data.length), seed) },
  ],
  [
    'a keystream that starts at block 1',
    'chacha20 (node:crypto)',
    { chacha20: async () => (key, nonce, length) => chacha20KeystreamReference(key, nonce, length + 64).slice(64) },
  ],
  [
    'an ed25519 without the cofactor',
    'ed25519 (sodium-native, ZIP-215)',
    {
      ed25519: async () => (signature, message, key) =>
        !message.includes(0x63) && referenceVerifiers.ed25519(signature, message, key),
    },
  ],
  ['an ed25519 that accepts everything', 'ed25519 (sodium-native, ZIP-215)', { ed25519: async () => () => true }],
  [
    'an ed25519 signer of other bytes',
    'ed25519 signing (sodium-native)',
    { ed25519Signer: async () => () => new Uint8Array(64) },
  ],
  [
    'an sr25519 that takes the identity for a key',
    'sr25519 (schnorrkel-wasm)',
    {
      sr25519: async () => (signature, message, key) =>
        key.every((byte) => byte === 0) || referenceVerifiers.sr25519(signature, message, key),
    },
  ],
  [
    'an sr25519 that throws on hostile keys',
    'sr25519 (schnorrkel-wasm)',
    {
      sr25519: async () => () => {
        throw new Error('unreachable');
      },
    },
  ],
  [
    'a module that is not there',
    'blake3 (hash-wasm)',
    { blake3: () => Promise.reject(new Error('Cannot find package')) },
  ],
];
for (const [what, name, faulty] of FAULTS) {
  test(`${what} is dropped with a reason, and only that`, async () => {
    uninstall();
    const report = await installFastPaths({ ...LOADERS, ...faulty });
    const dropped = report.filter(({ active }) => active === 'reference');
    assert.deepEqual(
      dropped.map((path) => path.name),
      [name],
    );
    assert.match(dropped[0]?.reason ?? '', /\w/);
    if (name.startsWith('sr25519')) assert.equal(activeVerifiers.sr25519, referenceVerifiers.sr25519);
    if (name.startsWith('blake3')) assert.equal(hash.activeHashes.blake3, referenceHashes.blake3);
  });
}

test('a pair says its account and not its secret', () => {
  const pair = keypairFromSuri('//Alice', 'ecdsa');
  assert.equal(pair.publicKey.length, 33);
  assert.deepEqual(pair.accountId, hash.blake2_256(pair.publicKey));
  const seed = keypairFromSeed('ed25519', new Uint8Array(32).fill(5));
  assert.ok(
    !Object.values(seed).some((value) => value instanceof Uint8Array && toHex(value) === `0x${'05'.repeat(32)}`),
  );
});
