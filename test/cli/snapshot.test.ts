/** # Snapshots on the command line: a chain carried without its past, and every way to carry something else. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import { easySpec as easySpecText, lonelyNode } from '../rpc/dev-node.ts';
import { maitoken } from './run.ts';
import { easySpec, mineTo, storedNode } from './stored-chain.ts';

const BLOCKS = 9;
const dir = mkdtempSync(join(tmpdir(), 'maitoken-snapshot-'));
const spec = easySpec(dir);
const file = join(dir, 'chain.snapshot');
const here = ['--chain', spec, '--base-path', join(dir, 'base')];
const at = (name: string): string[] => ['--chain', spec, '--base-path', join(dir, name)];
const info = async (place: readonly string[]) => JSON.parse((await maitoken('chain-info', ...place)).out);
const made = { hash: '' };

before(
  async () => {
    await installFastPaths();
    const node = await storedNode(dir);
    await mineTo(node, BLOCKS);
    await node.stop();
    const exported = await maitoken('export-snapshot', file, ...here);
    assert.equal(exported.code, 0, exported.err);
    made.hash = exported.out.trim();
  },
  { timeout: 60_000 },
);
after(() => rmSync(dir, { recursive: true, force: true }));

test('a snapshot makes a chain that begins with the last final block', { timeout: 60_000 }, async () => {
  const { finalized, genesis, best } = await info(here);
  const imported = await maitoken('import-snapshot', file, '--hash', made.hash, ...at('copy'));
  assert.equal(imported.code, 0, imported.err);
  const copy = await info(at('copy'));
  assert.deepEqual([copy.genesis, copy.best, copy.finalized], [genesis, finalized, finalized]);
  const blocks = join(dir, 'blocks.jsonl');
  await maitoken('export-blocks', blocks, '--from', String(finalized.number + 1), ...here);
  const grown = await maitoken('import-blocks', blocks, ...at('copy'));
  assert.equal(grown.code, 0, grown.err);
  assert.deepEqual((await info(at('copy'))).best, best);
  const older = await maitoken('export-blocks', join(dir, 'older'), ...at('copy'));
  assert.equal(older.code, 5);
  assert.match(older.err, /block 1 is not here/);
});

test('a node runs on it: it answers, makes blocks, and says what is absent', { timeout: 60_000 }, async () => {
  await maitoken('import-snapshot', file, '--hash', made.hash, ...at('node'));
  const chain = parseChainSpec(easySpecText(), spec);
  const node = await lonelyNode(join(dir, 'node'), { spec: chain, specSource: spec });
  try {
    const { number } = node.store.settled;
    await mineTo(node, number + 2);
    const ask = async (
      method: string,
      ...params: unknown[]
    ): Promise<{ result?: unknown; error?: { code: number } }> => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
      const headers = { 'content-type': 'application/json' };
      return (await fetch(`http://127.0.0.1:${node.rpcPort}`, { method: 'POST', headers, body })).json() as never;
    };
    assert.equal((await ask('chain_getBlockHash', number - 1)).result, null);
    assert.equal((await ask('chain_getBlockHash', number)).result, toHex(node.store.canonical(number) as Uint8Array));
    assert.deepEqual((await ask('archive_v1_hashByHeight', 1)).result, []);
    assert.deepEqual((await ask('archive_v1_hashByHeight', 0)).result, [toHex(node.store.genesis.hash)]);
    const key = '0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb';
    assert.match(String((await ask('state_getStorage', key)).result), /^0x[0-9a-f]{16}$/, 'Timestamp.Now');
    const past = await ask('state_getStorage', key, toHex(node.store.genesis.hash));
    assert.ok(past.error !== undefined, 'the state of genesis is not here');
  } finally {
    await node.stop();
  }
});

test('nothing is imported without the right name, over another chain, or into another one', {
  timeout: 60_000,
}, async () => {
  const unnamed = await maitoken('import-snapshot', file, ...at('unnamed'));
  assert.equal(unnamed.code, 5);
  assert.match(unnamed.err, new RegExp(`say --hash ${made.hash}`));
  const misnamed = await maitoken('import-snapshot', file, '--hash', `0x${'11'.repeat(32)}`, ...at('unnamed'));
  assert.match(misnamed.err, /its hash is/);
  const over = await maitoken('import-snapshot', file, '--hash', made.hash, ...here);
  assert.match(over.err, /there is a chain already/);
  const foreign = await maitoken('import-snapshot', file, '--hash', made.hash, '--chain', 'dev', '-d', join(dir, 'x'));
  assert.equal(foreign.code, 5);
  assert.match(foreign.err, /of another chain/);
  const again = await maitoken('export-snapshot', file, ...here);
  assert.match(again.err, /there is such a file already/);
  assert.ok(!existsSync(join(dir, 'unnamed')) && !existsSync(join(dir, 'x')));
});

test('damaged bytes, bytes that are missing and bytes too many are refused', { timeout: 60_000 }, async () => {
  const bytes = readFileSync(file);
  const cases: Record<string, Buffer> = {
    damaged: Buffer.from(bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 1)),
    short: bytes.subarray(0, -1),
    long: Buffer.concat([bytes, Buffer.alloc(1)]),
    renamed: Buffer.from(bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1)),
    foreign: Buffer.concat([Buffer.from('mAIsnap9'), bytes.subarray(8)]),
  };
  for (const [name, content] of Object.entries(cases)) {
    writeFileSync(join(dir, name), content);
    const refused = await maitoken('import-snapshot', join(dir, name), '--hash', made.hash, ...at('refused'));
    assert.equal(refused.code, 5, `${name}: ${refused.err}`);
    assert.ok(!existsSync(join(dir, 'refused')), name);
  }
});
