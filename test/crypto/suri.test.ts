/** # Secret URIs, phrases and addresses, against vectors of polkadot-js and kagome and @polkadot/util-crypto. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encodeAddress, mnemonicToEntropy, mnemonicToMiniSecret } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { fromHex, toHex, utf8 } from '../../src/base/bytes.ts';
import { miniSecret, mnemonicEntropy, mnemonicOf } from '../../src/crypto/mnemonic.ts';
import { ss58Decode, ss58Encode } from '../../src/crypto/ss58.ts';
import { DEV_PHRASE, keypairFromSuri } from '../../src/crypto/suri.ts';
import type { Scheme } from '../../src/crypto/verify.ts';
import { WORDS } from '../../src/crypto/words.ts';
import { testWithVectors } from '../vectors/substrate.ts';

interface SuriCase {
  readonly type: string;
  readonly uri: string;
  readonly publicKey: string;
  readonly address: string;
}

testWithVectors('every secret URI of polkadot-js gives its key and address', 'polkadot-js-common/suri.json', (data) => {
  const cases = (data as { cases: readonly SuriCase[] }).cases.filter(({ type }) => type !== 'ethereum');
  assert.equal(cases.length, 10);
  for (const { type, uri, publicKey, address } of cases) {
    const pair = keypairFromSuri(uri, type as Scheme);
    assert.equal(toHex(pair.publicKey), publicKey, uri);
    assert.equal(ss58Encode(pair.accountId, 42), address, uri);
  }
});

testWithVectors('kagome derives the same keys from the development phrase', 'kagome/sr25519.json', (data) => {
  const { derive } = data as { derive: Readonly<Record<string, string>> };
  for (const [path, publicKey] of Object.entries(derive)) {
    assert.equal(toHex(keypairFromSuri(`${DEV_PHRASE}${path}`, 'sr25519').publicKey), publicKey, path);
  }
});

test('//Alice is Alice in every scheme', () => {
  const expected: Readonly<Record<Scheme, string>> = {
    sr25519: '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
    ed25519: '5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu',
    ecdsa: '5C7C2Z5sWbytvHpuLTvzKunnnRwQxft1jiqrLD5rhucQ5S9X',
  };
  for (const [scheme, address] of Object.entries(expected)) {
    assert.equal(ss58Encode(keypairFromSuri('//Alice', scheme as Scheme).accountId, 42), address);
  }
});

test('the kept development seed is the one that the phrase gives', () => {
  const stretched = keypairFromSuri(toHex(miniSecret(DEV_PHRASE, '')), 'ed25519');
  assert.deepEqual(stretched.publicKey, keypairFromSuri('', 'ed25519').publicKey);
});

test('the word list is that of BIP-39', () => {
  const digest = createHash('sha256')
    .update(`${WORDS.join('\n')}\n`)
    .digest('hex');
  assert.equal(digest, '2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda');
});

test('phrases and entropy are the same thing said twice, as in @polkadot/util-crypto', () => {
  const entropies = fc
    .constantFrom(16, 20, 24, 28, 32)
    .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
  fc.assert(
    fc.property(entropies, (entropy) => {
      const phrase = mnemonicOf(entropy);
      assert.deepEqual(mnemonicToEntropy(phrase, undefined, true), entropy);
      assert.deepEqual(mnemonicEntropy(phrase), entropy);
    }),
  );
  const phrase = mnemonicOf(utf8('sixteen bytes ok'));
  assert.deepEqual(miniSecret(phrase, 'pass'), mnemonicToMiniSecret(phrase, 'pass', undefined, true));
});

const BAD_SECRETS: readonly [string, string, string][] = [
  ['a phrase of 11 words', DEV_PHRASE.slice(0, -5), 'length'],
  ['a word that is no word', `${DEV_PHRASE.slice(0, -4)}wolk`, 'word'],
  ['a phrase with two words swapped', DEV_PHRASE.replace('bottom drive', 'drive bottom'), 'checksum'],
  ['a short seed', '0x0102', 'seed'],
  ['a slash with nothing behind it', '//a/', 'path'],
  ['a phrase in brackets', '(walk)//a', 'path'],
];
for (const [what, uri, code] of BAD_SECRETS) {
  test(`${what} is refused (${code}), and the message does not quote it`, () => {
    assert.throws(
      () => keypairFromSuri(uri, 'sr25519'),
      (error: Error & { code: string }) => error.code === code && !error.message.includes(uri),
    );
  });
}

test('soft junctions exist for sr25519 only', () => {
  assert.throws(() => keypairFromSuri('/soft', 'ed25519'), { code: 'soft' });
  assert.throws(() => keypairFromSuri('//hard/soft', 'ecdsa'), { code: 'soft' });
});

test('numbers are junctions of their own, long junctions are hashed', () => {
  const key = (uri: string) => toHex(keypairFromSuri(uri, 'ed25519').publicKey);
  assert.equal(key('//7'), key('//007'));
  assert.notEqual(key('//18446744073709551616'), key('//0'));
  assert.notEqual(key(`//${'a'.repeat(200)}`), key(`//${'a'.repeat(201)}`));
});

interface Ss58Case {
  readonly address: string;
  readonly publicKey: string;
  readonly ss58Format: number;
}

testWithVectors('the addresses of polkadot-js are read and written', 'polkadot-js-common/ss58.json', (data) => {
  const { cases, short } = data as { cases: readonly Ss58Case[]; short: readonly { address: string }[] };
  const accounts = cases.filter(({ publicKey }) => publicKey.length === 66);
  assert.equal(accounts.length, 12);
  for (const { address, publicKey, ss58Format } of accounts) {
    assert.equal(ss58Encode(fromHex(publicKey), ss58Format), address);
    assert.deepEqual(ss58Decode(address), { prefix: ss58Format, account: fromHex(publicKey) });
  }
  for (const { address } of short) assert.throws(() => ss58Decode(address), { code: 'length' });
});

const prefixes = fc.nat(16_383).filter((prefix) => prefix !== 46 && prefix !== 47);
const accounts = fc.uint8Array({ minLength: 32, maxLength: 32 });

test('an address is that of @polkadot/util-crypto, and is read back', () => {
  fc.assert(
    fc.property(accounts, prefixes, (account, prefix) => {
      const address = ss58Encode(account, prefix);
      assert.equal(address, encodeAddress(account, prefix));
      assert.deepEqual(ss58Decode(address, prefix), { prefix, account });
    }),
  );
});

test('a mistyped address is refused', () => {
  const address = '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY';
  assert.throws(() => ss58Decode(address.replace('G', 'H')), { name: 'Ss58Error', code: 'checksum' });
  assert.throws(() => ss58Decode(`${address}0`), { code: 'alphabet' });
  assert.throws(() => ss58Decode(''), { code: 'length' });
  assert.throws(() => ss58Decode('1'.repeat(10_000)), { code: 'length' });
  assert.throws(() => ss58Decode(address, 0), { code: 'network' });
});

test('a prefix below 64 spelled in two bytes is refused although its checksum holds', async () => {
  const { base58 } = await import('@scure/base');
  const { blake2_512 } = await import('../../src/crypto/hash.ts');
  // 42 in the two-byte form: 0x40 | 42 >> 2, then (42 & 3) << 6.
  const body = Uint8Array.of(0x40 | (42 >> 2), (42 & 3) << 6, ...new Uint8Array(32));
  const sum = blake2_512(Uint8Array.of(...utf8('SS58PRE'), ...body)).slice(0, 2);
  assert.throws(() => ss58Decode(base58.encode(Uint8Array.of(...body, ...sum))), { code: 'prefix' });
});
