/** # Faults: kills, flipped bits, cut and deleted files, a full disk: refused by name or recovered, never different. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Level } from 'level';
import { StoreError } from '../../src/state/errors.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { isSound } from '../../src/state/level/tables.ts';
import { assertHolds, childOf, filled, genesisOf, type Truth } from './chains.ts';

const folder = mkdtempSync(join(tmpdir(), 'state-faults-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const { genesis, truth: root } = genesisOf(1, 60);
const PRUNING = 4;
const CHILD = join(import.meta.dirname, 'kill-child.ts');

/** The same sequence for the same seed: a failing case can be repeated. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

function lineOf(length: number): Truth[] {
  const line = [root];
  while (line.length < length) line.push(childOf(line[line.length - 1] as Truth, line.length));
  return line;
}

/** Everything that an opened store says is the truth about the chain up to its best block. */
function assertTrue(store: LevelStore, line: readonly Truth[]): void {
  for (const block of line.slice(0, store.best.number + 1)) {
    assertHolds(store, block, block.number + PRUNING >= store.settled.number);
    assert.deepEqual(store.canonical(block.number), block.hash);
  }
}

/** Runs a child until it has said `lines` lines, then kills it; returns what it said. */
async function killed(dir: string, lines: number, delayMs: number): Promise<string[]> {
  const child: ChildProcess = spawn(process.execPath, [CHILD, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const ended = new Promise<string | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  child.stdout?.setEncoding('utf8');
  const enough = new Promise<void>((resolve) => {
    child.stdout?.on('data', (part: string) => {
      text += part;
      if (text.split('\n').length > lines) resolve();
    });
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await Promise.race([enough, ended]);
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.kill('SIGKILL');
  assert.equal(await ended, 'SIGKILL');
  clearTimeout(limit);
  return text.split('\n').slice(0, -1);
}

test('a node killed while it imports has lost nothing that was flushed, and goes on', { timeout: 60_000 }, async () => {
  const dir = join(folder, 'kill');
  const roll = dice(11);
  let inFlight = 0;
  for (let round = 0; round < 5; round++) {
    const said = await killed(dir, 12 + roll(30), roll(8));
    const flushed = said.filter((line) => line.startsWith('flushed')).map((line) => Number(line.split(' ')[1]));
    if (said[said.length - 1]?.startsWith('writing')) inFlight++;
    const started = performance.now();
    const store = await LevelStore.open({ dir, genesis, pruning: PRUNING });
    const recoveryMs = performance.now() - started;
    assert.ok(store.best.number >= Math.max(...flushed), `best ${store.best.number} after flushing ${flushed.at(-1)}`);
    assertTrue(store, lineOf(store.best.number + 1));
    await store.verify();
    await store.close();
    assert.ok(recoveryMs < 5000, `recovery took ${recoveryMs} ms`);
  }
  assert.ok(inFlight > 0, 'some kill hit a write');
});

test('a second process is refused while the first one runs', { timeout: 30_000 }, async () => {
  const dir = join(folder, 'second');
  const store = await LevelStore.open({ dir, genesis });
  const child = spawn(process.execPath, [CHILD, dir], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await new Promise((resolve) => child.on('exit', resolve));
  assert.match(text, /DatabaseLocked/);
  await store.close();
});

/** A chain whose files are a table and a log, after a clean stop or copied while it was open. */
async function madeChain(name: string, clean: boolean): Promise<{ dir: string; line: Truth[]; points: number[] }> {
  const dir = join(folder, name);
  const line = lineOf(45);
  const points: number[] = [];
  let store = await LevelStore.open({ dir, genesis, pruning: PRUNING });
  for (const block of line.slice(1)) {
    if (block.number === 25) {
      await store.close();
      store = await LevelStore.open({ dir, genesis, pruning: PRUNING });
    }
    store.append(block);
    store.setBest(block.hash);
    if (block.number > 3) store.settle((line[block.number - 3] as Truth).hash);
    if (block.number % 4 !== 0) continue;
    store.putAux('votes', filled(30, block.number));
    await store.flush(block.number === 32);
    points.push(block.number);
  }
  if (!clean) cpSync(dir, `${dir}-open`, { recursive: true });
  await store.close();
  return { dir: clean ? dir : `${dir}-open`, line, points };
}

/** Deletes, cuts or flips one bit of one file; returns what it did. */
function damage(dir: string, roll: (sides: number) => number): string {
  const files = [...readdirSync(join(dir, 'db')).map((file) => join('db', file)), 'anchor'];
  const targets = files.filter((file) => !/LOG|LOCK/.test(file)).sort();
  const file = targets[roll(targets.length)] as string;
  const path = join(dir, file);
  const bytes = readFileSync(path);
  const kind = roll(10);
  if (kind === 0) {
    rmSync(path);
    return `${file} deleted`;
  }
  const at = roll(bytes.length);
  if (kind < 3) {
    truncateSync(path, at);
    return `${file} cut at ${at}`;
  }
  bytes[at] = (bytes[at] as number) ^ (1 << roll(8));
  writeFileSync(path, bytes);
  return `${file} flipped at ${at}`;
}

for (const clean of [true, false]) {
  const when = clean ? 'after a clean stop' : 'as a crash left them';
  test(`damaged files, ${when}, are refused or make no difference`, { timeout: 60_000 }, async () => {
    const { dir, line, points } = await madeChain(clean ? 'clean' : 'crashed', clean);
    const roll = dice(clean ? 5 : 6);
    let refused = 0;
    for (let round = 0; round < 30; round++) {
      const copy = join(folder, 'copy');
      rmSync(copy, { recursive: true, force: true });
      cpSync(dir, copy, { recursive: true });
      const what = damage(copy, roll);
      try {
        const store = await LevelStore.open({ dir: copy, genesis, pruning: PRUNING });
        // A log that lost its end gives an earlier batch, but never one before the last that was synced.
        const best = store.best.number;
        assert.ok(clean ? best === 44 : points.includes(best) && best >= 32, `${what}: best ${best}`);
        assertTrue(store, line);
        assert.deepEqual(store.aux('votes'), filled(30, best - (best % 4)), what);
        await store.verify();
        await store.close();
      } catch (error) {
        assert.ok(error instanceof StoreError, `${what}: ${error}`);
        assert.ok(error.code === 'CorruptDatabase' && error.hint !== undefined, `${what}: ${error.code}`);
        refused++;
      }
    }
    assert.ok(refused >= 20, `${refused} of 30 refused`);
  });
}

test('what a cut-off compaction or a power cut leaves behind is no fault', async () => {
  const { dir, line } = await madeChain('leftovers', true);
  writeFileSync(join(dir, 'db', '999999.ldb'), filled(1000, 1));
  for (const file of readdirSync(join(dir, 'db'))) {
    const path = join(dir, 'db', file);
    // Space that was given to a file before its content arrived.
    if (/\.log$|MANIFEST/.test(file)) writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(5000)]));
  }
  const store = await LevelStore.open({ dir, genesis, pruning: PRUNING });
  assert.equal(store.best.number, 44);
  assertTrue(store, line);
  await store.close();
});

test('every flipped bit of a table is noticed before LevelDB reads it', async () => {
  const path = join(folder, 'tables');
  const level = new Level<Uint8Array, Uint8Array>(path, { keyEncoding: 'view', valueEncoding: 'view' });
  await level.open();
  const batch = level.batch();
  // Compressible and large enough for compressed index blocks with many entries.
  for (let i = 0; i < 5000; i++) batch.put(filled(40, i), filled(100, i >> 4));
  await batch.write();
  await level.close();
  // Opening turns the log into tables.
  await level.open();
  await level.close();
  const tables = readdirSync(path).filter((file) => file.endsWith('.ldb'));
  assert.ok(tables.length > 0);
  const roll = dice(3);
  for (const file of tables) {
    const bytes = new Uint8Array(readFileSync(join(path, file)));
    assert.equal(isSound(bytes), true);
    for (let round = 0; round < 50; round++) {
      // The footer's padding means nothing to anybody.
      const at = roll(bytes.length - 48);
      const bit = 1 << roll(8);
      bytes[at] = (bytes[at] as number) ^ bit;
      assert.equal(isSound(bytes), false, `byte ${at}`);
      bytes[at] = (bytes[at] as number) ^ bit;
    }
  }
});

test('tables that are too many to check at the start are checked while the store is open', async () => {
  const { dir } = await madeChain('scrubbed', true);
  const open = () => LevelStore.open({ dir, genesis, pruning: PRUNING, checkedBytes: 0 });
  const store = await open();
  await store.scrub();
  await store.close();
  const tables = readdirSync(join(dir, 'db')).filter((file) => file.endsWith('.ldb'));
  const path = join(dir, 'db', tables.sort()[0] as string);
  const bytes = readFileSync(path);
  // In the filter block, which LevelDB asks whether a record exists at all: no record's own checksum tells of it.
  const at = bytes.length - 200;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
  const damaged = await open();
  await assert.rejects(damaged.scrub(), (error) => error instanceof StoreError && error.code === 'CorruptDatabase');
  await damaged.close();
});

test('a full disk stops the store with a disk error, and what was flushed before is there', {
  timeout: 30_000,
}, async () => {
  const dir = join(folder, 'full');
  // Files of this process may not grow beyond 256 KiB: what a full disk does, without filling one.
  const command = `ulimit -f 256 && exec "${process.execPath}" "${CHILD}" "${dir}"`;
  const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let fault = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    fault += part;
  });
  await new Promise((resolve) => child.on('exit', resolve));
  assert.match(fault, /DiskError/);
  const flushed = [...said.matchAll(/^flushed (\d+)$/gm)].map((m) => Number(m[1]));
  const store = await LevelStore.open({ dir, genesis, pruning: PRUNING });
  assert.ok(store.best.number >= Math.max(...flushed));
  assertTrue(store, lineOf(store.best.number + 1));
  await store.close();
});
