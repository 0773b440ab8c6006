/** # The shared Substrate vectors: read where they are, skipped with a visible notice where they are not. */
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const FOLDER = new URL('../../../shared/vectors/substrate/', import.meta.url);

/** A test over one vector file: `.json` is parsed, anything else is handed over as bytes. */
export function testWithVectors(name: string, file: string, run: (data: unknown) => void): void {
  const url = new URL(file, FOLDER);
  const skip = existsSync(url) ? false : `NOTICE: shared vectors absent (${file}): nothing was checked`;
  test(name, { skip }, () => {
    run(file.endsWith('.json') ? JSON.parse(readFileSync(url, 'utf8')) : new Uint8Array(readFileSync(url)));
  });
}
