/** Where the tests find the committed module and the shared vectors. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..', '..');

/** The committed module's bytes. */
export function wasmBytes(): Uint8Array {
  return readFileSync(join(root, 'src', 'compute', 'kernels', 'kernels.wasm'));
}

const vectorsFile = join(root, '..', 'shared', 'vectors', 'engine.json');

/** Why the vectors cannot run, or false. */
export const missing: string | false = existsSync(vectorsFile)
  ? false
  : 'notice: ../shared/vectors/engine.json is absent; its cases are skipped';

/** A tensor as hex words, or a number, a flag, a list. */
export type Field = string | number | boolean | readonly number[] | readonly (readonly [number, string])[];

export interface VectorCase {
  readonly rule: string;
  readonly in: Readonly<Record<string, Field>>;
  readonly out: Readonly<Record<string, Field>>;
  readonly [field: string]: unknown;
}

/** The cases of engine.json but the last, which is a training. */
export function vectorCases(): readonly VectorCase[] {
  return allCases().slice(0, -1) as unknown as readonly VectorCase[];
}

/** The two-step training, the last case. */
export function trainingCase(): unknown {
  return allCases().at(-1);
}

function allCases(): readonly unknown[] {
  if (missing) {
    console.error(missing);
    return [];
  }
  return (JSON.parse(readFileSync(vectorsFile, 'utf8')) as { cases: unknown[] }).cases;
}
