/** # Signatures: remembering what was valid changes no answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { remembering, SignatureMemory } from '../../src/node/signatures.ts';
import { type MultiSignature, multiSign, verifyMultiSignature } from '../../src/primitives/account.ts';

const MESSAGE = new Uint8Array(100).fill(3);

/** A host that remembers, and how often it had to compute. */
function counting(limit?: number) {
  const calls: MultiSignature[] = [];
  const verify = remembering((signature, message, account) => {
    calls.push(signature);
    return verifyMultiSignature(signature, message, account);
  }, new SignatureMemory(limit));
  return { calls, verify };
}

function pair(scheme: 'ed25519' | 'sr25519' | 'ecdsa', index = 0) {
  return keypairFromSeed(scheme, blake2_256(Uint8Array.of(index)));
}

test('a valid signature is computed once, whatever its scheme', () => {
  const { calls, verify } = counting();
  for (const scheme of ['ed25519', 'sr25519', 'ecdsa'] as const) {
    const signer = pair(scheme);
    const signature = multiSign(signer, MESSAGE);
    for (let i = 0; i < 3; i++) assert.equal(verify(signature, MESSAGE, signer.accountId), true);
  }
  assert.equal(calls.length, 3);
});

test('what differs from a known signature in anything is refused as before', () => {
  const { verify } = counting();
  const [signer, other] = [pair('sr25519'), pair('sr25519', 1)];
  const signature = multiSign(signer, MESSAGE);
  assert.equal(verify(signature, MESSAGE, signer.accountId), true);
  for (let i = 0; i < 64; i++) {
    const value = signature.value.slice();
    value[i] = (value[i] as number) ^ 1;
    assert.equal(verify({ ...signature, value }, MESSAGE, signer.accountId), false, `byte ${i} of the signature`);
  }
  for (const message of [MESSAGE.subarray(1), new Uint8Array([...MESSAGE, 3]), MESSAGE.map(() => 4)]) {
    assert.equal(verify(signature, message, signer.accountId), false);
  }
  assert.equal(verify(signature, MESSAGE, other.accountId), false);
  assert.equal(verify({ type: 'Ed25519', value: signature.value }, MESSAGE, signer.accountId), false);
});

test('bytes may be used again by whoever gave them', () => {
  const { verify } = counting();
  const signer = pair('ed25519');
  const message = MESSAGE.slice();
  const signature = multiSign(signer, message);
  assert.equal(verify(signature, message, signer.accountId), true);
  message.fill(9);
  assert.equal(verify(signature, message, signer.accountId), false);
});

test('an invalid signature is not remembered, and of valid ones only as many as the limit', () => {
  const { calls, verify } = counting(2);
  const bad: MultiSignature = { type: 'Ed25519', value: new Uint8Array(64) };
  for (let i = 0; i < 3; i++) assert.equal(verify(bad, MESSAGE, pair('ed25519').accountId), false);
  assert.equal(calls.length, 3);
  const ask = (index: number) => {
    const signer = pair('ed25519', index);
    return verify(multiSign(signer, MESSAGE), MESSAGE, signer.accountId);
  };
  for (const index of [1, 2, 3]) assert.equal(ask(index), true);
  assert.equal(calls.length, 6);
  assert.equal(ask(3) && ask(2), true);
  assert.equal(calls.length, 6, 'the newest two are known');
  assert.equal(ask(1), true);
  assert.equal(calls.length, 7, 'the oldest was forgotten');
});

test('a message too long to be what a transaction signs is not kept', () => {
  const { calls, verify } = counting();
  const signer = pair('ed25519');
  const long = new Uint8Array(257);
  for (let i = 0; i < 2; i++) assert.equal(verify(multiSign(signer, long), long, signer.accountId), true);
  assert.equal(calls.length, 2);
});
