/** # A node keeps its name on the network: a key that was lost or changed is told, never replaced in silence. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { IdentityError, nodeKey } from '../../src/node/identity.ts';

const folder = mkdtempSync(join(tmpdir(), 'identity-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function made(name: string) {
  const dir = join(folder, name);
  const key = await nodeKey(dir);
  return { dir, key, secret: join(dir, 'secret_ed25519'), known: join(dir, 'public_ed25519') };
}

const isRefusal = (error: unknown): boolean => error instanceof IdentityError && /restore/.test(error.message);

test('a key is made once, for its owner alone, and found again', async () => {
  const { dir, key, secret } = await made('once');
  assert.equal(statSync(secret).mode & 0o777, 0o600);
  assert.deepEqual(await nodeKey(dir), key);
});

test('a changed digit of the key is refused: the node would come back as somebody else', async () => {
  const { dir, secret } = await made('changed');
  const text = readFileSync(secret, 'utf8');
  writeFileSync(secret, (text[0] === '0' ? '1' : '0') + text.slice(1));
  await assert.rejects(nodeKey(dir), isRefusal);
});

test('a key that is gone is refused, until its owner gives up the name', async () => {
  const { dir, key, secret, known } = await made('gone');
  rmSync(secret);
  await assert.rejects(nodeKey(dir), isRefusal);
  rmSync(known);
  assert.notDeepEqual(await nodeKey(dir), key);
});

test('a key that came from elsewhere is taken, and known from then on', async () => {
  const { dir, secret, known } = await made('elsewhere');
  rmSync(known);
  writeFileSync(secret, '11'.repeat(32));
  assert.deepEqual(await nodeKey(dir), new Uint8Array(32).fill(0x11));
  writeFileSync(secret, '12'.repeat(32));
  await assert.rejects(nodeKey(dir), isRefusal);
});
