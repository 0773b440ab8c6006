// Copies what tsc does not: the kernels beside their loader.
import { cpSync } from 'node:fs';

cpSync('src/compute/kernels/kernels.wasm', 'dist/compute/kernels/kernels.wasm');
