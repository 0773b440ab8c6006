/** # Chain data: what a stopped node left behind can be looked at, carried elsewhere, checked, taken back and removed. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { maitoken } from './run.ts';
import { easySpec, mineTo, storedNode } from './stored-chain.ts';

const BLOCKS = 8;
const dir = mkdtempSync(join(tmpdir(), 'maitoken-data-'));
const spec = easySpec(dir);
const here = ['--chain', spec, '--base-path', join(dir, 'base')];
const there = ['--chain', spec, '--base-path', join(dir, 'copy')];
const file = join(dir, 'blocks.jsonl');

before(
  async () => {
    const node = await storedNode(dir);
    await mineTo(node, BLOCKS);
    await node.stop();
  },
  { timeout: 60_000 },
);
after(() => rmSync(dir, { recursive: true, force: true }));

const info = async (place: readonly string[]) => JSON.parse((await maitoken('chain-info', ...place)).out);

test('blocks that are exported and imported elsewhere give the same chain', { timeout: 60_000 }, async () => {
  const { best, genesis } = await info(here);
  const exported = await maitoken('export-blocks', file, ...here);
  assert.equal(exported.code, 0, exported.err);
  assert.equal(readFileSync(file, 'utf8').trim().split('\n').length, best.number);
  const imported = await maitoken('import-blocks', file, ...there);
  assert.equal(imported.code, 0, imported.err);
  const copy = await info(there);
  assert.deepEqual([copy.best, copy.genesis], [best, genesis]);
  const again = await maitoken('import-blocks', file, ...there);
  assert.match(again.err, /imported 0 blocks/);
});

test('a block that was changed on its way is refused by the check that finds it', { timeout: 60_000 }, async () => {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const block = JSON.parse(lines[0] as string);
  block.block.header.stateRoot = `0x${'11'.repeat(32)}`;
  writeFileSync(join(dir, 'forged.jsonl'), JSON.stringify(block));
  const forged = await maitoken('import-blocks', join(dir, 'forged.jsonl'), '--chain', spec, '-d', join(dir, 'other'));
  assert.equal(forged.code, 5);
  assert.match(forged.err, /is refused: (BadSignature|TargetMissed|TooLittleWork)/);
  writeFileSync(join(dir, 'broken.jsonl'), '{"block":{}}\n');
  const broken = await maitoken('import-blocks', join(dir, 'broken.jsonl'), '--chain', spec, '-d', join(dir, 'other'));
  assert.equal(broken.code, 2);
  assert.match(broken.err, /broken\.jsonl:1: block\.header: not an object/);
});

test('a stored block is executed again, by height or by hash', { timeout: 60_000 }, async () => {
  const { best } = await info(here);
  const last = await maitoken('check-block', best.hash, ...here);
  assert.equal(last.code, 0, last.err);
  assert.match(last.out, new RegExp(`#${best.number} ${best.hash} is valid`));
  assert.equal((await maitoken('check-block', '1', ...here)).code, 0);
  const none = await maitoken('check-block', '9999', ...here);
  assert.equal(none.code, 5);
  assert.match(none.err, /9999: no such block/);
});

test('the exported state is a raw spec whose genesis has that state root', { timeout: 60_000 }, async () => {
  const state = await maitoken('export-state', '0', ...here);
  writeFileSync(join(dir, 'state.json'), state.out);
  const raw = await maitoken('build-spec', '--raw', '--chain', spec);
  assert.deepEqual(JSON.parse(state.out).genesis, JSON.parse(raw.out).genesis);
  // A node of the raw form finds the database of the human form to be its own chain.
  assert.equal(
    (await info(['--chain', join(dir, 'state.json'), '-d', join(dir, 'base')])).genesis,
    (await info(here)).genesis,
  );
});

test('revert takes back what is not final, and no more', { timeout: 60_000 }, async () => {
  const { best, finalized } = await info(there);
  assert.match((await maitoken('revert', '1', ...there)).out, /reverted 1 blocks/);
  assert.equal((await info(there)).best.number, best.number - 1);
  await maitoken('revert', '100', ...there);
  assert.deepEqual((await info(there)).best, finalized);
  assert.match((await maitoken('revert', ...there)).out, /nothing to revert/);
  await maitoken('import-blocks', file, ...there);
  assert.deepEqual((await info(there)).best, best);
});

test('purge-chain asks, removes the database, and leaves keys alone', { timeout: 60_000 }, async () => {
  const insert = await maitoken(
    'key',
    'insert',
    ...there,
    '--key-type',
    'gran',
    '--scheme',
    'ed25519',
    '--suri',
    '//Alice',
  );
  assert.equal(insert.code, 0, insert.err);
  const asked = await maitoken('purge-chain', ...there);
  assert.equal(asked.code, 1);
  const chain = join(dir, 'copy', 'chains', 'dev');
  assert.ok(existsSync(join(chain, 'db')));
  assert.equal((await maitoken('purge-chain', '-y', ...there)).code, 0);
  assert.ok(!existsSync(join(chain, 'db')) && !existsSync(join(chain, 'anchor')));
  assert.ok(existsSync(join(chain, 'keystore')));
  assert.match((await maitoken('purge-chain', '-y', ...there)).err, /did not exist/);
  const gone = await maitoken('chain-info', ...there);
  assert.equal(gone.code, 5);
  assert.match(gone.err, /no database of chain dev/);
});

test('a chain that a node has open is not touched', { timeout: 60_000 }, async () => {
  const node = await storedNode(dir);
  try {
    for (const command of [['purge-chain', '-y'], ['revert'], ['export-blocks', join(dir, 'x')]]) {
      const refused = await maitoken(...command, ...here);
      assert.equal(refused.code, 4, refused.err);
      assert.match(refused.err, /another process has the database open/);
    }
  } finally {
    await node.stop();
  }
});
