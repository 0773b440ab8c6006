/** # Bad input: what an operator can get wrong ends in one line that names what to change, and a non-zero code. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const dir = mkdtempSync(join(tmpdir(), 'maitoken-cli-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Runs the command line; a node that starts after all is stopped after a while. */
function maitoken(...args: string[]): { code: number | null; err: string } {
  const done = spawnSync(process.execPath, ['--no-warnings', join(ROOT, 'src/cli/main.ts'), ...args], {
    encoding: 'utf8',
    timeout: 30_000,
    cwd: dir,
  });
  return { code: done.status, err: done.stderr.trim() };
}

function refused(run: { code: number | null; err: string }, names: RegExp): void {
  assert.ok(run.code !== 0 && run.code !== null && run.code !== 70, `code ${run.code}: ${run.err}`);
  assert.equal(run.err.split('\n').length, 1, run.err);
  assert.match(run.err, names);
  assert.doesNotMatch(run.err, /\bat .*\.ts:\d+/);
}

const QUIET = ['--no-miner', '--no-checker', '--no-mdns', '--port', '0'];

test('an unknown flag, command or value is named', () => {
  refused(maitoken('--no-such-flag'), /--no-such-flag/);
  refused(maitoken('frobnicate'), /frobnicate/);
  refused(maitoken('constructor'), /no command 'constructor'/);
  refused(maitoken('key', 'toString'), /toString/);
  refused(maitoken('--rpc-port', 'many'), /--rpc-port many/);
  refused(maitoken('--alice', '--bob'), /--alice and --bob/);
  refused(maitoken('miner', '--threads', '0', '--alice'), /--threads 0/);
  refused(maitoken('devnet', '--wings'), /--wings/);
});

test('a port in use is named', async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  try {
    refused(maitoken('--dev', ...QUIET, '--rpc-port', String(port)), new RegExp(`--rpc-port ${port}`));
    refused(maitoken('devnet', '--dir', join(dir, 'net'), '--rpc-port', String(port)), new RegExp(`${port} is in use`));
  } finally {
    server.close();
  }
});

test('a chain spec that is missing, broken or wrong in one field is named with that field', () => {
  refused(maitoken('--chain', 'nowhere.json'), /--chain nowhere\.json/);
  writeFileSync(join(dir, 'broken.json'), '{');
  refused(maitoken('--chain', 'broken.json'), /broken\.json: not JSON/);
  const spec = JSON.parse(readFileSync(join(ROOT, 'genesis', 'dev.json'), 'utf8'));
  spec.consensus.blockTimeMs = 'soon';
  writeFileSync(join(dir, 'wrong.json'), JSON.stringify(spec));
  refused(maitoken('--chain', 'wrong.json'), /consensus\.blockTimeMs/);
});

test('data that cannot be read, or is too little, is named', () => {
  refused(maitoken('--dev', ...QUIET, '--data', 'missing.txt'), /--data missing\.txt/);
  writeFileSync(join(dir, 'little.txt'), 'too little to learn from');
  refused(maitoken('--dev', ...QUIET, '--data', 'little.txt'), /--data little\.txt: too little text/);
});

test('a base path that holds another chain, or a damaged database, is refused with what to do', () => {
  const base = join(dir, 'base');
  const node = (...more: string[]) =>
    spawnSync(
      process.execPath,
      [
        '--no-warnings',
        join(ROOT, 'src/cli/main.ts'),
        '--chain',
        'dev',
        '--base-path',
        base,
        ...QUIET,
        '--rpc-port',
        '0',
        ...more,
      ],
      { encoding: 'utf8', timeout: 6_000, killSignal: 'SIGTERM', cwd: dir },
    );
  node();
  const chain = join(base, 'chains', 'dev');
  const spec = JSON.parse(readFileSync(join(ROOT, 'genesis', 'dev.json'), 'utf8'));
  spec.genesis.runtimeGenesis.patch.balances.balances[0][1] = '1000000000000';
  mkdirSync(join(dir, 'specs'), { recursive: true });
  writeFileSync(join(dir, 'specs', 'other.json'), JSON.stringify(spec));
  refused(
    maitoken('--chain', join(dir, 'specs', 'other.json'), '--base-path', base, ...QUIET, '--rpc-port', '0'),
    /genesis|chain/i,
  );
  const database = join(chain, 'db');
  for (const name of readdirSync(database).filter((file) => /\.(log|ldb)$/.test(file))) {
    const bytes = readFileSync(join(database, name));
    bytes.subarray(Math.floor(bytes.length / 2)).fill(0xa5);
    writeFileSync(join(database, name), bytes);
  }
  refused(
    maitoken('--chain', 'dev', '--base-path', base, ...QUIET, '--rpc-port', '0'),
    /purge-chain|base-path|resync|damaged/i,
  );
});
