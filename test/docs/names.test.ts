/** # Names: what a page names is there: files, npm scripts, flags, sections of other pages. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const files = ['*', '{bin,docker,docs,examples,genesis,scripts,src,test}/**'].flatMap((pattern) =>
  globSync(pattern, { cwd: ROOT, exclude: (name) => basename(name) === 'node_modules' }),
);
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const pages = files.filter((path) => path.endsWith('.md')).map((path) => ({ path, text: read(path) }));
const PROGRAMS = /^(src|scripts|docker|examples|test\/(bench|economics|long|model|sim))\/.*\.(ts|mjs|yml)$/;
const programs = files.filter((path) => PROGRAMS.test(path));
/** Of which a page says that we do not have it (cli.md, Zombienet). */
const ABSENT = '--ws-port';

/** What stands between backticks, or in a block of code. */
const quoted = (text: string): string[] => [...text.matchAll(/```[^`]*```|`[^`\n]+`/g)].map(([match]) => match);

/** `a/{b,c}.ts` is two names. */
function spelled(name: string): string[] {
  const [, before = '', list, behind = ''] = /^(.*)\{(.*)\}(.*)$/.exec(name) ?? [];
  return list === undefined ? [name] : list.split(',').map((one) => before + one + behind);
}

function strange(find: (text: string) => readonly string[]): string[] {
  return pages.flatMap(({ path, text }) => find(text).map((what) => `${path}: ${what}`));
}

test('every file of the project that a page names exists', () => {
  const missing = strange((text) =>
    [...text.matchAll(/`([\w./{},-]+\.(?:ts|mjs|md|c|pml|yml|toml))`/g)]
      .flatMap(([, name = '']) => spelled(name))
      .filter((name) => !files.some((path) => path === name || path.endsWith(`/${name}`))),
  );
  assert.deepEqual(missing, []);
});

test('every npm script that a page names exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const missing = strange((text) =>
    [...text.matchAll(/npm run ([a-z:]+)/g)].map(([, name = '']) => name).filter((name) => !(name in scripts)),
  );
  assert.deepEqual(missing, []);
});

test('every flag that a page names is known to a program', () => {
  const known = programs.map(read).join('\n');
  const missing = strange((text) =>
    [...new Set(quoted(text).flatMap((code) => code.match(/(?<![\w-])--[a-z][a-z0-9-]+/g) ?? []))].filter(
      (flag) =>
        flag !== ABSENT && !new RegExp(`['"\`]${flag.slice(2)}['"\`]|\\b${flag.slice(2)}:|${flag}\\b`).test(known),
    ),
  );
  assert.deepEqual(missing, []);
});

test('every section of a page that another names is there', () => {
  const missing = strange((text) =>
    [...text.replaceAll('\n', ' ').matchAll(/\b([a-z-]+\.md)[`)]*,? \(?sections? (\d+)/g)]
      .filter(([, name, number]) => {
        const named = pages.filter(({ path }) => basename(path) === name);
        return !named.some((page) => new RegExp(`^#+ ${number}\\b`, 'm').test(page.text));
      })
      .map(([match]) => match),
  );
  assert.deepEqual(missing, []);
});
