/**
 * # Docs: every command that the pages for wallet developers, exchanges and operators mark as runnable is run.
 *
 * A block `sh run` is executed by bash against a dev node; the block `out` after it lists what its output must contain.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { RunningNode } from '../../src/node/node.ts';
import { easySpec, mineTo, storedNode } from '../cli/stored-chain.ts';
import { DevMiner } from '../rpc/dev-node.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DOCS = join(ROOT, 'docs');
const PAGES = ['wallet-developer.md', 'exchange.md', 'operator.md'];
const PATIENCE = { timeout: 180_000 };
const dir = mkdtempSync(join(tmpdir(), 'maitoken-docs-'));
const [running, stopped, scratch] = ['running', 'stopped', 'scratch'].map((name) => {
  const path = join(dir, name);
  mkdirSync(path);
  return path;
}) as [string, string, string];

let node: RunningNode;
let miner: DevMiner;
let env: Record<string, string>;

before(async () => {
  // One chain that stands still, for the commands that look at it; one that runs, for clients.
  const past = await storedNode(stopped);
  await mineTo(past, 6);
  await past.stop();
  node = await storedNode(running, { prometheus: { port: 0, host: '127.0.0.1', required: true } });
  miner = new DevMiner(`ws://127.0.0.1:${node.rpcPort}`);
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  const main = join(ROOT, 'src/cli/main.ts');
  writeFileSync(join(bin, 'maitoken'), `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${main}' "$@"\n`, {
    mode: 0o755,
  });
  env = {
    PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: scratch,
    TMP: scratch,
    NODE_NO_WARNINGS: '1',
    SPEC: easySpec(stopped),
    BASE: join(stopped, 'base'),
    HTTP: `http://127.0.0.1:${node.rpcPort}`,
    WS: `ws://127.0.0.1:${node.rpcPort}`,
    METRICS: `http://127.0.0.1:${node.metricsPort}`,
  };
}, PATIENCE);
after(async () => {
  miner?.stop();
  await node?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Block {
  readonly line: number;
  readonly script: string;
  readonly expected: readonly string[];
}

function runnable(page: string): Block[] {
  const text = readFileSync(join(DOCS, page), 'utf8');
  return [...text.matchAll(/^```sh run\n([\s\S]*?)^```\n(?:```out\n([\s\S]*?)^```\n)?/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    script: match[1] as string,
    expected: (match[2] ?? '').split('\n').filter((line) => line !== ''),
  }));
}

function bash(script: string): Promise<{ code: number | null; text: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd: ROOT, env, timeout: 90_000 });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  child.stderr.on('data', (data) => {
    text += data;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
}

for (const page of PAGES) {
  test(`what ${page} tells to run does what it says`, PATIENCE, async () => {
    const blocks = runnable(page);
    assert.ok(blocks.length >= 4, `${page} has ${blocks.length} runnable blocks`);
    for (const { line, script, expected } of blocks) {
      assert.ok(expected.length > 0, `${page}:${line} says what comes out`);
      const { code, text } = await bash(script);
      assert.equal(code, 0, `${page}:${line}\n${script}\n${text}`);
      for (const part of expected) assert.ok(text.includes(part), `${page}:${line}: no '${part}' in\n${text}`);
    }
  });
}

test('every flag that the pages name is one that the program takes', async () => {
  const { text: node } = await bash(
    'maitoken --help; for c in key\\ insert key\\ rotate miner export-blocks import-snapshot purge-chain; do maitoken $c --help; done',
  );
  const known = new Set([...node.matchAll(/--([a-z][a-z0-9-]*)/g)].map(([, name]) => name));
  for (const name of ['raw', 'file', 'output-type', 'message', 'suri']) known.add(name);
  for (const page of PAGES) {
    const text = readFileSync(join(DOCS, page), 'utf8').replace(/^docker .*$/gm, '');
    const named = [...text.matchAll(/(?<=[\s`])--([a-z][a-z0-9-]*)/g)].map(([, name]) => name as string);
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
      page,
    );
  }
});

test('every page and file that a page links to is there', () => {
  for (const page of [...PAGES, ...readdirSync(join(DOCS, 'spec')).map((name) => join('spec', name))]) {
    const text = readFileSync(join(DOCS, page), 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      assert.ok(existsSync(join(DOCS, dirname(page), link as string)), `${page}: ${link}`);
    }
  }
});
