/**
 * # Crash: the short form of `npm run test:crash` (test/long/crash.ts): some kills of a loaded store, at a step, inside a
 * system call, in recovery and with the power, and a damage of every type of file.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { forge } from './corpus.ts';
import { damageMany } from './damage.ts';
import { killMany, type Life, never } from './kills.ts';
import { compileShim } from './shim.ts';

const root = mkdtempSync(join(tmpdir(), 'maitoken-crash-'));
after(() => rmSync(root, { recursive: true, force: true }));

await installFastPaths();
const corpus = forge(36, 1);
const shim = compileShim(root);

function folderOf(name: string): string {
  mkdirSync(join(root, name));
  return join(root, name);
}

const soon = { lines: 30, match: /^(import|at flush)/, ms: 0 };
const PLAIN: readonly Life[] = [
  { kind: 'flush point', args: ['below=3', 'die=flush:written:16'], after: never },
  { kind: 'recovery', args: ['below=4', 'die=open:records:1'], after: never },
  { kind: 'moment', args: ['below=5'], after: soon },
];
const WITH_SHIM: readonly Life[] = [
  { kind: 'system call', args: ['below=3'], plan: 'write:30:torn', after: never },
  { kind: 'recovery', args: ['below=4'], plan: 'sync:1:kill', after: never },
  { kind: 'power', args: ['below=5'], after: soon },
];
const killing = { corpus, shim: 'path' in shim ? shim.path : undefined, seed: 1, tell: () => {} };

test('a store that is killed at any step loses nothing that it told and votes nothing twice', async (t) => {
  if ('reason' in shim) t.diagnostic(`no kills inside system calls and no power cuts: ${shim.reason}`);
  const lives = [...PLAIN, ...('path' in shim ? WITH_SHIM : [])];
  const report = await killMany({ ...killing, folder: folderOf('kills'), kills: lives.length, lives });
  assert.deepEqual(report.faults, []);
  assert.ok(report.flush > 0, 'some kill hit a flush');
  assert.ok(report.recovery > 0, 'some kill hit a recovery');
  assert.ok(report.votes > 0 && report.finalized > 0, 'it voted and finalized');
});

test('such a kill finds a voter that speaks before its memory is written', async () => {
  const lives: Life[] = [{ kind: 'flush point', args: ['below=3', 'die=vote:5'], after: never }];
  const folder = folderOf('planted');
  const report = await killMany({ ...killing, folder, kills: 1, lives, plant: 'vote-first' });
  assert.match(report.faults.join(), /left unremembered/);
});

test('a damaged file of any type is refused by name, or makes no difference', async () => {
  const report = await damageMany({ folder: folderOf('damage'), corpus, cases: 30, seed: 2, tell: () => {} });
  assert.deepEqual(report.faults, []);
  const outcomes = [...report.outcomes.keys()];
  for (const type of ['CURRENT', 'MANIFEST', 'log', 'table', 'anchor', 'key', 'network secret', 'blob']) {
    assert.ok(
      outcomes.some((outcome) => outcome.startsWith(`${type}: `)),
      `${type} was damaged`,
    );
  }
});
