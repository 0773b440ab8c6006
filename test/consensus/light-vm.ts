/**
 * # Light VM: runs the light client where nothing of Node exists: a context with the language and TextEncoder alone.
 *
 * Reads {entry, run, argument} from standard input; writes what the call gave, and how long all modules are together, compressed.
 * Needs `--experimental-vm-modules`.
 */
import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, resolve } from 'node:path';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';

interface Input {
  readonly entry: string;
  /** A function's text, run in the context: (module, argument) => JSON. */
  readonly run: string;
  readonly argument: unknown;
}

const { entry, run, argument } = JSON.parse(readFileSync(0, 'utf8')) as Input;
const context = vm.createContext({ TextEncoder, TextDecoder });
const modules = new Map<string, vm.SourceTextModule>();
const texts: string[] = [];

function load(path: string): vm.SourceTextModule {
  const known = modules.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(path, 'utf8');
  const code = path.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
  texts.push(code);
  const made = new vm.SourceTextModule(code, { context, identifier: path });
  modules.set(path, made);
  return made;
}

const entryModule = load(resolve(entry));
await entryModule.link((name, from) => {
  if (name.startsWith('node:')) throw new Error(`${from.identifier} imports ${name}`);
  const path = name.startsWith('.')
    ? resolve(dirname(from.identifier), name)
    : createRequire(from.identifier).resolve(name);
  return load(path);
});
await entryModule.evaluate();
const call = vm.runInContext(`(${run})`, context) as (module: object, argument: unknown) => unknown;
const result = call(entryModule.namespace, vm.runInContext(`(${JSON.stringify(argument)})`, context));
process.stdout.write(JSON.stringify({ result, bytes: gzipSync(texts.join('')).length, files: [...modules.keys()] }));
