/**
 * # Zombienet: the unmodified @zombienet/cli launches three nodes of this binary, and its own test file passes.
 *
 * Nodes get no argument that the tool does not give: each mines and checks by child processes. Run by
 * `npm run test:clients`, which installs the tool in `tools`.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

const HERE = import.meta.dirname;
const MAIN = join(HERE, '..', '..', 'src', 'cli', 'main.ts');
const TOOL = join(HERE, 'tools', 'node_modules', '@zombienet', 'cli', 'dist', 'cli.js');
const TEST_FILE = join(HERE, 'network.zndsl');
/** Three nodes, three miners and three checkers on two cores: ten blocks have come in two minutes. */
const PATIENCE = { timeout: 780_000 };
const NODES = ['alice', 'bob', 'charlie'];

const dir = mkdtempSync(join(tmpdir(), 'maitoken-clients-'));
const network = join(dir, 'network');
after(() => rmSync(dir, { recursive: true, force: true }));

/** Runs the tool as its user does, with `maitoken` on PATH; it stops its nodes before it ends. */
async function zombienet(...args: string[]): Promise<{ code: number | null; text: string }> {
  const bin = join(dir, 'bin');
  mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${MAIN}' "$@"\n`;
  writeFileSync(join(bin, 'maitoken'), script, { mode: 0o755 });
  const env = { PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`, HOME: dir };
  const child = spawn(process.execPath, ['--no-warnings', TOOL, ...args], { cwd: dir, env });
  // On SIGTERM it tears the network down.
  const limit = setTimeout(() => child.kill('SIGTERM'), PATIENCE.timeout - 60_000);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      text += data;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(limit);
  return { code, text };
}

/** Lines of a node's log that its miner wrote: one JSON object each. */
function minerLines(name: string): { type: string; outcome?: string }[] {
  const lines = readFileSync(join(network, `${name}.log`), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('{"at":')).map((line) => JSON.parse(line));
}

/** Command lines of processes that run on the network's folder. */
async function processesLeft(): Promise<string[]> {
  const child = spawn('ps', ['ax', '-o', 'args'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await new Promise((done) => child.on('close', done));
  return text.split('\n').filter((line) => line.includes(network));
}

test('its test passes: three nodes are up, see each other, win ten blocks and agree on five', PATIENCE, async () => {
  const { code, text } = await zombienet('-p', 'native', '-l', 'text', '-f', '-d', network, 'test', TEST_FILE);
  assert.equal(code, 0, text.slice(-8_000));
  const asked = readFileSync(TEST_FILE, 'utf8').match(/^(alice|bob|charlie): .*$/gm) ?? [];
  assert.equal(asked.length, 13);
  assert.match(text, /Result: 13\/13/);
});

test('the network was that of the spec that the tool edited, and every node mined by a process of its own', () => {
  const edited = JSON.parse(readFileSync(join(network, 'local-plain.json'), 'utf8'));
  assert.equal(edited.id, 'local');
  assert.ok(existsSync(join(network, 'local-raw.json')));
  // Charlie is no author of the genesis: his miner registers him by work first.
  const outcomes = NODES.map((name) => {
    const lines = minerLines(name);
    assert.ok(
      lines.some(({ type }) => type === 'step'),
      `${name}'s miner trains`,
    );
    return lines.filter(({ outcome }) => outcome === 'block').length;
  });
  assert.ok(outcomes.reduce((sum, won) => sum + won, 0) >= 10, `blocks won: ${outcomes}`);
});

test('no process of the network outlives the tool, though it kills nodes with SIGKILL', PATIENCE, async () => {
  let left = await processesLeft();
  for (const end = Date.now() + 30_000; left.length > 0 && Date.now() < end; left = await processesLeft()) {
    await new Promise((done) => setTimeout(done, 250));
  }
  assert.deepEqual(left, []);
});
