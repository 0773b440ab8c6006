import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { Keystore } from '../../src/keystore/keystore.ts';
import { keyDesk } from '../../src/node/key-desk.ts';
import { OwnershipProof, ownershipMessage, SessionKeys } from '../../src/runtime/pallets/session/keys.ts';
import { type Port, startPort } from './stub.ts';

const dir = mkdtempSync(join(tmpdir(), 'maitoken-keys-'));
const keystore = new Keystore({ dir, passphrase: 'correct horse', dev: false });
const genesis = new Uint8Array(32).fill(9);
const onChange = async () => {};
const desk = keyDesk({ keystore, genesis, onChange });
let open: Port;
let closed: Port;

before(async () => {
  open = await startPort({ unsafe: true }, { keys: desk });
  closed = await startPort({}, { keys: desk });
});

after(async () => {
  await open.stop();
  await closed.stop();
  rmSync(dir, { recursive: true });
});

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly data?: string };
}

async function call(port: Port, method: string, ...params: unknown[]): Promise<Answer> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const answer = await fetch(port.http, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  assert.deepEqual(port.faults, []);
  return (await answer.json()) as Answer;
}

const grandpa = (uri: string): string => toHex(keypairFromSuri(uri, 'ed25519').publicKey);

test('a new set of session keys is on disk, sealed, before it is told', async () => {
  const { result } = await call(open, 'author_rotateKeys');
  assert.match(String(result), /^0x[0-9a-f]{192}$/);
  assert.equal((await call(open, 'author_hasSessionKeys', result)).result, true);
  const keys = await keystore.list();
  assert.deepEqual(keys.map(({ keyType }) => keyType).sort(), ['comp', 'gran', 'slot']);
  const [first] = keys.filter(({ keyType }) => keyType === 'gran');
  assert.ok(first && String(result).startsWith(first.publicKey));
  assert.equal((await keystore.open(first)).keypair.scheme, 'ed25519');
  const again = await call(open, 'author_rotateKeys');
  assert.notEqual(again.result, result);
  assert.equal((await call(open, 'author_hasSessionKeys', result)).result, true, 'the chain still uses the old set');
});

test('keys that are made for an owner come with a signature of each, for this owner, chain and set alone', async () => {
  const owner = keypairFromSuri('//Eve', 'sr25519').accountId;
  // As Substrate's tools name the owner: by the hex of its account. An address will do as well.
  const { result } = await call(open, 'author_rotateKeysWithOwner', toHex(owner));
  const { keys, proof } = result as { keys: string; proof: string };
  assert.equal((await call(open, 'author_hasSessionKeys', keys)).result, true);
  const bytes = SessionKeys.dec(fromHex(keys));
  const signed = OwnershipProof.dec(fromHex(proof));
  const isProof = (chain: Uint8Array, who: Uint8Array) => {
    const message = ownershipMessage(chain, who, bytes);
    return [
      verifySignature('ed25519', signed.grandpa, message, bytes.grandpa),
      verifySignature('sr25519', signed.authoring, message, bytes.authoring),
      verifySignature('ed25519', signed.compute, message, bytes.compute),
    ];
  };
  assert.deepEqual(isProof(genesis, owner), [true, true, true]);
  assert.deepEqual(isProof(owner, owner), [false, false, false]);
  assert.deepEqual(isProof(genesis, genesis), [false, false, false]);
});

test('a key that is inserted is there, under its own type alone', async () => {
  const publicKey = grandpa('//Alice//grandpa');
  assert.equal((await call(open, 'author_hasKey', publicKey, 'gran')).result, false);
  assert.equal((await call(open, 'author_insertKey', 'gran', '//Alice//grandpa', publicKey)).result, null);
  assert.equal((await call(open, 'author_hasKey', publicKey, 'gran')).result, true);
  assert.equal((await call(open, 'author_hasKey', publicKey, 'slot')).result, false);
});

test('a secret that does not give the named key is refused, and not repeated', async () => {
  const publicKey = grandpa('//Bob//grandpa');
  const kept = await keystore.list();
  for (const [type, uri] of [
    ['gran', '//Mallory//grandpa'],
    // The sr25519 key of the same text is another one.
    ['slot', '//Bob//grandpa'],
    ['gran', 'no such words at all'],
  ] as const) {
    const { error } = await call(open, 'author_insertKey', type, uri, publicKey);
    assert.equal(error?.code, 1040);
    assert.ok(!JSON.stringify(error).includes(uri));
  }
  assert.deepEqual(await keystore.list(), kept);
});

test('what is no key, no type and no set is named', async () => {
  for (const [method, ...params] of [
    ['author_hasKey', '0x12', 'gran'],
    ['author_hasKey', grandpa('//Bob'), 'five!'],
    ['author_hasSessionKeys', '0x1234'],
    ['author_rotateKeysWithOwner', '0x1234'],
    ['author_rotateKeysWithOwner'],
    ['author_insertKey', 'gran', '/'.repeat(1_025), grandpa('//Bob')],
  ] as const) {
    assert.equal((await call(open, method, ...params)).error?.code, -32602, method);
  }
});

test('keys are out of reach where unsafe methods are, and where there is no keystore', async () => {
  for (const [method, ...params] of [
    ['author_rotateKeys'],
    ['author_rotateKeysWithOwner', grandpa('//Bob')],
    ['author_hasKey', grandpa('//Bob'), 'gran'],
    ['author_hasSessionKeys', `0x${'00'.repeat(96)}`],
    ['author_insertKey', 'gran', '//Bob', grandpa('//Bob')],
  ] as const) {
    assert.equal((await call(closed, method, ...params)).error?.code, -32601, method);
  }
  await assert.rejects(keyDesk({ keystore: undefined, genesis, onChange }).rotate(), { code: 1040 });
});
