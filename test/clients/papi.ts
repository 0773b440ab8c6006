/**
 * # PAPI: descriptors that its own command line generates from a running node (`papi add`), and a typed transfer by them.
 *
 * Always true: everything is made in a temporary folder by the pinned tools; the types are checked by their compiler.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

const TOOLS = join(import.meta.dirname, 'tools', 'node_modules');
const PATIENCE = { timeout: 180_000 };

let dev: DevNode;
let miner: DevMiner;
let dir: string;

before(async () => {
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
  dir = mkdtempSync(join(tmpdir(), 'maitoken-papi-'));
  writeFileSync(join(dir, 'package.json'), '{"name":"dapp","private":true,"type":"module"}');
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER, files: ['dapp.ts'] }));
});

after(async () => {
  miner?.stop();
  await dev?.stop();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

const COMPILER = {
  strict: true,
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  skipLibCheck: true,
  noEmit: true,
  types: [],
};

/** Runs a program of the tools in the folder; what it printed. Fails with that when it does not end with 0. */
async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--no-warnings', program, ...args], { cwd: dir });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      printed += data.toString();
    });
  }
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, printed);
  return printed;
}

/** The file behind a program of an installed package. */
function programOf(name: string, program: string): string {
  const { bin } = JSON.parse(readFileSync(join(TOOLS, name, 'package.json'), 'utf8')) as {
    bin: Record<string, string>;
  };
  return join(TOOLS, name, bin[program] as string);
}

/** The tools, and the generated descriptors under the name that a dapp imports them by. */
function link(): void {
  rmSync(join(dir, 'node_modules'), { recursive: true, force: true });
  mkdirSync(join(dir, 'node_modules', '@polkadot-api'), { recursive: true });
  symlinkSync(join(TOOLS, 'polkadot-api'), join(dir, 'node_modules', 'polkadot-api'));
  symlinkSync(join(dir, '.papi', 'descriptors'), join(dir, 'node_modules', '@polkadot-api', 'descriptors'));
}

/** A dapp as a developer writes it: every line is checked against the generated types. */
const DAPP = `
import { MultiAddress, mai } from '@polkadot-api/descriptors';
import { createClient } from 'polkadot-api';
import { getWsProvider } from 'polkadot-api/ws';

declare const process: { argv: string[]; exit(code: number): never };
declare const console: { log(text: string): void };
const [, , url, bob] = process.argv as [string, string, string, string];
const client = createClient(getWsProvider(url));
const api = client.getTypedApi(mai);
const free: bigint = (await api.query.System.Account.getValue(bob)).data.free;
const deposit: bigint = await api.constants.Balances.ExistentialDeposit();
const jobs: number = (await api.query.Jobs.JobIds.getValue()).length;
const fee: bigint = await api.tx.Balances.transfer_keep_alive({ dest: MultiAddress.Id(bob), value: 5n }).getEstimatedFees(bob);
console.log(JSON.stringify({ free: String(free), deposit: String(deposit), jobs, fee: String(fee) }));
client.destroy();
process.exit(0);
`;

/** The same with a call that this chain has not. */
const WRONG = DAPP.replace('transfer_keep_alive', 'transfer_to_nobody');

test('papi add and generate make descriptors of the node', PATIENCE, async () => {
  link();
  const papi = programOf('polkadot-api', 'papi');
  assert.match(await run(papi, 'add', 'mai', '-w', dev.ws, '--skip-codegen'), /mai/);
  await run(papi, 'generate');
  const made = JSON.parse(readFileSync(join(dir, '.papi', 'polkadot-api.json'), 'utf8')) as {
    entries: Record<string, { genesis: string }>;
  };
  const genesis = dev.node.store.genesis.hash;
  assert.equal(made.entries.mai?.genesis, `0x${Buffer.from(genesis).toString('hex')}`);
});

test('a dapp written against them type-checks and speaks to the node; a wrong call does not', PATIENCE, async () => {
  // The generator has installed the descriptors; the tools' own copy of the client serves all the same.
  link();
  const tsc = programOf('typescript', 'tsc');
  writeFileSync(join(dir, 'dapp.ts'), WRONG);
  await assert.rejects(run(tsc, '-p', '.'), /transfer_to_nobody/);
  writeFileSync(join(dir, 'dapp.ts'), DAPP);
  await run(tsc, '-p', '.');
  const bob = '5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty';
  const said = JSON.parse(await run(join(dir, 'dapp.ts'), dev.ws, bob)) as Record<string, string | number>;
  const { economy } = dev.node.config.spec;
  assert.equal(said.free, '100000000000000000');
  assert.equal(said.deposit, String(economy.existentialDeposit));
  assert.equal(said.jobs, 3);
  assert.ok(BigInt(said.fee as string) > 0n);
});
