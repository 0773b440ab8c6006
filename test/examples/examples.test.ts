/** # Examples: each file of examples/ does what it says, run as its reader runs it, against a dev node. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const PATIENCE = { timeout: 90_000 };
const CHARLIE = '5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y';

let dev: DevNode;
let miner: DevMiner;

before(async () => {
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
});
after(async () => {
  miner?.stop();
  await dev?.stop();
});

/** What an example printed; it must end by itself, and well. */
function run(file: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--no-warnings', join(EXAMPLES, file), dev.ws, ...args], { timeout: 80_000 });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  child.stderr.on('data', (data) => {
    text += data;
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`${file}: ${code}\n${text}`))));
  });
}

test('every script of the folder is run by a test of this file', () => {
  const tests = readFileSync(import.meta.filename, 'utf8');
  const scripts = readdirSync(EXAMPLES).filter((name) => name.endsWith('.mjs'));
  assert.equal(scripts.length, 4);
  for (const name of scripts) assert.ok(tests.includes(`run('${name}'`), name);
});

test('a transfer with @polkadot/api is estimated, included and final', PATIENCE, async () => {
  const text = await run('transfer-polkadot-js.mjs', CHARLIE);
  assert.match(text, /^fee: [\d.]+ \S*mAI$/m);
  assert.match(text, /status: InBlock[\s\S]*status: Finalized/);
  assert.match(text, /event: balances\.Transfer/);
  assert.match(text, /final in block 0x[0-9a-f]{64}/);
});

test('a transfer with polkadot-api is estimated and final', PATIENCE, async () => {
  const text = await run('transfer-papi.mjs', CHARLIE);
  assert.match(text, /^fee: \d+/m);
  assert.match(text, /event: Balances\.Transfer/);
  assert.match(text, /final in block 0x[0-9a-f]{64}/);
});

test('final blocks come in order from the height that was asked for, with their transfers', PATIENCE, async () => {
  const best = dev.node.store.settled.number;
  const text = await run('follow-finalized.mjs', String(best + 2), '1');
  const numbers = [...text.matchAll(/^#(\d+) 0x[0-9a-f]{64} final$/gm)].map(([, number]) => Number(number));
  assert.deepEqual(
    numbers,
    Array.from({ length: best + 2 }, (_, i) => i + 1),
  );
  assert.match(text, new RegExp(`transfer 5Grwva\\S+ -> ${CHARLIE} 1000000000000`));
});

test('jobs, certificates and winning tickets are told block by block', PATIENCE, async () => {
  const text = await run('watch-certificates.mjs', '3');
  assert.match(text, /^job 0x[0-9a-f]{64} round \d+ \(\w+\): held-out loss [\d.]+ nats per byte/m);
  assert.match(text, /^certificates so far: \d+$/m);
  assert.equal([...text.matchAll(/^#\d+ author \S+ step \d+ node \d+$/gm)].length, 3);
});

test('the browser page sends what the extension signed, and never has a key', PATIENCE, async () => {
  await cryptoWaitReady();
  const bob = new Keyring({ type: 'sr25519' }).addFromUri('//Bob');
  type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;
  const provider = new WsProvider(dev.ws) as unknown as Provider;
  const api = await ApiPromise.create({ provider, noInitWarn: true });
  const asked: string[] = [];
  const extension = {
    enable: async (page: string) => {
      asked.push(page);
      return {
        accounts: { get: async () => [{ address: bob.address, name: 'Bob' }] },
        signer: {
          signPayload: async (payload: { version: number; address: string }) => {
            asked.push(payload.address);
            const raw = api.registry.createType('ExtrinsicPayload', payload, { version: payload.version });
            return { id: 1, ...(raw as unknown as { sign(pair: typeof bob): { signature: string } }).sign(bob) };
          },
        },
      };
    },
  };
  const page = (await import(join(EXAMPLES, 'browser', 'transfer.js'))) as {
    extensions(): string[];
    connect(name: string, pageName: string): Promise<{ signer: unknown; accounts: { address: string }[] }>;
    transfer(api: unknown, plan: object): Promise<string>;
  };
  try {
    await assert.rejects(page.connect('polkadot-js', 'page'), /no wallet extension/);
    Object.assign(globalThis, { injectedWeb3: { 'polkadot-js': extension } });
    const [name = ''] = page.extensions();
    const { signer, accounts } = await page.connect(name, 'page');
    const statuses: string[] = [];
    const plan = { from: accounts[0]?.address, to: CHARLIE, amount: 1_000_000_000_000n, signer };
    const hash = await page.transfer(api, { ...plan, tell: (status: string) => statuses.push(status) });
    assert.match(hash, /^0x[0-9a-f]{64}$/);
    assert.deepEqual(asked, ['page', bob.address]);
    assert.ok(statuses.includes('InBlock') && statuses.at(-1) === 'Finalized', statuses.join());
    await assert.rejects(page.transfer(api, { ...plan, amount: 10n ** 30n, tell: () => {} }));
  } finally {
    Reflect.deleteProperty(globalThis, 'injectedWeb3');
    await api.disconnect();
  }
});

test('the page asks for the pinned client and for the files that lie beside it', () => {
  const html = readFileSync(join(EXAMPLES, 'browser', 'index.html'), 'utf8');
  const { devDependencies } = JSON.parse(readFileSync(join(EXAMPLES, '..', 'package.json'), 'utf8'));
  assert.match(html, new RegExp(`@polkadot/api@${devDependencies['@polkadot/api']}"`));
  for (const [, file] of html.matchAll(/from '\.\/([^']+)'/g)) {
    assert.ok(readdirSync(join(EXAMPLES, 'browser')).includes(file as string), file);
  }
});
