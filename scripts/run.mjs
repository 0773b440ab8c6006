#!/usr/bin/env node
// Runs on any Node from 18 up, with nothing installed: installs the project if needed, checks that Node 24 and the
// native parts are there, then runs the asked command under the project's own Node 24.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const windows = process.platform === 'win32';
const node24 = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');
const stamp = join(root, 'node_modules', '.maitoken-installed');
const bin = join(root, 'node_modules', '.bin');
// ONNX Runtime's install script fetches a CUDA build that few users need; README says how to get it.
const env = { ONNXRUNTIME_NODE_INSTALL: 'skip', ...process.env };
const pathKey = Object.keys(env).find((key) => key.toLowerCase() === 'path') ?? 'PATH';
const separator = windows ? ';' : ':';
const withNode24 = { ...env, [pathKey]: `${dirname(node24)}${separator}${bin}${separator}${env[pathKey] ?? ''}` };

const quiet = ['--no-warnings'];
const engine = ['--no-liftoff', '--experimental-wasm-revectorize'];
const commands = {
  devnet: (args) => [[node24, [...quiet, 'src/cli/main.ts', 'devnet', ...args]]],
  node: (args) => [[node24, [...quiet, 'src/cli/main.ts', ...args]]],
  // As in src/node/children.ts: makes training a third faster; every engine proves itself before it is used.
  miner: (args) => [[node24, [...quiet, ...engine, 'src/cli/main.ts', 'miner', ...args]]],
  cli: (args) => [[node24, [...quiet, 'src/cli/main.ts', ...args]]],
  test: (args) => [[node24, [...quiet, 'scripts/test.mjs', ...args]]],
  long: (args) => [[node24, [...quiet, '--test', 'test/long/newcomers.ts', ...args]]],
  acceptance: (args) => [[node24, [...quiet, 'test/long/ten-minutes.ts', ...args]]],
  kills: (args) => [[node24, [...quiet, 'test/long/kills.ts', ...args]]],
  finality: (args) => [[node24, [...quiet, 'test/long/finality.ts', ...args]]],
  crash: (args) => [[node24, [...quiet, 'test/long/crash.ts', ...args]]],
  hostile: (args) => [[node24, [...quiet, 'test/long/hostile.ts', ...args]]],
  clients: (args) => {
    installTools();
    return [[node24, [...quiet, '--test', '--test-concurrency=1', ...clientTests(args)]]];
  },
  pause: (args) => [[node24, [...quiet, 'test/long/pause.ts', ...args]]],
  sim: (args) => [[node24, [...quiet, 'test/sim/main.ts', ...args]]],
  model: (args) => [[node24, [...quiet, 'test/model/run.ts', ...args]]],
  economics: (args) => [[node24, [...quiet, 'test/economics/run.ts', ...args]]],
  bench: (args) => [[node24, [...quiet, 'test/bench/main.ts', ...args]]],
  kernels: (args) => [[node24, ['scripts/build-kernels.mjs', ...args]]],
  genesis: () => [[node24, ['scripts/genesis.mjs']]],
  check: () => [
    [node24, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json']],
    [node24, [join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '.']],
    [node24, [join(root, 'node_modules', 'knip', 'bin', 'knip.js')]],
  ],
};

const [name, ...args] = process.argv.slice(2);
if (!name || !(name in commands)) fail(`usage: node scripts/run.mjs ${Object.keys(commands).join('|')} [options]`);

install();
for (const [file, argv] of commands[name](args)) {
  const code = await run(file, argv);
  if (code !== 0) process.exit(code);
}

/** Installs with npm unless the lockfile that is installed is the one in the tree. */
function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && usable() === '') return;
  console.error('installing dependencies (once) ...');
  npm(env);
  // npm under an older Node may leave out natives that ask for a newer one: install again with Node 24 first on PATH.
  if (usable() !== '' && existsSync(node24)) npm(withNode24);
  const fault = usable();
  if (fault !== '')
    fail(
      `installation is incomplete: ${fault}\nremove node_modules and run again with a connection to the npm registry`,
    );
  writeFileSync(stamp, wanted);
}

/** The tools of test/clients, in a folder of their own: 300 MB that nothing else needs. */
function installTools() {
  const tools = join(root, 'test', 'clients', 'tools');
  const wanted = createHash('sha256')
    .update(readFileSync(join(tools, 'package-lock.json')))
    .digest('hex');
  const toolStamp = join(tools, 'node_modules', '.maitoken-installed');
  if (existsSync(toolStamp) && readFileSync(toolStamp, 'utf8') === wanted) return;
  console.error('installing the tools of test/clients (once) ...');
  // None of them needs its install script.
  npm(withNode24, tools, ['--ignore-scripts']);
  writeFileSync(toolStamp, wanted);
}

/** Files of test/clients whose name contains one of the words; all of them without words. */
function clientTests(words) {
  const files = ['sidecar', 'papi', 'zombienet'].filter(
    (name) => words.length === 0 || words.some((w) => name.includes(w)),
  );
  if (files.length === 0) fail('npm run test:clients [-- sidecar|papi|zombienet]');
  return files.map((name) => `test/clients/${name}.ts`);
}

function npm(environment, folder = root, more = []) {
  // Not `npm ci`: it insists that the lockfile names the optional parts of every platform, also of those that a registry
  // does not hold. Versions come from the lockfile all the same, and --no-save leaves it as it is.
  const done = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', ...more], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: windows,
  });
  if (done.status !== 0) fail(`npm install ended with ${done.status ?? done.signal}; see its message above`);
}

/** What is missing, or an empty string. */
function usable() {
  if (!existsSync(node24)) return 'Node 24 (package "node") was not installed: its install script may be blocked';
  const probe = "for (const m of ['classic-level','sodium-native','onnxruntime-node']) await import(m)";
  const done = spawnSync(node24, ['--input-type=module', '-e', probe], { cwd: root, env, encoding: 'utf8' });
  return done.status === 0
    ? ''
    : `a native part does not load: ${(done.stderr ?? '').trim().split('\n').slice(-3).join(' ')}`;
}

function run(file, argv) {
  return new Promise((resolve) => {
    const child = spawn(file, argv, { cwd: root, env: withNode24, stdio: 'inherit' });
    // Ctrl-C reaches the whole group, `kill` only us: pass both on, and wait for the child to end cleanly.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
    child.on('error', (error) => fail(`cannot start ${file}: ${error.message}`));
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
