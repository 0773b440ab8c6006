/**
 * # purge-chain: removes a chain's database, so that the next start fetches it again.
 *
 * Always true: keys, the node's identity and other chains of the base path stay; a database that a node has open is
 * refused; without -y a person is asked, and without a terminal the answer is no.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from '../../state/level/database.ts';
import { chainPlace } from '../chain-dir.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import { confirm } from '../secrets.ts';
import type { Terminal } from '../terminal.ts';
import { CHAIN_FLAGS } from './node-flags.ts';

const FLAGS = {
  ...CHAIN_FLAGS,
  yes: { kind: 'flag', short: 'y', help: 'do not ask' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

/** What a chain can be synced again from peers. */
const FETCHED_AGAIN = ['anchor', 'db', 'db.new', 'blobs'];

/** `maitoken purge-chain [-y]`. */
export async function purgeChainCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken purge-chain', argv, FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken purge-chain', "removes a chain's database", FLAGS));
    return 0;
  }
  const { dir } = chainPlace(options);
  const found = FETCHED_AGAIN.map((name) => join(dir, name)).filter((path) => existsSync(path));
  if (found.length === 0) {
    terminal.err(`${join(dir, 'db')} did not exist.`);
    return 0;
  }
  if (existsSync(join(dir, 'db'))) await Database.ensureFree(join(dir, 'db'));
  if (!options.yes && !(await confirm(`Are you sure to remove ${found.join(', ')}?`))) {
    throw new UsageError('nothing was removed; -y says yes without a question', 1);
  }
  for (const path of found) rmSync(path, { recursive: true, force: true });
  terminal.err(`${found.join(', ')} removed.`);
  return 0;
}
