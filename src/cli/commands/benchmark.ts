/**
 * # benchmark: what this machine does in a second, `machine` as a node needs it, `compute` as a miner does.
 *
 * Always true: every figure is measured here and now; the ones to reach are those of the machine on which the limits of
 * docs/spec were found, and missing one is a hint, never an error.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blake2_256, sha256 } from '../../crypto/hash.ts';
import { installFastPaths } from '../../crypto/native/install.ts';
import { keypairFromSuri } from '../../crypto/suri.ts';
import { verifySignature } from '../../crypto/verify.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { minerCommand } from './miner.ts';

const FLAGS = {
  'base-path': {
    kind: 'value',
    short: 'd',
    value: 'DIR',
    help: 'whose disk to measure (default: the temporary folder)',
  },
  duration: { kind: 'value', value: 'SECONDS', help: 'compute: how long (default 30)' },
  json: { kind: 'flag', help: 'JSON lines' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

const MEBIBYTE = 2 ** 20;
/** Each figure is the best of rounds of this length. */
const ROUND_MS = 200;
const ROUNDS = 5;
const FILE_BYTES = 64 * MEBIBYTE;
const PAGE_BYTES = 4_096;
const RANDOM_WRITES = 500;

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What a validator wants. */
  readonly wanted: number;
}

/** `maitoken benchmark machine|compute`. */
export async function benchmarkCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken benchmark', argv, FLAGS, 1);
  const [what] = positionals;
  if (options.help) {
    terminal.out(usage('maitoken benchmark machine|compute', 'measures this machine', FLAGS));
    return 0;
  }
  if (what === 'compute') {
    const more = [...(options.duration ? ['--duration', options.duration] : []), ...(options.json ? ['--json'] : [])];
    return minerCommand(['benchmark', ...more], terminal);
  }
  if (what !== 'machine') throw new UsageError('maitoken benchmark: say machine or compute');
  await installFastPaths();
  for (const figure of [...processor(), ...disk(options['base-path'] ?? tmpdir())]) {
    const { name, value, unit, wanted } = figure;
    const isEnough = value >= wanted;
    const shown = value >= 100 ? value.toFixed(0) : value.toFixed(1);
    const measured = `${shown} ${unit}`.padStart(16);
    const line = `${name.padEnd(34)} ${measured}   at least ${wanted}${isEnough ? '' : '   MISSED'}`;
    terminal.out(options.json ? JSON.stringify({ ...figure, isEnough }) : line);
  }
  return 0;
}

function processor(): Figure[] {
  const megabyte = new Uint8Array(randomBytes(MEBIBYTE));
  const copy = new Uint8Array(MEBIBYTE);
  const signer = keypairFromSuri('//Alice', 'sr25519');
  const message = new Uint8Array(100);
  const signature = signer.sign(message);
  const verify = (): void => {
    if (!verifySignature('sr25519', signature, message, signer.publicKey))
      throw new Error('a true signature is refused');
  };
  return [
    { name: 'BLAKE2b-256', value: rate(() => blake2_256(megabyte)), unit: 'MiB/s', wanted: 300 },
    { name: 'SHA-256', value: rate(() => sha256(megabyte)), unit: 'MiB/s', wanted: 200 },
    { name: 'sr25519 verification', value: rate(verify), unit: '/s', wanted: 2_000 },
    { name: 'memory copy', value: rate(() => copy.set(megabyte)), unit: 'MiB/s', wanted: 4_000 },
  ];
}

/** Sequential writes and reads end on the disk as far as fsync says so; the system's cache serves the reads. */
function disk(under: string): Figure[] {
  let dir: string;
  try {
    dir = mkdtempSync(join(under, 'maitoken-benchmark-'));
  } catch {
    throw new UsageError(`--base-path ${under}: a file cannot be written there`);
  }
  try {
    const file = openSync(join(dir, 'file'), 'w+');
    const block = new Uint8Array(randomBytes(MEBIBYTE));
    const written = seconds(() => {
      for (let at = 0; at < FILE_BYTES; at += MEBIBYTE) writeSync(file, block, 0, MEBIBYTE, at);
      fsyncSync(file);
    });
    const read = seconds(() => {
      for (let at = 0; at < FILE_BYTES; at += MEBIBYTE) readSync(file, block, 0, MEBIBYTE, at);
    });
    const pages = FILE_BYTES / PAGE_BYTES;
    const scattered = seconds(() => {
      for (let i = 0; i < RANDOM_WRITES; i++) {
        writeSync(file, block, 0, PAGE_BYTES, Math.floor(Math.random() * pages) * PAGE_BYTES);
      }
      fsyncSync(file);
    });
    closeSync(file);
    const size = FILE_BYTES / MEBIBYTE;
    return [
      { name: 'disk, sequential write and fsync', value: size / written, unit: 'MiB/s', wanted: 100 },
      { name: 'disk, sequential read', value: size / read, unit: 'MiB/s', wanted: 200 },
      { name: 'disk, random 4 KiB write', value: RANDOM_WRITES / scattered, unit: '/s', wanted: 1_000 },
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function seconds(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1_000;
}

/** How often `work` is done in a second, in the best round. */
function rate(work: () => void): number {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let times = 0;
    const start = performance.now();
    do {
      work();
      times++;
    } while (performance.now() - start < ROUND_MS);
    best = Math.max(best, (1_000 * times) / (performance.now() - start));
  }
  return best;
}
