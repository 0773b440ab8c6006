/**
 * # Kernels file: the committed module, read from disk.
 *
 * Always true: the bytes are those whose SHA-256 `kernels.sha256` pins; other bytes are never instantiated.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { instantiateKernels, type WasmKernels } from '../canonical/wasm.ts';

const MODULE = new URL('../kernels/kernels.wasm', import.meta.url);
const DIGEST = new URL('../kernels/kernels.sha256', import.meta.url);

/** The kernels' module has been changed on disk. */
export class KernelsFileError extends Error {
  override readonly name = 'KernelsFileError';
}

/** A fresh instance of the kernels over its own memory. Throws KernelsFileError. */
export function loadKernels(): WasmKernels {
  const bytes = readFileSync(MODULE);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const pinned = readFileSync(DIGEST, 'utf8').trim().split(/\s/)[0];
  if (digest !== pinned) throw new KernelsFileError(`kernels.wasm has SHA-256 ${digest}, pinned is ${pinned}`);
  return instantiateKernels(bytes, 1);
}
