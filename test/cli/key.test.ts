/** # key: what Substrate's tools print for the same keys, and where secrets may not stand. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Keyring } from '@polkadot/api';
import { cryptoWaitReady, decodeAddress } from '@polkadot/util-crypto';
import { toHex } from '../../src/base/bytes.ts';
import { keptIdentity } from '../../src/cli/commands/miner.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { maitoken } from './run.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const dir = mkdtempSync(join(tmpdir(), 'maitoken-key-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** A secret in a file; its path. */
function secret(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
}

const json = async (...argv: string[]) => {
  const ran = await maitoken('key', ...argv, '--output-type', 'json');
  assert.equal(ran.code, 0, ran.err);
  return JSON.parse(ran.out);
};

test('//Alice is the account that subkey shows, seed included', async () => {
  const { out } = await maitoken('key', 'inspect', '//Alice');
  assert.equal(
    out,
    [
      'Secret Key URI `//Alice` is account:',
      '  Network ID:        substrate',
      '  Secret seed:       0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a',
      '  Public key (hex):  0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d',
      '  Account ID:        0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d',
      '  Public key (SS58): 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
      '  SS58 Address:      5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
    ].join('\n'),
  );
});

test('a generated key is the one that polkadot-js derives from its phrase, in every scheme', async () => {
  await cryptoWaitReady();
  for (const scheme of ['sr25519', 'ed25519', 'ecdsa'] as const) {
    const key = await json('generate', '--words', '24', '--scheme', scheme, '--network', '0');
    assert.equal(key.secretPhrase.split(' ').length, 24);
    const pair = new Keyring({ type: scheme, ss58Format: 0 }).addFromUri(key.secretPhrase);
    assert.equal(key.ss58Address, pair.address);
    assert.equal(key.accountId, `0x${Buffer.from(decodeAddress(pair.address)).toString('hex')}`);
    const again = await json('inspect', secret(scheme, key.secretSeed), '--scheme', scheme, '--network', '0');
    assert.equal(again.publicKey, key.publicKey);
  }
});

test('a derived seed is that of subkey; behind a soft junction there is none', async () => {
  const seed = '0xabf8e5bdbe30c65656c0a3cbd181ff8a56294a69dfedd27982aace4a76909115';
  assert.equal((await json('inspect', '//Alice', '--scheme', 'ed25519')).secretSeed, seed);
  const soft = await json('inspect', secret('soft', '//Alice//stash/soft'));
  assert.equal(soft.secretSeed, 'n/a');
  // A seed that is shown opens the same account, whatever led to it.
  const hard = await json('inspect', '//Alice//stash');
  assert.equal((await json('inspect', secret('hard', hard.secretSeed))).publicKey, hard.publicKey);
  const ecdsa = await maitoken('key', 'inspect', secret('soft-ecdsa', '//Alice/soft'), '--scheme', 'ecdsa');
  assert.deepEqual([ecdsa.code, /only sr25519 has soft junctions/.test(ecdsa.err)], [2, true]);
});

test('two keys are never the same', async () => {
  const phrases = await Promise.all([1, 2, 3].map(async () => (await json('generate')).secretPhrase));
  assert.equal(new Set(phrases).size, 3);
});

test('addresses and public keys are shown without a secret', async () => {
  const key = await json('inspect', '15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5');
  assert.equal(key.publicKey, '0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d');
  assert.equal(key.networkId, '0');
  assert.equal(
    (await json('inspect', '--public', key.publicKey)).ss58Address,
    (await json('inspect', '//Alice')).ss58Address,
  );
  assert.equal((await maitoken('key', 'inspect', '//Alice', '--expect-public', '0x00')).code, 1);
});

test('a secret in argv is refused and not repeated', async () => {
  const phrase = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
  for (const argv of [
    ['key', 'inspect', phrase],
    ['key', 'inspect', `0x${'42'.repeat(32)}`],
    ['key', 'inspect', '//Alice///password'],
    ['sign', '--suri', phrase, '--message', 'x'],
    ['key', 'insert', '--dev', '-d', dir, '--key-type', 'gran', '--scheme', 'ed25519', '--suri', phrase],
    ['--dev', '--password', 'legal winner'],
  ]) {
    const { code, out, err } = await maitoken(...argv);
    assert.equal(code, 2, argv.join(' '));
    assert.doesNotMatch(out + err, /winner|4242/);
    assert.match(err, /argv/);
  }
});

test('a secret may come through standard input', () => {
  const argv = ['--no-warnings', join(ROOT, 'src/cli/main.ts'), 'key', 'inspect', '-'];
  const done = spawnSync(process.execPath, argv, { encoding: 'utf8', input: '//Bob\n', timeout: 30_000 });
  assert.match(done.stdout, /5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty/);
});

test('an inserted key lies under its Substrate name, sealed, readable by its owner only', async () => {
  const base = join(dir, 'node');
  const password = secret('password', 'correct horse battery staple');
  const suri = secret('suri', '//Alice//compute');
  const at = ['--chain', 'local', '--base-path', base, '--key-type', 'comp', '--scheme', 'ed25519', '--suri', suri];
  const { out: publicKey, code } = await maitoken('key', 'insert', ...at, '--password-filename', password);
  assert.equal(code, 0);
  const path = join(base, 'chains', 'local', 'keystore', `636f6d70${publicKey.slice(2)}`);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(path, 'utf8'), /Alice/);
  // A chain of more than one machine keeps no plain keys.
  const plain = await maitoken('key', 'insert', ...at);
  assert.equal(plain.code, 2);
  assert.match(plain.err, /--password-filename/);
  const nothing = secret('nothing', '');
  const empty = await maitoken('key', 'insert', ...at, '--password-filename', nothing);
  assert.equal(empty.code, 2);
  assert.ok(empty.err.startsWith(`--password-filename ${nothing}: the passphrase is empty`), empty.err);
});

test('a node does not start on keys that it cannot open or that others can read', async () => {
  const base = join(dir, 'guarded');
  const password = secret('right', 'correct horse battery staple');
  const at = ['--chain', 'local', '--base-path', base];
  const key = ['--key-type', 'gran', '--scheme', 'ed25519', '--suri', '//Alice'];
  const { out } = await maitoken('key', 'insert', ...at, ...key, '--password-filename', password);
  const path = join(base, 'chains', 'local', 'keystore', `6772616e${out.slice(2)}`);
  const wrong = await maitoken(...at, '--password-filename', secret('wrong', 'Tr0ub4dor&3'));
  assert.deepEqual([wrong.code, /does not open the key/.test(wrong.err)], [2, true]);
  const none = await maitoken(...at);
  assert.deepEqual([none.code, /kept encrypted/.test(none.err)], [2, true]);
  const spec = JSON.parse(readFileSync(join(ROOT, 'genesis', 'local.json'), 'utf8'));
  const live = join(dir, 'live.json');
  writeFileSync(live, JSON.stringify({ ...spec, chainType: 'Live' }));
  const onLive = ['--chain', live, '--base-path', base, '--password-filename', password];
  chmodSync(path, 0o644);
  const open = await maitoken(...onLive);
  assert.deepEqual([open.code, /others on this machine can read/.test(open.err)], [2, true]);
  writeFileSync(path, '"//Alice"');
  chmodSync(path, 0o600);
  const plain = await maitoken(...onLive);
  assert.deepEqual([plain.code, /not encrypted/.test(plain.err)], [2, true]);
});

test('a miner takes its compute key from the keystore, and is paid where the owner says', async () => {
  const base = join(dir, 'miner');
  const password = secret('miner-password', 'correct horse battery staple');
  const at = ['--chain', 'local', '--base-path', base, '--password-filename', password];
  const insert = (type: string, scheme: string, suri: string) =>
    maitoken('key', 'insert', ...at, '--key-type', type, '--scheme', scheme, '--suri', suri);
  const options = (account?: string) => ({
    'keystore-path': join(base, 'chains', 'local', 'keystore'),
    'password-filename': password,
    'password-interactive': false,
    password: undefined,
    'public-key': undefined,
    account,
  });
  assert.equal(await keptIdentity({ ...options(), 'keystore-path': undefined }, 'comp'), undefined);
  await assert.rejects(keptIdentity(options(), 'comp'), /comp: there is no such key/);
  const { out: compute } = await insert('comp', 'ed25519', '//Alice//compute');
  await assert.rejects(keptIdentity(options(), 'comp'), /give --account/);
  const bob = '5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty';
  const paid = await keptIdentity(options(bob), 'comp');
  assert.equal(paid && ss58Encode(paid.account, 42), bob);
  assert.equal(paid && toHex(paid.key.publicKey), compute);
  assert.equal(paid?.accountKey, undefined);
  await insert('acco', 'sr25519', '//Bob');
  const owner = await keptIdentity(options(), 'comp');
  assert.equal(owner && ss58Encode(owner.account, 42), bob);
  assert.ok(owner?.accountKey);
});

test('a running node says nothing of its secrets', { timeout: 60_000 }, async () => {
  const base = join(dir, 'silent');
  const phrase = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
  const [password, suri] = [secret('silent-password', 'a passphrase to keep'), secret('silent-suri', phrase)];
  const at = ['--chain', 'local', '--base-path', base, '--password-filename', password];
  await maitoken('key', 'insert', ...at, '--key-type', 'gran', '--scheme', 'ed25519', '--suri', suri);
  const nodeKey = '3c'.repeat(32);
  const more = ['--node-key', nodeKey, '--rpc-port', '0', '--port', '0', '--no-mdns', '--no-prometheus'];
  const argv = ['--no-warnings', join(ROOT, 'src/cli/main.ts'), ...at, ...more, '--detailed-log-output'];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stdout.on('data', (data) => {
    log += data;
  });
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (data) => {
      log += data;
      if (log.includes('polkadot.js.org')) resolve();
    });
    child.on('exit', () => resolve());
  });
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
  assert.match(log, /keystore: gran/);
  assert.match(log, /Local node identity is: 12D3Koo/);
  assert.doesNotMatch(log, new RegExp(`winner|passphrase to keep|${nodeKey}`));
});

test('a node key has one peer id, however it is kept', async () => {
  const [hex, bin] = [join(dir, 'node.key'), join(dir, 'node.bin')];
  const made = await maitoken('key', 'generate-node-key', '--file', hex);
  assert.match(made.err, /^12D3Koo/);
  assert.equal(statSync(hex).mode & 0o777, 0o600);
  assert.equal((await maitoken('key', 'inspect-node-key', '--file', hex)).out, made.err);
  writeFileSync(bin, Buffer.from(readFileSync(hex, 'utf8'), 'hex'));
  assert.equal((await maitoken('key', 'inspect-node-key', '--file', bin)).out, made.err);
  assert.equal((await maitoken('key', 'generate-node-key', '--file', hex)).code, 2);
});

test('what is signed verifies, under that message and key alone', async () => {
  for (const scheme of ['sr25519', 'ed25519']) {
    const { out: signature } = await maitoken('sign', '--suri', '//Alice', '--scheme', scheme, '--message', 'hello');
    const { ss58Address } = await json('inspect', '//Alice', '--scheme', scheme);
    const verify = (message: string) =>
      maitoken('verify', signature, ss58Address, '--scheme', scheme, '--message', message);
    assert.equal((await verify('hello')).code, 0);
    assert.equal((await verify('hallo')).code, 1);
  }
});
