/**
 * # Deposits: what an account sets aside for what it keeps in the state of every node.
 *
 * Always true: a byte costs the same whoever keeps it and however; it is given back when the byte is. A
 * version of the runtime that changes the existential deposit must change what was reserved before.
 */
import type { RuntimeSpec } from './spec.ts';

// An account opens with one existential deposit and takes about a hundred bytes with its key.
const BYTES_PER_DEPOSIT = 100n;

/** Units for `items` entries of `bytes` bytes together: an entry costs what an account costs, before its content. */
export function storageDeposit({ existentialDeposit }: RuntimeSpec, items: number, bytes: number): bigint {
  return BigInt(items) * existentialDeposit + (BigInt(bytes) * existentialDeposit) / BYTES_PER_DEPOSIT;
}
