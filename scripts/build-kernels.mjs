#!/usr/bin/env node
// Builds src/compute/kernels/kernels.wasm from the AssemblyScript beside it, byte for byte the same on every machine,
// and writes its SHA-256 next to it. `--check` rebuilds in memory and fails if the committed bytes differ.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const folder = join(import.meta.dirname, '..', 'src', 'compute', 'kernels');
const RESERVED_BYTES = 65536;

// Without relaxed SIMD: by its specification nothing is contracted, so that every machine agrees on every bit.
const options = [
  'index.ts',
  ...['--baseDir', join(folder, 'assembly')],
  ...['--outFile', 'kernels.wasm'],
  ...['--runtime', 'stub', '--importMemory', '--noAssert'],
  ...['--maximumMemory', '65536'],
  ...['--enable', 'simd', '--disable', 'relaxed-simd'],
  ...['-O3', '--optimizeLevel', '3', '--shrinkLevel', '0', '--converge'],
  // A fresh memory is zero: zeroed tables need no bytes in the file.
  ...['--zeroFilledMemory'],
  ...['--use', 'abort='],
];

/** The module's bytes. Ends the process with the compiler's words if it does not compile. */
async function compile() {
  let bytes;
  const { error, stderr } = await asc.main(options, {
    writeFile: (name, contents) => {
      if (name === 'kernels.wasm') bytes = contents;
    },
  });
  if (error || !bytes) fail(stderr.toString() || String(error));
  return bytes;
}

/** Fails unless the module stands alone, keeps its static data in page 0 and imports nothing but memory. */
function inspect(bytes) {
  const module = new WebAssembly.Module(bytes);
  const imports = WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`);
  if (imports.join() !== 'env.memory') fail(`the module imports ${imports.join(', ')}, not just env.memory`);
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const end = exports.staticEnd();
  if (end > RESERVED_BYTES) fail(`static data ends at ${end}, beyond the first page`);
  return { exports: Object.keys(exports).length, staticEnd: end };
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

const bytes = await compile();
const facts = inspect(bytes);
const hash = createHash('sha256').update(bytes).digest('hex');
const wasm = join(folder, 'kernels.wasm');
const pinned = join(folder, 'kernels.sha256');
if (process.argv.includes('--check')) {
  const committed = readFileSync(wasm);
  if (!committed.equals(Buffer.from(bytes))) fail('kernels.wasm is not what its sources compile to');
  if (readFileSync(pinned, 'utf8').trim() !== hash) fail('kernels.sha256 does not name kernels.wasm');
} else {
  writeFileSync(wasm, bytes);
  writeFileSync(pinned, `${hash}\n`);
}
console.log(`kernels.wasm ${bytes.length} bytes, ${facts.exports} exports, static ${facts.staticEnd}, sha256 ${hash}`);
