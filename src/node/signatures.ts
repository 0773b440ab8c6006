/**
 * # Signatures: one that was found valid is not computed again.
 *
 * Always true: the answers are those of the `verify` given; only valid signatures are remembered, at most LIMIT, the
 * oldest forgotten first. A transfer is verified when it comes, in every template and once more when its block is
 * imported, 3.4 times in `npm run bench -- G3`, and that was 52 % of all that a transfer cost. Threads that verify what
 * waits (verifiers.ts) remember here as well.
 */
import type { Bytes } from '../base/bytes.ts';
import type { MultiSignature } from '../primitives/account.ts';
import type { Host } from '../runtime/host.ts';
import { keyOf } from '../state/key.ts';

/** Twice what the pool holds. Who floods it with his own signatures pays for each, and makes others pay again once. */
const LIMIT = 16_384;
/** What is longer is hashed before it is signed (docs/spec/runtime.md), so nothing longer recurs: 8 MB in all. */
const MAX_MESSAGE = 256;

/** That `account` signed `message`. */
export interface Claim {
  readonly signature: MultiSignature;
  readonly message: Bytes;
  readonly account: Bytes;
}

/** The claims that are known to be true. */
export class SignatureMemory {
  readonly #known = new Set<string>();
  readonly #limit: number;

  constructor(limit: number = LIMIT) {
    this.#limit = limit;
  }

  /** What stands for a claim, all of it, so that no two are named alike; undefined for one that is not kept. */
  name({ signature, message, account }: Claim): string | undefined {
    if (message.length > MAX_MESSAGE) return undefined;
    // Scheme, 64 or 65 bytes by the scheme, 32 bytes, the rest: no two cases are spelled alike.
    return signature.type + keyOf(signature.value) + keyOf(account) + keyOf(message);
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** Remembers a claim that was found true, by its name. */
  add(name: string): void {
    this.#known.add(name);
    if (this.#known.size <= this.#limit) return;
    const [oldest] = this.#known;
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** `verify`, remembering what was valid. */
export function remembering(verify: Host['verify'], memory = new SignatureMemory()): Host['verify'] {
  return (signature, message, account) => {
    const name = memory.name({ signature, message, account });
    if (name === undefined) return verify(signature, message, account);
    if (memory.has(name)) return true;
    if (!verify(signature, message, account)) return false;
    memory.add(name);
    return true;
  };
}
