/**
 * # VRF: one output of a key for a message, as schnorrkel computes it, by the reference and by the fast path alike.
 *
 * The vectors were made by schnorrkel itself, compiled to WebAssembly (`vrfSign` of @polkadot/wasm-crypto 7.5.4, empty
 * context and extra): the output is fixed, the proof is one of many.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import sodium from 'sodium-native';
import { type Bytes, concat, fromHex, utf8 } from '../../src/base/bytes.ts';
import { activeSigner } from '../../src/crypto/keypair.ts';
import { fastSigner, fastVrf } from '../../src/crypto/native/fast-sr25519.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { LOADERS } from '../../src/crypto/native/loaders.ts';
import { ORDER, Ristretto } from '../../src/crypto/native/ristretto.ts';
import { sr25519Expand, sr25519PublicKey, sr25519SignReference } from '../../src/crypto/sr25519.ts';
import { activeVrf, referenceVrf, type VrfSignature, vrfSign, vrfVerify } from '../../src/crypto/vrf.ts';

const VECTORS = [
  {
    seed: 1,
    message: '',
    output: '7e73361539c0e3e662180a8795cf02a5739bd4975766995f8aaa6179cfad0c35',
    proof:
      '056bea6e45004bbd3135ac6461cffecebd8364be82dcd17f7436594b5fc38501' +
      '90387fcece0578e8e4bdbbcf8f30ee2b12fb851444f878e9ea47f405c3e3900b',
  },
  {
    seed: 2,
    message: 'a message',
    output: 'de65283895086f004cb54970338dad8aef9c9bf533c00b299500ce6f37099629',
    proof:
      'fba31950bd9afc31b468e042e18981ce45c16bbf929007069d8baa6e58366f00' +
      'af24440f996fa141d56609b10e8023ce631fb30400905e64a81107ae174de000',
  },
  {
    seed: 3,
    message: 'x'.repeat(200),
    output: 'e001a9280b0f857ccb15f387f6715e490b990544edcd52f57f62d284a27e2b0a',
    proof:
      '2a3df3ef2e13f1f285cc353f598691a7fe4ee867d7ce877f7495d086e2060600' +
      '5aa9b0b7655926774e9e028b2439486c61349b7c4f997cc3c1f7f2488a88c40f',
  },
];

const referenceSigner = activeSigner.sr25519;
after(() => {
  Object.assign(activeVrf, referenceVrf);
  activeSigner.sr25519 = referenceSigner;
});

const group = new Ristretto(sodium);
const fast = fastVrf(group);
const pairOf = (seed: Bytes) => {
  const secret = sr25519Expand(seed);
  return { secret, publicKey: sr25519PublicKey(secret) };
};
const both = { reference: referenceVrf, fast };

for (const [name, vrf] of Object.entries(both)) {
  test(`schnorrkel's vectors, by the ${name}: the outputs are equal, the proofs valid`, () => {
    for (const { seed, message, output, proof } of VECTORS) {
      const { secret, publicKey } = pairOf(new Uint8Array(32).fill(seed));
      const signature = { output: fromHex(output), proof: fromHex(proof) };
      assert.deepEqual(vrf.sign(secret, publicKey, utf8(message)).output, signature.output);
      assert.ok(vrf.verify(signature, utf8(message), publicKey));
    }
  });

  test(`what is changed or malformed is no output, by the ${name}`, () => {
    const message = utf8('a message');
    const { secret, publicKey } = pairOf(new Uint8Array(32).fill(2));
    const good = vrf.sign(secret, publicKey, message);
    const identity = new Uint8Array(32);
    const larger = good.proof.slice();
    larger.fill(0xff, 32);
    const bad: readonly [string, VrfSignature, Bytes, Bytes][] = [
      ['another message', good, utf8('a massage'), publicKey],
      ['another key', good, message, pairOf(new Uint8Array(32).fill(3)).publicKey],
      ['the identity as output', { ...good, output: identity }, message, publicKey],
      ['the identity as key', good, message, identity],
      ['no point', { ...good, output: new Uint8Array(32).fill(0xff) }, message, publicKey],
      ['a scalar beyond the order', { ...good, proof: larger }, message, publicKey],
      ['a short output', { ...good, output: good.output.slice(1) }, message, publicKey],
      ['a long proof', { ...good, proof: concat(good.proof, new Uint8Array(1)) }, message, publicKey],
      ['a short key', good, message, publicKey.slice(1)],
      ...[0, 31].map((at): [string, VrfSignature, Bytes, Bytes] => [
        `byte ${at} of the proof`,
        { ...good, proof: good.proof.map((byte, i) => (i === at ? byte ^ 1 : byte)) },
        message,
        publicKey,
      ]),
    ];
    assert.ok(vrf.verify(good, message, publicKey));
    for (const [what, signature, said, key] of bad) assert.equal(vrf.verify(signature, said, key), false, what);
  });
}

test('the fast path signs and draws the reference’s bytes', () => {
  const sign = fastSigner(group);
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const property = fc.property(seeds, fc.uint8Array({ maxLength: 300 }), (seed, message) => {
    const { secret, publicKey } = pairOf(seed);
    assert.deepEqual(sign(secret, publicKey, message), sr25519SignReference(secret, message));
    const drawn = referenceVrf.sign(secret, publicKey, message);
    assert.deepEqual(fast.sign(secret, publicKey, message), drawn);
    assert.ok(fast.verify(drawn, message, publicKey));
  });
  fc.assert(property, { numRuns: 12 });
});

test('libsodium’s multiples of ristretto255 points are noble’s', () => {
  const scalar = fc.bigInt({ min: 1n, max: ORDER - 1n });
  const bytes = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const point = (hash: Uint8Array) => {
    const made = ristretto255_hasher.deriveToCurve?.(hash);
    assert.ok(made !== undefined);
    return made;
  };
  const property = fc.property(scalar, scalar, bytes, bytes, (a, b, one, other) => {
    const [p, q] = [point(one), point(other)];
    const [liftedP, liftedQ] = [group.lift(p.toBytes()), group.lift(q.toBytes())];
    assert.deepEqual(group.base(a), ristretto255.Point.BASE.multiply(a).toBytes());
    assert.deepEqual(group.times(a, liftedP), p.multiply(a).toBytes());
    assert.deepEqual(group.sum(a, liftedP, b, liftedQ), p.multiply(a).add(q.multiply(b)).toBytes());
    assert.throws(() => group.times(0n, liftedP));
  });
  fc.assert(property, { numRuns: 12 });
  for (const none of [new Uint8Array(32).fill(0xff), new Uint8Array(32).fill(1), new Uint8Array(31)]) {
    assert.throws(() => group.lift(none));
  }
});

test('a group that multiplies wrongly is left out, and the reference stays', async () => {
  class Wrong extends Ristretto {
    override base(a: bigint): Bytes {
      return super.base(a ^ 2n);
    }
  }
  const report = await installFastPaths({ ...LOADERS, sr25519Group: async () => new Wrong(sodium) });
  const left = report.filter(({ active }) => active === 'reference').map(({ name }) => name);
  assert.deepEqual(left, ['sr25519 signing and VRF (sodium-native)']);
  assert.equal(activeVrf.verify, referenceVrf.verify);
  const { secret, publicKey } = pairOf(new Uint8Array(32).fill(9));
  assert.ok(vrfVerify(vrfSign(secret, publicKey, utf8('still')), utf8('still'), publicKey));
});
