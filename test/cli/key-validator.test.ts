/** # key of a validator: keys that the chain takes, and votes that are never forgotten on the way to another machine. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromHex } from '../../src/base/bytes.ts';
import { loadSpec } from '../../src/cli/spec-source.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { Watermarks } from '../../src/keystore/watermarks.ts';
import { chainRules } from '../../src/node/rules.ts';
import { OwnershipProof, ownershipMessage, SessionKeys } from '../../src/runtime/pallets/session/keys.ts';
import { Database } from '../../src/state/level/database.ts';
import { maitoken } from './run.ts';

const dir = mkdtempSync(join(tmpdir(), 'maitoken-validator-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const genesis = chainRules(loadSpec('local'), () => {}).genesis.hash;
const [alice, bob] = ['//Alice', '//Bob'].map((suri) => keypairFromSuri(suri, 'ed25519').publicKey) as [
  Uint8Array,
  Uint8Array,
];
const mark = (id: Uint8Array, setId: bigint, round: bigint) =>
  ({ id, setId, round, stage: 'precommit', votes: [] }) as const;

/** A base path of the local chain, and the file of its votes. */
function machine(name: string): { base: string; votes: string } {
  const folder = join(dir, name, 'chains', 'local');
  mkdirSync(folder, { recursive: true });
  return { base: join(dir, name), votes: join(folder, 'grandpa-votes') };
}

const key = (command: string, base: string, ...more: string[]) =>
  maitoken('key', command, '--chain', 'local', '--base-path', base, ...more);

test('session keys are made for an owner without a node, and only the proof of it is printed', async () => {
  const base = join(dir, 'rotate');
  const rotate = (...more: string[]) => maitoken('key', 'rotate', '--dev', '--base-path', base, ...more);
  const address = '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY';
  const ran = await rotate('--owner', address);
  assert.equal(ran.code, 0, ran.err);
  const { keys, proof, ...rest } = JSON.parse(ran.out);
  assert.deepEqual(rest, {});
  const set = SessionKeys.dec(fromHex(keys));
  const owner = keypairFromSuri('//Alice', 'sr25519').accountId;
  const { authoring } = OwnershipProof.dec(fromHex(proof));
  const chain = chainRules(loadSpec('dev'), () => {}).genesis.hash;
  assert.ok(verifySignature('sr25519', authoring, ownershipMessage(chain, owner, set), set.authoring));
  assert.equal(readdirSync(join(base, 'chains', 'dev', 'keystore')).length, 4, 'three keys and their list');
  for (const wrong of [[], ['--owner', 'nobody']]) assert.equal((await rotate(...wrong)).code, 2);
});

test('votes go with the keys to another machine, and are never lowered there', async () => {
  const [old, next] = [machine('old'), machine('next')];
  const file = join(dir, 'votes');
  await (await Watermarks.open(old.votes, genesis)).raise(mark(alice, 3n, 7n), mark(bob, 3n, 7n));
  assert.equal((await key('export-votes', old.base, file)).code, 0);
  await (await Watermarks.open(next.votes, genesis)).raise(mark(alice, 4n, 1n), mark(bob, 3n, 6n));
  const ran = await key('import-votes', next.base, file);
  assert.equal(ran.code, 0, ran.err);
  const here = await Watermarks.open(next.votes, genesis);
  assert.deepEqual([here.markOf(alice), here.markOf(bob)], [mark(alice, 4n, 1n), mark(bob, 3n, 7n)]);
  // A file of earlier votes is no reason to forget later ones that were exported into it.
  assert.equal((await key('export-votes', next.base, file)).code, 0);
  assert.equal((await key('export-votes', old.base, file)).code, 0);
  assert.deepEqual((await Watermarks.open(file, genesis)).markOf(alice), mark(alice, 4n, 1n));
});

test('votes of another chain, a changed file, and no file at all are refused, and nothing is written', async () => {
  const { base, votes } = machine('refused');
  const file = join(dir, 'foreign');
  await (await Watermarks.open(file, alice)).raise(mark(alice, 3n, 7n));
  const foreign = await key('import-votes', base, file);
  assert.deepEqual([foreign.code, /another chain/.test(foreign.err)], [2, true]);
  writeFileSync(file, readFileSync(file, 'utf8').replace('"7"', '"6"'));
  assert.equal((await key('import-votes', base, file)).code, 2);
  assert.equal((await key('import-votes', base, join(dir, 'nowhere'))).code, 2);
  assert.equal((await key('import-votes', base)).code, 2);
  assert.equal((await key('export-votes', base, join(dir, 'empty'))).code, 2);
  assert.deepEqual([existsSync(votes), existsSync(join(dir, 'empty'))], [false, false]);
});

test('while a node runs its votes stay where they are', async () => {
  const { base, votes } = machine('running');
  await (await Watermarks.open(votes, genesis)).raise(mark(alice, 3n, 7n));
  const database = await Database.open(join(base, 'chains', 'local', 'db'), { create: true, cacheBytes: 1_048_576 });
  try {
    for (const command of ['export-votes', 'import-votes']) {
      const ran = await key(command, base, join(dir, 'running.json'));
      assert.deepEqual([ran.code, /lock|in use|another/.test(ran.err)], [4, true], ran.err);
    }
  } finally {
    await database.close();
  }
});
