/** # Shim: the C library between a process and its disk (shim.c), compiled where there is a compiler. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE_BYTES = 4_096;

/** The compiled shim in a folder; undefined, with the reason, where it cannot be made. */
export function compileShim(folder: string): { path: string } | { reason: string } {
  if (process.platform !== 'linux') return { reason: 'LD_PRELOAD is of Linux' };
  const path = join(folder, 'shim.so');
  const source = join(import.meta.dirname, 'shim.c');
  const done = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', path, source, '-ldl'], { encoding: 'utf8' });
  return done.status === 0 ? { path } : { reason: done.error?.message ?? done.stderr };
}

/** What a process under the shim needs in its environment. */
export function shimEnv(shim: string, dir: string, more: { plan?: string; log?: string }): Record<string, string> {
  return {
    LD_PRELOAD: shim,
    CRASH_DIR: `${dir}/`,
    ...(more.plan === undefined ? {} : { CRASH_PLAN: more.plan }),
    ...(more.log === undefined ? {} : { CRASH_LOG: more.log }),
  };
}

/** Sizes of all files under a folder, by path. */
export function sizesIn(folder: string): Map<string, number> {
  const out = new Map<string, number>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) out.set(path, statSync(path).size);
  }
  return out;
}

/**
 * Takes from the files of a folder what a power cut could have taken: all or part of what no sync covered. `before`:
 * the sizes when the process began; `log`: what the shim noted since. Returns what was taken.
 */
export function powerCut(
  folder: string,
  before: ReadonlyMap<string, number>,
  log: string,
  roll: (sides: number) => number,
): string[] {
  const synced = syncedSizes(before, log);
  const out: string[] = [];
  for (const [path, size] of sizesIn(folder)) {
    const safe = Math.min(size, synced.get(path) ?? 0);
    const name = path.slice(folder.length + 1);
    if (size === safe || /LOG|LOCK/.test(name)) continue;
    const kept = safe + roll(size - safe + 1);
    const kind = roll(5);
    if (!synced.has(path) && kind === 0) {
      rmSync(path);
      out.push(`${name} gone`);
    } else if (kind === 1) {
      // The file had its length before its content: zeros.
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0, kept));
      out.push(`${name} zeros from ${kept} of ${size}`);
    } else if (kind === 2 && size - safe > PAGE_BYTES) {
      // Pages reach the disk in any order: one that did not, between others that did.
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0, kept, Math.min(size, kept + PAGE_BYTES)));
      out.push(`${name} a page of zeros at ${kept} of ${size}`);
    } else {
      truncateSync(path, kept);
      out.push(`${name} cut at ${kept} of ${size}`);
    }
  }
  return out;
}

/** How much of each file a sync has covered. */
function syncedSizes(before: ReadonlyMap<string, number>, log: string): Map<string, number> {
  const sizes = new Map(before);
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [];
  const last = new Map(lines.map((line, i) => [RENAMED.exec(line)?.[1], i]));
  for (const [i, line] of lines.entries()) {
    const [, size, path] = /^S (\d+) (.*)$/.exec(line) ?? [];
    if (size !== undefined && path !== undefined) sizes.set(path, Number(size));
    const [, from, to] = RENAMED.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    if (last.get(from) === i && !isRenamed(from, to, sizes.get(from))) continue;
    for (const [known, size] of [...sizes]) {
      if (known !== from && !known.startsWith(`${from}/`)) continue;
      sizes.delete(known);
      sizes.set(to + known.slice(from.length), size);
    }
  }
  return sizes;
}

const RENAMED = /^R (.*)\t(.*)$/;

/** Whether the last rename of a name was done before the end: it is noted first, and the name may be used again since. */
function isRenamed(from: string, to: string, size: number | undefined): boolean {
  return !existsSync(from) || (existsSync(to) && statSync(to).size === size);
}
