/** # Dev accounts: who is funded in the dev and local genesis, by keys that everybody knows. */
import { ss58Encode } from '../crypto/ss58.ts';
import { keypairFromSuri } from '../crypto/suri.ts';

/** Names and addresses, for banners. */
export function fundedAccounts(prefix: number): { name: string; address: string }[] {
  return ['Alice', 'Bob', 'Charlie', 'Dave', 'Eve', 'Ferdie'].map((name) => ({
    name,
    address: ss58Encode(keypairFromSuri(`//${name}`, 'sr25519').accountId, prefix),
  }));
}
