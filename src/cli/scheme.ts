/** # Scheme: the signature schemes by the names that operators give them. */
import type { Scheme } from '../crypto/verify.ts';
import { UsageError } from './flags.ts';

/** sr25519 unless said otherwise. Throws UsageError. */
export function schemeOf(text = 'sr25519'): Scheme {
  const scheme = text.toLowerCase();
  if (scheme === 'sr25519' || scheme === 'ed25519' || scheme === 'ecdsa') return scheme;
  throw new UsageError(`--scheme ${text}: sr25519, ed25519 or ecdsa`);
}
