// Copies what tsc does not: the kernels and their digest, beside their loader.
import { cpSync } from 'node:fs';

for (const name of ['kernels.wasm', 'kernels.sha256']) {
  cpSync(`src/compute/kernels/${name}`, `dist/compute/kernels/${name}`);
}
