/**
 * # Snapshot: the last final block with its state, carried from one stopped node to another in a file.
 *
 * Always true: the file is named by its hash; a chain is made from it whole or not at all, and never over another one.
 */
import { fromHex, toHex } from '../../base/bytes.ts';
import { importSnapshot, snapshotRecords, writeSnapshot } from '../../node/snapshot-file.ts';
import { chainPlace, withChain } from '../chain-dir.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { pruningOf } from './node-config.ts';
import { CHAIN_FLAGS } from './node-flags.ts';

const HELP = { help: { kind: 'flag', short: 'h', help: 'this text' } } as const;
const EXPORT_FLAGS = { ...CHAIN_FLAGS, ...HELP } as const;
const IMPORT_FLAGS = {
  ...CHAIN_FLAGS,
  hash: { kind: 'value', value: 'HEX', help: 'the hash that export-snapshot printed, from a source that is trusted' },
  'state-pruning': { kind: 'value', value: 'N|archive', help: 'settled states kept (default 256)' },
  ...HELP,
} as const;

/** `maitoken export-snapshot FILE`: prints the hash of what it wrote. */
export async function exportSnapshotCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken export-snapshot', argv, EXPORT_FLAGS, 1);
  if (options.help) {
    terminal.out(usage('maitoken export-snapshot FILE', 'writes the last final block and its state', EXPORT_FLAGS));
    return 0;
  }
  const path = fileOf('export-snapshot', positionals);
  return withChain(options, terminal, async ({ store }) => {
    const { number, hash } = store.settled;
    if (number === 0) throw new UsageError('nothing to export: no block but genesis is final, and that is in the spec');
    const named = await writeSnapshot(path, snapshotRecords(store));
    terminal.err(`exported block #${number} ${toHex(hash)} with its state`);
    terminal.out(toHex(named));
    return 0;
  });
}

/** `maitoken import-snapshot FILE --hash HEX`: a chain that begins there. */
export async function importSnapshotCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken import-snapshot', argv, IMPORT_FLAGS, 1);
  if (options.help) {
    terminal.out(usage('maitoken import-snapshot FILE', 'begins a chain with a snapshot', IMPORT_FLAGS));
    return 0;
  }
  const path = fileOf('import-snapshot', positionals);
  if (options.hash !== undefined && !/^0x[0-9a-f]{64}$/i.test(options.hash)) {
    throw new UsageError(`--hash ${options.hash}: expected 32 bytes as hex with 0x`);
  }
  const { spec, basePath } = chainPlace(options);
  const { number, hash, keys } = await importSnapshot({
    spec,
    basePath,
    path,
    pruning: pruningOf('state-pruning', options['state-pruning']),
    hash: options.hash === undefined ? undefined : fromHex(options.hash.toLowerCase()),
    warn: (text) => terminal.log('warn', text),
  });
  terminal.err(`imported block #${number} ${toHex(hash)} with ${keys} keys of state; older blocks are not here`);
  return 0;
}

function fileOf(command: string, [path]: readonly string[]): string {
  if (path === undefined) throw new UsageError(`maitoken ${command}: give a file`);
  return path;
}
