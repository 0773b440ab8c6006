/** # What a seal binds, and what a sealed header must look like. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex, utf8 } from '../../src/base/bytes.ts';
import { blake2_256, sha256 } from '../../src/crypto/hash.ts';
import type { DigestItem } from '../../src/primitives/digest.ts';
import { Header } from '../../src/primitives/header.ts';
import {
  openingHash,
  PowPreRuntime,
  PowSeal,
  preHash,
  readSealed,
  sealMessage,
  withPreRuntime,
  withSeal,
} from '../../src/primitives/pow.ts';

const filled = (byte: number, size = 32) => new Uint8Array(size).fill(byte);
const bare: Header = {
  parentHash: filled(1),
  number: 5,
  stateRoot: filled(2),
  extrinsicsRoot: filled(3),
  digest: [],
};
const preRuntime: PowPreRuntime = {
  author: filled(4),
  fragment: filled(5),
  step: 70,
  node: 300,
  profile: 0,
  m: 512,
  n: 256,
  k: 1_024,
};
const seal: PowSeal = {
  ti: 1,
  tj: 64,
  s: 0,
  rootA: filled(6),
  rootB: filled(7),
  openingHash: filled(8),
  signature: filled(9, 64),
};

test('the PreRuntime item begins with the author, and the rest is SCALE', () => {
  assert.equal(
    toHex(PowPreRuntime.enc(preRuntime)),
    `0x${'04'.repeat(32)}${'05'.repeat(32)}1901b1040001080104${'0110'}`,
  );
});

test('the seal is compact indices, roots, opening hash and signature', () => {
  const ends = `${'06'.repeat(32)}${'07'.repeat(32)}${'08'.repeat(32)}${'09'.repeat(64)}`;
  assert.equal(toHex(PowSeal.enc(seal)), `0x04010100${ends}`);
});

test('the work is bound to the header without the seal', () => {
  const unsealed = withPreRuntime(bare, preRuntime);
  const sealed = withSeal(unsealed, seal);
  assert.deepEqual(preHash(sealed), blake2_256(Header.enc(unsealed)));
  assert.deepEqual(preHash(unsealed), preHash(sealed));
  assert.notDeepEqual(preHash(withPreRuntime(bare, { ...preRuntime, step: 71 })), preHash(unsealed));
  assert.deepEqual(readSealed(sealed), { preRuntime, seal, preHash: preHash(unsealed) });
});

const unsealed = withPreRuntime(bare, preRuntime);
const other: DigestItem = { type: 'Other', value: filled(1, 2) };
const broken: DigestItem = { type: 'Seal', value: { engine: 'pow_', data: filled(1, 3) } };
const BAD: readonly [string, Header, string][] = [
  ['without a PreRuntime item', withSeal(bare, seal), 'preRuntime'],
  ['with two PreRuntime items', withSeal(withPreRuntime(unsealed, preRuntime), seal), 'preRuntime'],
  ['without a seal', unsealed, 'seal'],
  ['with two seals', withSeal(withSeal(unsealed, seal), seal), 'seal'],
  ['with an item behind its seal', { ...bare, digest: [...withSeal(unsealed, seal).digest, other] }, 'seal'],
  ['with a seal that does not decode', { ...bare, digest: [...unsealed.digest, broken] }, 'payload'],
];
for (const [what, header, code] of BAD) {
  test(`a header ${what} is refused (${code})`, () => {
    assert.throws(() => readSealed(header), { name: 'PowError', code });
  });
}

test('the hash of an opening is the SHA-256 of its bytes', () => {
  assert.deepEqual(openingHash(filled(7)), sha256(filled(7)));
});

test('the compute key signs the tag, the opening hash and the pre-hash', () => {
  assert.deepEqual(sealMessage(filled(1), filled(2)), concat(utf8('cpow/1/seal'), filled(1), filled(2)));
});
