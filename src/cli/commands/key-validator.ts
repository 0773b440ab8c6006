/**
 * # key of a validator: session keys for an owner, and the votes that a key has cast, from one machine to another.
 *
 * Always true: no secret is printed; a mark of a vote never goes down, whatever file it comes from, and none is read
 * or written while a node runs, which would cast the next vote meanwhile.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, fromHex, toHex } from '../../base/bytes.ts';
import { ss58Decode } from '../../crypto/ss58.ts';
import { rotateKeysWithOwner } from '../../keystore/session-keys.ts';
import { VOTES_FILE, Watermarks } from '../../keystore/watermarks.ts';
import { chainRules } from '../../node/rules.ts';
import { Database } from '../../state/level/database.ts';
import { type ChainOptions, type ChainPlace, chainPlace } from '../chain-dir.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import { isFile, keystoreOf } from '../secrets.ts';
import type { Terminal } from '../terminal.ts';
import { CHAIN_FLAGS, KEYSTORE_FLAGS } from './node-flags.ts';

const HELP = { help: { kind: 'flag', short: 'h', help: 'this text' } } as const;
const ROTATE_FLAGS = {
  ...CHAIN_FLAGS,
  ...KEYSTORE_FLAGS,
  owner: { kind: 'value', value: 'ADDRESS', help: 'the account that will call session.set_keys' },
  ...HELP,
} as const;
const VOTES_FLAGS = { ...CHAIN_FLAGS, ...HELP } as const;

/** `maitoken key rotate --owner ADDRESS`: as author_rotateKeysWithOwner, for a node that does not run. */
export async function rotateCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken key rotate', argv, ROTATE_FLAGS);
  if (options.help) {
    terminal.out(
      usage('maitoken key rotate', 'new session keys, and the proof that they are an account’s', ROTATE_FLAGS),
    );
    return 0;
  }
  const owner = ownerOf(options.owner);
  const { spec, dir } = chainPlace(options);
  const keystore = await keystoreOf(options, dir, spec.chainType === 'Development');
  const { genesis } = chainRules(spec, (text) => terminal.err(text));
  const { keys, proof } = await rotateKeysWithOwner(keystore, genesis.hash, owner);
  terminal.out(JSON.stringify({ keys: toHex(keys), proof: toHex(proof) }));
  terminal.err(
    'kept; call session.set_keys(keys, proof) by the owner; a node that runs reads them when it starts again',
  );
  return 0;
}

/** `maitoken key export-votes FILE`. */
export function exportVotesCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  return carry('export-votes', 'writes which votes were cast, for another machine', argv, terminal, (votes, file) => [
    votes,
    file,
  ]);
}

/** `maitoken key import-votes FILE`: a mark that is higher here stays. */
export function importVotesCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  return carry('import-votes', 'reads what export-votes wrote', argv, terminal, (votes, file) => [file, votes]);
}

/** Raises the marks of one file to those of another: `way` says from which to which. */
async function carry(
  name: string,
  about: string,
  argv: readonly string[],
  terminal: Terminal,
  way: (votes: string, file: string) => readonly [from: string, to: string],
): Promise<number> {
  const { options, positionals } = parseFlags(`maitoken key ${name}`, argv, VOTES_FLAGS, 1);
  if (options.help) {
    terminal.out(usage(`maitoken key ${name} FILE`, about, VOTES_FLAGS));
    return 0;
  }
  const [file] = positionals;
  if (file === undefined) throw new UsageError(`maitoken key ${name}: give a FILE`);
  const place = await stoppedChain(options);
  const [from, to] = way(join(place.dir, VOTES_FILE), file);
  if (!isFile(from)) throw new UsageError(`${from}: there is no such file: no vote is known`);
  const genesis = genesisHash(place, terminal);
  const marks = (await Watermarks.open(from, genesis)).all();
  await (await Watermarks.open(to, genesis)).raise(...marks);
  for (const { id, setId, round, stage } of marks) {
    terminal.err(`${toHex(id)}: voted up to set ${setId}, round ${round}, ${stage}`);
  }
  return 0;
}

/** The place of a chain on which no node runs. */
async function stoppedChain(options: ChainOptions): Promise<ChainPlace> {
  const place = chainPlace(options);
  await mkdir(place.dir, { recursive: true });
  const database = join(place.dir, 'db');
  if (existsSync(database)) await Database.ensureFree(database);
  return place;
}

function genesisHash({ spec }: ChainPlace, terminal: Terminal): Bytes {
  return chainRules(spec, (text) => terminal.err(text)).genesis.hash;
}

function ownerOf(given: string | undefined): Bytes {
  if (given === undefined) throw new UsageError('--owner: the address of the account that will call session.set_keys');
  const account = /^0x[0-9a-f]{64}$/i.test(given) ? fromHex(given.toLowerCase()) : ss58Decode(given).account;
  if (account.length !== 32) throw new UsageError(`--owner ${given}: not the address of an account`);
  return account;
}
