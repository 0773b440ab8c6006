/**
 * # Signatures: one that was found valid is not computed again.
 *
 * Always true: the answers are those of the `verify` given; only valid signatures are remembered, at most LIMIT, the
 * oldest forgotten first. A transfer is verified when it comes, in every template and once more when its block is
 * imported, 3.4 times in `npm run bench -- G3`, and that was 52 % of all that a transfer cost.
 */
import type { Host } from '../runtime/host.ts';
import { keyOf } from '../state/key.ts';

/** Twice what the pool holds. Who floods it with his own signatures pays for each, and makes others pay again once. */
const LIMIT = 16_384;
/** What is longer is hashed before it is signed (docs/spec/runtime.md), so nothing longer recurs: 8 MB in all. */
const MAX_MESSAGE = 256;

/** `verify`, remembering what was valid. */
export function remembering(verify: Host['verify'], limit: number = LIMIT): Host['verify'] {
  const known = new Set<string>();
  return (signature, message, account) => {
    if (message.length > MAX_MESSAGE) return verify(signature, message, account);
    // Scheme, 64 or 65 bytes by the scheme, 32 bytes, the rest: no two cases are spelled alike.
    const said = signature.type + keyOf(signature.value) + keyOf(account) + keyOf(message);
    if (known.has(said)) return true;
    if (!verify(signature, message, account)) return false;
    known.add(said);
    if (known.size > limit) {
      const [oldest] = known;
      if (oldest !== undefined) known.delete(oldest);
    }
    return true;
  };
}
