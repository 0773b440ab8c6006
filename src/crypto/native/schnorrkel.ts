/**
 * # Schnorrkel: sr25519 verification by the Rust crate compiled to WebAssembly.
 *
 * Always true: no input can wear it out. The crate panics on a malformed key, and a panic inside WebAssembly leaves its
 * stack and heap behind; so an instance that panicked is thrown away, and the package's own glue, which keeps one
 * instance for ever and prints each panic, is not used: only its module is.
 */
import { readFile } from 'node:fs/promises';
import type { Bytes } from '../../base/bytes.ts';
import { sr25519VerifyReference } from '../sr25519.ts';
import type { Verifier } from '../verify.ts';

/** What this file uses of the WebAssembly API, for which the Node types have no declaration. */
declare const WebAssembly: {
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly { readonly module: string; readonly name: string }[];
  };
  readonly Instance: new (module: object, imports: Imports) => { readonly exports: unknown };
};
type Imports = Record<string, Record<string, () => never>>;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  __wbindgen_malloc(size: number, align: number): number;
  sr25519_verify(key: number, keySize: number, text: number, textSize: number, sig: number, sigSize: number): number;
}

// Payloads are at most 256 bytes; a giant message would grow the instance's memory for good.
const MAX_MESSAGE = 65_536;
// The group order, little-endian: s must be below it (ristretto255, RFC 9496).
const ORDER = Uint8Array.from(
  'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010'.match(/../g) ?? [],
  (byte) => Number.parseInt(byte, 16),
);

/** Loads the module and gives a verifier that answers as the reference does. */
export async function loadSchnorrkel(): Promise<Verifier> {
  const entry = import.meta.resolve('@polkadot-labs/schnorrkel-wasm');
  const module = new WebAssembly.Module(await readFile(new URL('schnorrkel_bg.wasm', entry)));
  const imports: Imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    // Verifying needs none of them: they print panics and draw random numbers.
    imports[from][name] = () => {
      throw new Error(`schnorrkel reached for ${name}`);
    };
  }
  const start = () => new WebAssembly.Instance(module, imports).exports as Exports;
  const held = { instance: start() };
  return (signature, message, publicKey) => {
    if (isPlainlyInvalid(signature, publicKey)) return false;
    if (message.length > MAX_MESSAGE) return sr25519VerifyReference(signature, message, publicKey);
    try {
      return run(held.instance, signature, message, publicKey);
    } catch {
      // A panic: the key is no point, as the reference will say. What the instance holds is lost.
      held.instance = start();
      return sr25519VerifyReference(signature, message, publicKey);
    }
  };
}

/** What can be told without arithmetic: lengths, the marker bit, s, the identity, a key that is odd. */
function isPlainlyInvalid(signature: Bytes, publicKey: Bytes): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return true;
  if (((signature[63] as number) & 0x80) === 0 || !isBelowOrder(signature)) return true;
  return ((publicKey[0] as number) & 1) === 1 || publicKey.every((byte) => byte === 0);
}

function isBelowOrder(signature: Bytes): boolean {
  for (let i = 31; i >= 0; i--) {
    const byte = (signature[32 + i] as number) & (i === 31 ? 0x7f : 0xff);
    const bound = ORDER[i] as number;
    if (byte !== bound) return byte < bound;
  }
  return false;
}

function run(wasm: Exports, signature: Bytes, message: Bytes, publicKey: Bytes): boolean {
  const key = put(wasm, publicKey);
  const text = put(wasm, message);
  const sig = put(wasm, signature);
  return wasm.sr25519_verify(key, publicKey.length, text, message.length, sig, signature.length) !== 0;
}

/** A copy inside the instance; the callee frees it. */
function put(wasm: Exports, bytes: Bytes): number {
  const at = wasm.__wbindgen_malloc(bytes.length, 1) >>> 0;
  new Uint8Array(wasm.memory.buffer, at, bytes.length).set(bytes);
  return at;
}
