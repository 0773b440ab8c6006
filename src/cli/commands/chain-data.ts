/**
 * # Chain data: what can be done with a stored chain while no node runs on it: export, import, check, revert, look.
 *
 * Always true: standard output holds the data that was asked for and nothing else; what is said about it goes to
 * standard error.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { toHex } from '../../base/bytes.ts';
import { BLOCK_FAULTS } from '../../consensus/block-error.ts';
import { encodeSpec } from '../../node/chain-spec.ts';
import { blockNamed, checkBlock, exportedBlocks, importBlocks, OfflineError } from '../../node/offline.ts';
import { BlockJsonError, decodeBlockJson, encodeBlockJson, type PlainBlock } from '../../node/signed-block-json.ts';
import { withChain } from '../chain-dir.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { pruningOf } from './node-config.ts';
import { CHAIN_FLAGS } from './node-flags.ts';

const HELP = { help: { kind: 'flag', short: 'h', help: 'this text' } } as const;
const EXPORT_FLAGS = {
  ...CHAIN_FLAGS,
  from: { kind: 'value', value: 'N', help: 'first block (default 1)' },
  to: { kind: 'value', value: 'N', help: 'last block (default: the best)' },
  ...HELP,
} as const;
const IMPORT_FLAGS = {
  ...CHAIN_FLAGS,
  'state-pruning': { kind: 'value', value: 'N|archive', help: 'settled states kept (default 256)' },
  ...HELP,
} as const;
const PLAIN_FLAGS = { ...CHAIN_FLAGS, ...HELP } as const;

/** 5 MiB of extrinsics as hex, and what stands around them. */
const MAX_LINE = 16 * 1_048_576;
const BAD_BLOCK = 5;

/** `maitoken export-blocks [FILE]`: a block per line, as chain_getBlock gives it. */
export async function exportBlocksCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken export-blocks', argv, EXPORT_FLAGS, 1);
  if (options.help) return help(terminal, 'export-blocks [FILE]', 'writes blocks as lines of JSON', EXPORT_FLAGS);
  return withChain(options, terminal, async (chain) => {
    const best = chain.store.best.number;
    const from = integer('from', options.from, 1, 1, 0xffff_ffff);
    const to = integer('to', options.to, best, 0, 0xffff_ffff);
    if (to > best) throw new UsageError(`--to ${to}: the best block is ${best}`);
    const [file] = positionals;
    const out = file === undefined ? process.stdout : createWriteStream(file, { flags: 'wx' });
    const failed = once(out, 'error').then(([error]) => {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(`${file ?? 'standard output'}: cannot be written (${code})`, 4);
    });
    const write = async (): Promise<void> => {
      for (const block of exportedBlocks(chain, from, to)) {
        if (!out.write(`${encodeBlockJson(block)}\n`)) await once(out, 'drain');
      }
      if (file !== undefined) await new Promise<void>((done) => out.end(done));
    };
    await Promise.race([write(), failed]);
    terminal.err(`exported blocks ${from} to ${to}`);
    return 0;
  });
}

/** `maitoken import-blocks [FILE]`: every block is checked as if a peer had sent it. */
export async function importBlocksCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken import-blocks', argv, IMPORT_FLAGS, 1);
  if (options.help) return help(terminal, 'import-blocks [FILE]', 'reads what export-blocks wrote', IMPORT_FLAGS);
  const pruning = pruningOf('state-pruning', options['state-pruning']);
  const [file] = positionals;
  const intake = { pruning };
  return withChain(
    options,
    terminal,
    async (chain) => {
      const { imported, known } = await importBlocks(chain, blocksOf(file), Date.now);
      const { best } = chain.store;
      terminal.err(`imported ${imported} blocks, ${known} were here; best #${best.number} ${toHex(best.hash)}`);
      return 0;
    },
    intake,
  );
}

/** `maitoken check-block NUMBER|HASH`: seal and execution once more. */
export async function checkBlockCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken check-block', argv, PLAIN_FLAGS, 1);
  if (options.help) return help(terminal, 'check-block NUMBER|HASH', 'executes a stored block again', PLAIN_FLAGS);
  const [name] = positionals;
  if (name === undefined) throw new UsageError('maitoken check-block: give a height or a hash');
  return withChain(options, terminal, (chain) => {
    const hash = blockNamed(chain, name);
    const checked = checkBlock(chain, hash);
    if (checked.ok) {
      terminal.out(`block #${checked.value.number} ${toHex(hash)} is valid`);
      return 0;
    }
    const { code, data } = checked.error;
    terminal.err(`block ${toHex(hash)} is invalid: ${code}: ${BLOCK_FAULTS[code][0]}${data ? ` (${data})` : ''}`);
    return BAD_BLOCK;
  });
}

/** `maitoken revert [N]`: takes back blocks that are not final. */
export async function revertCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken revert', argv, PLAIN_FLAGS, 1);
  if (options.help) return help(terminal, 'revert [N]', 'takes back blocks that are not final (256)', PLAIN_FLAGS);
  const count = integer('blocks', positionals[0], 256, 1, 0xffff_ffff);
  return withChain(options, terminal, async ({ store }) => {
    const taken = store.revert(count);
    await store.flush(true);
    const { best, settled } = store;
    if (taken === 0) terminal.out(`nothing to revert: block #${settled.number} is final`);
    else terminal.out(`reverted ${taken} blocks; best #${best.number} ${toHex(best.hash)}`);
    return 0;
  });
}

/** `maitoken export-state [NUMBER|HASH]`: a raw chain spec that begins with that state. */
export async function exportStateCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken export-state', argv, PLAIN_FLAGS, 1);
  if (options.help) return help(terminal, 'export-state [NUMBER|HASH]', 'a raw spec with that state', PLAIN_FLAGS);
  return withChain(options, terminal, (chain) => {
    const hash = positionals[0] === undefined ? chain.store.best.hash : blockNamed(chain, positionals[0]);
    const view = chain.store.view(hash);
    if (view === undefined) throw new OfflineError(`the state after ${toHex(hash)} is pruned`);
    const top: Record<string, string> = {};
    for (const key of view.keys(new Uint8Array(0), undefined, Number.MAX_SAFE_INTEGER)) {
      top[toHex(key)] = toHex(view.get(key) ?? new Uint8Array(0));
    }
    terminal.out(encodeSpec({ ...chain.spec, genesis: { raw: { top, childrenDefault: {} } } }).trimEnd());
    return 0;
  });
}

/** `maitoken chain-info`: where the stored chain stands, as JSON. */
export async function chainInfoCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken chain-info', argv, PLAIN_FLAGS);
  if (options.help) return help(terminal, 'chain-info', 'where the stored chain stands', PLAIN_FLAGS);
  return withChain(options, terminal, ({ spec, store }) => {
    const { genesis, best, settled } = store;
    const block = ({ number, hash }: { number: number; hash: Uint8Array }) => ({ number, hash: toHex(hash) });
    const info = { chain: spec.name, genesis: toHex(genesis.hash), best: block(best), finalized: block(settled) };
    terminal.out(JSON.stringify(info, undefined, 2));
    return 0;
  });
}

async function* blocksOf(file: string | undefined): AsyncGenerator<PlainBlock> {
  const input = file === undefined ? process.stdin : createReadStream(file);
  let number = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line.length > MAX_LINE) throw new UsageError(`${file ?? 'stdin'}:${number}: too long for a block`);
      if (line.trim() !== '') yield decodeBlockJson(line);
    }
  } catch (error) {
    if (error instanceof BlockJsonError) throw new UsageError(`${file ?? 'stdin'}:${number}: ${error.message}`);
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === undefined || path === undefined) throw error;
    throw new UsageError(`${file}: cannot be read (${code})`);
  }
}

function help(terminal: Terminal, name: string, summary: string, flags: Parameters<typeof usage>[2]): number {
  terminal.out(usage(`maitoken ${name}`, summary, flags));
  return 0;
}
