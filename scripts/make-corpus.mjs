// Takes a snapshot of the project's own sources and documentation into genesis/corpus: the text that the dev and local
// jobs train on. The snapshot is frozen: it changes the dataset root and so the genesis hash of those chains; run
// `npm run genesis` afterwards. Files are ordered by a hash of their path, so that the held-out tenth is a fair sample.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const target = join(root, 'genesis', 'corpus');
const sources = ['src', 'docs'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|md)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)),
);
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
let bytes = 0;
for (const path of sources) {
  const name = relative(root, path);
  const text = readFileSync(path, 'utf8');
  // What is mostly data (word lists, generated tables) compresses too well and teaches nothing.
  if (/\/words\.ts$|snapshot/.test(name)) continue;
  const order = createHash('sha256').update(name).digest('hex').slice(0, 8);
  writeFileSync(join(target, `${order}-${name.replaceAll('/', '__')}.txt`), text);
  bytes += Buffer.byteLength(text);
}
console.log(`${sources.length} files, ${bytes} bytes`);
