/** # Keystore: a key comes back as it went in, for who has the passphrase and the file as it was; nobody else. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { KeystoreError, type KeystoreFault } from '../../src/keystore/errors.ts';
import { fileName, Keystore } from '../../src/keystore/keystore.ts';

const root = mkdtempSync(join(tmpdir(), 'maitoken-keystore-'));
after(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function keystore(passphrase: string | undefined, dev = false, dir = join(root, String(++made))) {
  return { dir, keys: new Keystore({ dir, passphrase, dev }) };
}

const refuses = (work: Promise<unknown>, code: KeystoreFault): Promise<void> =>
  assert.rejects(work, (error) => error instanceof KeystoreError && error.code === code);

test('a key of any scheme comes back from its sealed file', async () => {
  const { dir, keys } = keystore('a passphrase');
  for (const scheme of ['sr25519', 'ed25519', 'ecdsa'] as const) {
    const name = await keys.insert('acco', scheme, '//Alice//stash');
    const { keypair } = await keys.open(name);
    assert.deepEqual(keypair.publicKey, keypairFromSuri('//Alice//stash', scheme).publicKey);
    assert.doesNotMatch(readFileSync(join(dir, fileName(name)), 'utf8'), /stash/);
  }
  assert.equal((await keys.list()).length, 3);
  await refuses(keys.get('acco'), 'Ambiguous');
  await refuses(keys.get('gran'), 'Missing');
});

test('a wrong passphrase, a changed byte and another name each keep the key shut', async () => {
  const { dir, keys } = keystore('right');
  const name = await keys.insert('comp', 'ed25519', '//Bob//compute');
  const path = join(dir, fileName(name));
  const text = readFileSync(path, 'utf8');
  await refuses(keystore('Right', false, dir).keys.open(name), 'WrongPassphrase');
  await refuses(keystore(undefined, false, dir).keys.open(name), 'NoPassphrase');

  const file = JSON.parse(text);
  for (const change of [
    { keyType: 'gran' },
    { scheme: 'sr25519' },
    { cipher: { ...file.cipher, nonce: '00'.repeat(12) } },
  ]) {
    writeFileSync(path, JSON.stringify({ ...file, ...change }));
    await refuses(keys.open(name), 'WrongPassphrase');
  }
  writeFileSync(path, text);
  const other = { keyType: 'comp', publicKey: `0x${'11'.repeat(32)}` };
  copyFileSync(path, join(dir, fileName(other)));
  await refuses(keys.open(other), 'WrongKey');
});

test('a file that asks for gigabytes, or is no key, is refused before anything is computed', async () => {
  const { dir, keys } = keystore('right');
  const name = await keys.insert('comp', 'ed25519', '//Bob');
  const path = join(dir, fileName(name));
  const file = JSON.parse(readFileSync(path, 'utf8'));
  for (const bad of [
    { ...file, kdf: { ...file.kdf, n: 2 ** 30 } },
    { ...file, kdf: { ...file.kdf, n: 131_071 } },
    { ...file, kdf: { ...file.kdf, r: 0 } },
    { ...file, kdf: { ...file.kdf, p: 1_000 } },
    { ...file, version: 2 },
    { ...file, cipher: { ...file.cipher, text: 'zz' } },
    { ...file, cipher: undefined },
    [],
    null,
  ]) {
    writeFileSync(path, JSON.stringify(bad));
    await refuses(keys.open(name), 'Malformed');
  }
  writeFileSync(path, 'not JSON');
  await refuses(keys.open(name), 'Malformed');
});

test('a key that others can read is refused, whatever the passphrase', async () => {
  const { dir, keys } = keystore('right');
  const name = await keys.insert('comp', 'ed25519', '//Bob');
  for (const mode of [0o640, 0o604, 0o666]) {
    chmodSync(join(dir, fileName(name)), mode);
    await refuses(keys.open(name), 'Readable');
  }
  chmodSync(join(dir, fileName(name)), 0o600);
  await keys.open(name);
});

test("a dev keystore reads and writes Substrate's plain form; any other takes neither", async () => {
  const { dir, keys } = keystore(undefined, true);
  const name = await keys.insert('gran', 'ed25519', '//Alice');
  assert.equal(readFileSync(join(dir, fileName(name)), 'utf8'), '"//Alice"');
  assert.equal(toHex((await keys.open(name)).keypair.publicKey), name.publicKey);
  await refuses(keystore('right', false, dir).keys.open(name), 'Plain');
  await refuses(keystore(undefined).keys.insert('gran', 'ed25519', '//Alice'), 'NoPassphrase');
});

test('an insertion that was cut off leaves no key, and foreign files are passed over', async () => {
  const { dir, keys } = keystore('right');
  const name = await keys.insert('comp', 'ed25519', '//Bob');
  writeFileSync(join(dir, `.${fileName(name)}.new`), 'half a key', { mode: 0o600 });
  writeFileSync(join(dir, 'README'), 'not a key');
  assert.deepEqual(await keys.list(), [name]);
  await keys.insert('comp', 'ed25519', '//Bob');
  assert.deepEqual(readdirSync(dir).sort(), ['.inserted', fileName(name), 'README'].sort());
  assert.deepEqual(await keystore('right').keys.list(), []);
});

test('a key that is lost is missed, until its owner takes it off the list', async () => {
  const { dir, keys } = keystore('right');
  const name = await keys.insert('comp', 'ed25519', '//Bob');
  rmSync(join(dir, fileName(name)));
  await refuses(keys.list(), 'Gone');
  await refuses(keys.get('comp'), 'Gone');
  writeFileSync(join(dir, '.inserted'), 'no name of a key');
  await refuses(keys.list(), 'Malformed');
  writeFileSync(join(dir, '.inserted'), '');
  assert.deepEqual(await keys.list(), []);
});
