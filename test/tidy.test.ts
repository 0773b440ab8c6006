/**
 * # Tidy: the house rules of ARCHITECTURE.md as tests: imports only go down, the core is pure, files stay short,
 * and a third-party package is known to one folder only.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

/** Rooms by floor; a subfolder that is named here is a room of its own (the adapters of pure rooms). */
const FLOORS: readonly (readonly string[])[] = [
  ['base', 'codec', 'crypto'],
  ['primitives', 'state'],
  ['runtime', 'compute'],
  ['consensus', 'sync', 'pool', 'jobs'],
  ['p2p', 'rpc', 'state/level', 'compute/engine', 'crypto/native', 'keystore', 'blobs', 'metrics'],
  ['node', 'miner', 'sim'],
  ['cli'],
];
const PURE_FLOORS = 3;
/** base is under codec and crypto, codec under crypto's consumers: the only neighbours that may meet. */
const GROUND: Readonly<Record<string, readonly string[]>> = {
  codec: ['base'],
  crypto: ['base', 'codec'],
  state: ['primitives'],
};

interface Source {
  readonly path: string;
  readonly room: string;
  readonly floor: number;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('/kernels/assembly'))
  .map((entry) => {
    const path = relative(SRC, join(entry.parentPath, entry.name));
    const text = readFileSync(join(SRC, path), 'utf8');
    const imports = [
      ...text.matchAll(/(?:^|\n)\s*(?:import|export)[^'";]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/g),
    ];
    const room = roomOf(path);
    return { path, room, floor: floorOf(room), text, imports: imports.map((m) => m[1] ?? m[2] ?? '') };
  });

function roomOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return FLOORS.flat().includes(`${first}/${second}`) ? `${first}/${second}` : first;
}

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

function purely(source: Source): boolean {
  return source.floor >= 0 && source.floor <= PURE_FLOORS;
}

test('every folder of src is a room on a floor', () => {
  assert.deepEqual(
    sources.filter((s) => s.floor < 0).map((s) => s.path),
    [],
  );
});

test('imports only go down, and two rooms of one floor do not import each other', () => {
  const faults: string[] = [];
  for (const source of sources) {
    for (const name of source.imports.filter((i) => i.startsWith('.'))) {
      const target = relative(SRC, resolve(SRC, dirname(source.path), name));
      const room = roomOf(target);
      if (room === source.room || floorOf(room) < source.floor) continue;
      if (GROUND[source.room]?.includes(room)) continue;
      faults.push(`${source.path} -> ${target}`);
    }
  }
  assert.deepEqual(faults, []);
});

test('the canonical engine imports nothing outside floors 0 to 2: ONNX Runtime is never the executor', () => {
  const faults = sources
    .filter((s) => s.path.startsWith('compute/canonical/') || s.path.startsWith('compute/pouw/'))
    .flatMap((s) =>
      s.imports.filter((i) => !i.startsWith('.') || i.includes('/engine/')).map((i) => `${s.path}: ${i}`),
    );
  assert.deepEqual(faults, []);
});

test('floors 0 to 3 are synchronous and clockless and touch no machine', () => {
  const banned = [
    /\basync\b/,
    /\bawait\b/,
    /\bDate\b/,
    /\bMath\.random\b/,
    /\bsetTimeout\b/,
    /\bsetInterval\b/,
    /\bprocess\./,
    /'node:/,
    /\bperformance\b/,
    /\bconsole\./,
  ];
  const faults = sources.filter(purely).flatMap((source) => {
    const code = withoutComments(source.text);
    return banned.filter((word) => word.test(code)).map((word) => `${source.path}: ${word}`);
  });
  assert.deepEqual(faults, []);
});

test('outside tensors the core computes in integers: no fractional literal, no transcendental function', () => {
  const faults = sources
    .filter((s) => purely(s) && s.room !== 'compute')
    .filter((s) =>
      /[^\w.]\d+\.\d+(?![\d.])|Math\.(exp|log|sin|cos|tan|pow|sqrt)\b/.test(withoutStrings(withoutComments(s.text))),
    )
    .map((s) => s.path);
  assert.deepEqual(faults, []);
});

test('a source file has at most 500 lines of at most 120 characters, and opens with what is always true', () => {
  const faults: string[] = [];
  for (const { path, text } of sources) {
    const lines = text.split('\n');
    if (lines.length > 501) faults.push(`${path}: ${lines.length} lines`);
    const long = lines.findIndex((line) => line.length > 120);
    if (long >= 0) faults.push(`${path}:${long + 1}: ${lines[long]?.length} characters`);
    if (!/^(#!.*\n)?\/\*\*/.test(text)) faults.push(`${path}: no opening comment`);
  }
  assert.deepEqual(faults, []);
});

test('a third-party package is imported in exactly one room', () => {
  const rooms = new Map<string, Set<string>>();
  for (const source of sources) {
    for (const name of source.imports.filter((i) => !i.startsWith('.') && !i.startsWith('node:'))) {
      const parts = name.split('/');
      const packageName = name.startsWith('@') ? `${parts[0]}/${parts[1]}` : (parts[0] as string);
      // An adapter in a pure room's subfolder belongs to that room: crypto/native beside crypto.
      const room = source.room.split('/')[0] as string;
      rooms.set(packageName, (rooms.get(packageName) ?? new Set()).add(room));
    }
  }
  // zod states what an operator's file and a client's request may hold: two doors, one language.
  const faults = [...rooms]
    .filter(([name, set]) => set.size > 1 && name !== 'zod')
    .map(([name, set]) => `${name}: ${[...set].join(', ')}`);
  assert.deepEqual(faults, []);
});

test('no unfinished work is left in the tree', () => {
  const mark = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X'.repeat(3)].map((word) => `\\b${word}\\b`).join('|'));
  assert.deepEqual(
    sources.filter((s) => mark.test(s.text)).map((s) => s.path),
    [],
  );
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
}

function withoutStrings(text: string): string {
  return text.replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''");
}
