/** # Flags: what Substrate's operators type means here what it means there, or is refused by name. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { configOf } from '../../src/cli/commands/node-config.ts';
import { NODE_FLAGS } from '../../src/cli/commands/node-flags.ts';
import { parseFlags, UsageError } from '../../src/cli/flags.ts';
import { logFilter } from '../../src/cli/log-filter.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { NODE_VERSION } from '../../src/node/version.ts';
import { maitoken } from './run.ts';

const dir = mkdtempSync(join(tmpdir(), 'maitoken-flags-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const config = (...argv: string[]): NodeConfig =>
  configOf(parseFlags('maitoken', ['--base-path', dir, ...argv], NODE_FLAGS).options);
const refused = (names: RegExp, ...argv: string[]): void =>
  assert.throws(
    () => config(...argv),
    (error) => error instanceof UsageError && names.test(error.message),
  );

/** Every flag of the command line that operators and tools of Substrate know, with a value where it takes one. */
const KNOWN =
  '--chain local --base-path DIR --tmp --alice --validator --name n --force-authoring --no-grandpa ' +
  '--rpc-port 1 --rpc-methods safe --rpc-cors all --rpc-max-connections 1 --rpc-max-request-size 2 ' +
  '--rpc-max-response-size 2 --rpc-max-subscriptions-per-connection 2 --rpc-rate-limit 5 ' +
  '--rpc-disable-batch-requests --rpc-max-batch-request-len 3 --port 2 --listen-addr /ip4/127.0.0.1/tcp/3 ' +
  '--public-addr /ip4/1.2.3.4/tcp/3 --bootnodes A B --reserved-nodes C --reserved-only --in-peers 1 --out-peers 2 ' +
  '--no-mdns --discover-local --max-parallel-downloads 5 --max-blocks-per-request 64 --sync full --state-pruning 100 ' +
  '--pruning archive --blocks-pruning 256 --db-cache 16 --trie-cache-size 0 --prometheus-port 4 --prometheus-external ' +
  '--no-telemetry --telemetry-url U -l sync=debug --log warn --detailed-log-output --disable-log-color ' +
  '--execution native --execution-syncing wasm --execution-import-block wasm --execution-block-construction wasm ' +
  '--execution-offchain-worker wasm --execution-other wasm --wasm-execution compiled --network-backend libp2p ' +
  '--keystore-path K --password-interactive --check';

test('every flag of a Substrate node is taken, and those without effect say so in --help', async () => {
  const read = config(...KNOWN.replace('DIR', dir).split(' '));
  assert.deepEqual(read.p2p.bootnodes, ['A', 'B']);
  assert.equal(read.pruning, 100);
  assert.deepEqual(
    [read.votes, config('--alice').votes, config('--validator').votes, config().votes],
    [false, true, true, false],
  );
  assert.equal(read.dbCacheBytes, 16 * 1_048_576);
  assert.deepEqual(read.prometheus, { port: 4, host: '0.0.0.0', required: true });
  const { out } = await maitoken('--help');
  for (const name of ['--wasm-execution', '--telemetry-url', '--blocks-pruning', '--force-authoring']) {
    assert.match(out, new RegExp(`${name}.* no effect`), name);
  }
});

test('--dev is the chain, the account, the open origin and the temporary folder that it is in Substrate', () => {
  const { options } = parseFlags('maitoken', ['--dev'], NODE_FLAGS);
  const dev = configOf(options);
  rmSync(dev.basePath, { recursive: true });
  assert.deepEqual([dev.spec.id, dev.identity?.name, dev.tmp, dev.validator], ['dev', 'Alice', true, true]);
  assert.deepEqual([dev.rpc.cors, dev.rpc.unsafe, dev.rpc.host, dev.p2p.mdns], ['all', true, '127.0.0.1', false]);
  const stays = config('--dev', '--rpc-cors', 'https://a.b');
  assert.deepEqual([stays.tmp, stays.rpc.cors], [false, ['https://a.b']]);
});

test('unsafe methods do not reach the world by accident', () => {
  refused(/--unsafe-rpc-external/, '--validator', '--rpc-external');
  refused(/--unsafe-rpc-external/, '--rpc-external', '--rpc-methods', 'unsafe');
  assert.equal(config('--rpc-external').rpc.unsafe, false);
  assert.equal(config('--dev', '--unsafe-rpc-external').rpc.unsafe, false);
  assert.deepEqual(config('--validator', '--unsafe-rpc-external', '--rpc-methods', 'unsafe').rpc.host, '0.0.0.0');
});

test('what this version cannot do is refused, not ignored', () => {
  refused(/--sync warp/, '--sync', 'warp');
  refused(/--state-pruning 0/, '--state-pruning', '0');
  refused(/--blocks-pruning soon/, '--blocks-pruning', 'soon');
  refused(/--db-cache x/, '--db-cache', 'x');
  refused(/--node-key/, '--node-key', 'abc');
  refused(/--prometheus-port 70000/, '--prometheus-port', '70000');
});

test('a node key comes from a file as well, and from one place only', () => {
  const [hex, bin] = [join(dir, 'hex'), join(dir, 'bin')];
  writeFileSync(hex, `${'ab'.repeat(32)}\n`);
  writeFileSync(bin, Buffer.alloc(32, 0xab));
  const key = new Uint8Array(32).fill(0xab);
  assert.deepEqual(config('--node-key-file', hex).p2p.nodeKey, key);
  assert.deepEqual(config('--node-key-file', bin).p2p.nodeKey, key);
  assert.deepEqual(config('--node-key', 'ab'.repeat(32)).p2p.nodeKey, key);
  refused(/give one/, '--node-key', 'ab'.repeat(32), '--node-key-file', hex);
  refused(/missing: cannot be read/, '--node-key-file', join(dir, 'missing'));
  refused(/neither/, '--node-key-file', import.meta.filename);
});

test('--log chooses lines by level and by their first word', () => {
  const lines: string[] = [];
  const terminal = {
    isInteractive: false,
    out: () => {},
    err: () => {},
    log: (_: string, text: string) => lines.push(text),
    untilStopped: () => Promise.resolve(0),
  };
  const say = (rules: string[], detailed = false): string[] => {
    lines.length = 0;
    const log = logFilter(terminal, rules, detailed);
    log('info', 'peer 12D3: hello');
    log('warn', 'rpc: trouble');
    log('info', 'best #1');
    return [...lines];
  };
  assert.equal(say([]).length, 3);
  assert.deepEqual(say(['warn']), ['rpc: trouble']);
  assert.deepEqual(say(['peer=off,rpc=error']), ['best #1']);
  assert.deepEqual(say(['off', 'peer=info']), ['peer 12D3: hello']);
  assert.match(say(['warn'], true)[0] ?? '', /^\[\d+ warn rpc\] rpc: trouble$/);
  assert.throws(() => logFilter(terminal, ['peer=loud'], false), /--log peer=loud/);
});

test('the program tells the version of its package', async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  assert.equal(NODE_VERSION, version);
  assert.match((await maitoken('--version')).out, new RegExp(version));
});

test('the number of verifying threads is what the flag says, and otherwise fits the machine', () => {
  assert.equal(config('--verify-workers', '0').verifyWorkers, 0);
  assert.equal(config('--verify-workers', '7').verifyWorkers, 7);
  assert.ok([1, 2, 3, 4].includes(config().verifyWorkers ?? 0));
  for (const wrong of ['-1', '65', 'two']) refused(/--verify-workers/, `--verify-workers=${wrong}`);
});
