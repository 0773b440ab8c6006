/** # Vectors: independent Substrate data beside the checkout, read in place; where absent, tests say so and skip. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

const ROOT = resolve(import.meta.dirname, '../../../shared/vectors/substrate');

/** Options for a test that needs the vectors: skipped, visibly, where they are not there. */
export const needsVectors = existsSync(ROOT) ? {} : { skip: '../shared/vectors/substrate is absent' };

export function vectorText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function vectorBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(ROOT, path)));
}

export function vectorJson<T>(path: string): T {
  const bytes = readFileSync(join(ROOT, path));
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as T;
}

/** The two lists of a w3f trie set; values are taken as they stand after `  - `. */
export function trieSet(path: string): { keys: string[]; values: string[] } {
  const lists: Record<string, string[]> = { keys: [], values: [] };
  let list: string[] | undefined;
  for (const line of vectorText(path).split('\n')) {
    if (/^\w+:/.test(line)) list = lists[line.slice(0, line.indexOf(':'))];
    else if (line.startsWith('  - ')) list?.push(line.slice(4).trimEnd());
  }
  return { keys: lists.keys ?? [], values: lists.values ?? [] };
}
