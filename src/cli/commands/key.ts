/**
 * # key: makes, shows and keeps keys, with the words and the output of Substrate's `key` and `subkey`.
 *
 * Always true: a secret comes from a file, the terminal or standard input, never from argv (secrets.ts); it is printed
 * only by `generate` and `inspect`, which are asked for nothing else.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Bytes, fromHex, toHex } from '../../base/bytes.ts';
import { ecdsaAccount } from '../../crypto/ecdsa.ts';
import { mnemonicOf } from '../../crypto/mnemonic.ts';
import { ss58Decode, ss58Encode } from '../../crypto/ss58.ts';
import { isPhrase, keypairFromSuri, seedFromSuri } from '../../crypto/suri.ts';
import type { Scheme } from '../../crypto/verify.ts';
import { fixedScheme } from '../../keystore/session-keys.ts';
import { peerIdOf } from '../../p2p/host.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import { schemeOf } from '../scheme.ts';
import { isFile, keystoreOf, secretUri } from '../secrets.ts';
import { loadSpec } from '../spec-source.ts';
import type { Terminal } from '../terminal.ts';
import { exportVotesCommand, importVotesCommand, rotateCommand } from './key-validator.ts';
import { readNodeKey } from './node-config.ts';
import { CHAIN_FLAGS, KEYSTORE_FLAGS } from './node-flags.ts';

const OUTPUT_FLAGS = {
  'output-type': { kind: 'value', value: 'text|json', help: 'how to print (default text)' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

const SHOW_FLAGS = {
  scheme: { kind: 'value', value: 'NAME', help: 'sr25519, ed25519 or ecdsa (default sr25519)' },
  network: { kind: 'value', short: 'n', value: 'PREFIX', help: 'SS58 prefix, 0 to 16383, or substrate (default 42)' },
  ...OUTPUT_FLAGS,
} as const;

const GENERATE_FLAGS = {
  words: { kind: 'value', short: 'w', value: 'N', help: '12, 15, 18, 21 or 24 (default 12)' },
  ...SHOW_FLAGS,
} as const;

const INSPECT_FLAGS = {
  public: { kind: 'flag', help: 'what is given is a public key in hex' },
  'expect-public': { kind: 'value', value: 'HEX', help: 'end with an error unless the key has this public key' },
  ...SHOW_FLAGS,
} as const;

const INSERT_FLAGS = {
  ...CHAIN_FLAGS,
  ...KEYSTORE_FLAGS,
  suri: {
    kind: 'value',
    value: 'FILE',
    help: 'file with the secret URI, - for standard input, or a dev key (//Alice)',
  },
  'key-type': {
    kind: 'value',
    value: 'TYPE',
    help: 'four characters: gran votes, slot authors, comp mines, chek checks, acco owns',
  },
  scheme: { kind: 'value', value: 'NAME', help: 'sr25519, ed25519 or ecdsa' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

const NODE_KEY_FLAGS = {
  file: { kind: 'value', value: 'FILE', help: 'where the key is kept (default: standard output, or input)' },
  bin: { kind: 'flag', help: 'as 32 bytes instead of hex' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

type Subcommand = (argv: readonly string[], terminal: Terminal) => Promise<number> | number;

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  generate,
  inspect,
  insert,
  'generate-node-key': generateNodeKey,
  'inspect-node-key': inspectNodeKey,
  rotate: rotateCommand,
  'export-votes': exportVotesCommand,
  'import-votes': importVotesCommand,
};

/** `maitoken key` and one of SUBCOMMANDS. */
export async function keyCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = argv;
  const run = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (run) return await run(rest, terminal);
  const names = Object.keys(SUBCOMMANDS).join(', ');
  if (name === '--help' || name === '-h') {
    terminal.out(`maitoken key: ${names}; each has --help`);
    return 0;
  }
  throw new UsageError(`maitoken key: no command '${name}'; there are ${names}`);
}

function generate(argv: readonly string[], terminal: Terminal): number {
  const { options } = parseFlags('maitoken key generate', argv, GENERATE_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken key generate', 'a random key', GENERATE_FLAGS));
    return 0;
  }
  const words = integer('words', options.words, 12, 12, 24);
  if (words % 3 !== 0) throw new UsageError(`--words ${words}: give 12, 15, 18, 21 or 24`);
  const phrase = mnemonicOf(new Uint8Array(randomBytes((words / 3) * 4)));
  terminal.out(describeSecret(phrase, options));
  return 0;
}

async function inspect(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken key inspect', argv, INSPECT_FLAGS, 1);
  if (options.help) {
    terminal.out(usage('maitoken key inspect [FILE|ADDRESS|-]', 'shows a key', INSPECT_FLAGS));
    return 0;
  }
  const [given] = positionals;
  const shown =
    given !== undefined && isPublic(given, options.public)
      ? describePublic(given, options)
      : describeSecret(await secretUri('maitoken key inspect', given), options);
  const expected = options['expect-public'];
  if (expected !== undefined && !shown.includes(`0x${expected.toLowerCase().replace(/^0x/, '')}`)) {
    throw new UsageError('--expect-public: the key has another public key', 1);
  }
  terminal.out(shown);
  return 0;
}

async function insert(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken key insert', argv, INSERT_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken key insert', 'keeps a key in the keystore of a node', INSERT_FLAGS));
    return 0;
  }
  const keyType = options['key-type'];
  if (keyType === undefined || !/^[\x21-\x7e]{4}$/.test(keyType)) {
    throw new UsageError('--key-type: four characters, such as gran, slot, comp, chek or acco');
  }
  if (options.scheme === undefined) throw new UsageError('--scheme: sr25519, ed25519 or ecdsa');
  const scheme = schemeOf(options.scheme);
  const fixed = fixedScheme(keyType);
  if (fixed !== undefined && fixed !== scheme) {
    throw new UsageError(`--scheme ${scheme}: keys of type ${keyType} are ${fixed}`);
  }
  const fromInput = options.suri === undefined || options.suri === '-';
  if (fromInput && options['password-interactive'] && !process.stdin.isTTY) {
    throw new UsageError('--password-interactive: standard input is not a terminal; use --password-filename');
  }
  const spec = loadSpec(options.chain ?? (options.dev ? 'dev' : 'local'));
  const base = options['base-path'] ?? join(homedir(), '.maitoken');
  const isDev = spec.chainType === 'Development';
  const keystore = await keystoreOf(options, join(base, 'chains', spec.id), isDev);
  const { publicKey } = await keystore.insert(keyType, scheme, await secretUri('--suri', options.suri));
  terminal.out(publicKey);
  return 0;
}

/** What the keys of a role are. Owners' keys are of any scheme. */
async function generateNodeKey(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken key generate-node-key', argv, NODE_KEY_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken key generate-node-key', 'a random libp2p key', NODE_KEY_FLAGS));
    return 0;
  }
  const seed = new Uint8Array(randomBytes(32));
  const { file } = options;
  const hex = toHex(seed).slice(2);
  if (file === undefined) terminal.out(hex);
  else writeKey(file, options.bin ? seed : hex);
  // As in Substrate: the key on standard output, the identity beside it.
  terminal.err(await peerIdOf(seed));
  return 0;
}

async function inspectNodeKey(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken key inspect-node-key', argv, NODE_KEY_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken key inspect-node-key', 'the peer id of a libp2p key', NODE_KEY_FLAGS));
    return 0;
  }
  if (options.file === undefined) {
    const text = await secretUri('--file', undefined);
    if (!/^(0x)?[0-9a-f]{64}$/i.test(text)) throw new UsageError('--file: neither 64 hex digits nor 32 bytes');
    terminal.out(await peerIdOf(fromHex(text.toLowerCase())));
    return 0;
  }
  terminal.out(await peerIdOf(readNodeKey('file', options.file)));
  return 0;
}

/** Writes a new file that only its owner can read; one that is there stays. */
function writeKey(file: string, content: string | Bytes): void {
  try {
    writeFileSync(file, content, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new UsageError(`--file ${file}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

interface ShowOptions {
  readonly scheme: string | undefined;
  readonly network: string | undefined;
  readonly 'output-type': string | undefined;
}

/** A secret phrase or URI with its keys and addresses, as `subkey` prints them. */
function describeSecret(uri: string, options: ShowOptions): string {
  const scheme = schemeOf(options.scheme);
  const prefix = networkOf(options.network) ?? 42;
  const pair = keypairFromSuri(uri, scheme);
  const seed = seedFromSuri(uri, scheme);
  const keys = {
    secretSeed: seed === undefined ? 'n/a' : toHex(seed),
    ...publicParts(pair.publicKey, pair.accountId, scheme, prefix),
  };
  const head = isPhrase(uri) ? { secretPhrase: uri } : { secretKeyUri: uri };
  if (isJson(options)) return JSON.stringify({ ...head, networkId: networkName(prefix), ...keys }, undefined, 2);
  const title = isPhrase(uri) ? `Secret phrase:       ${uri}` : `Secret Key URI \`${uri}\` is account:`;
  return [
    title,
    `  Network ID:        ${networkName(prefix)}`,
    `  Secret seed:       ${keys.secretSeed}`,
    `  Public key (hex):  ${keys.publicKey}`,
    `  Account ID:        ${keys.accountId}`,
    `  Public key (SS58): ${keys.ss58PublicKey}`,
    `  SS58 Address:      ${keys.ss58Address}`,
  ].join('\n');
}

/** A public key or an address. */
function describePublic(given: string, options: ShowOptions): string {
  const scheme = schemeOf(options.scheme);
  const isHex = /^(0x)?[0-9a-f]+$/i.test(given);
  const decoded = isHex ? undefined : ss58Decode(given);
  const prefix = networkOf(options.network) ?? decoded?.prefix ?? 42;
  const publicKey = decoded?.account ?? fromHex(given.toLowerCase());
  const length = scheme === 'ecdsa' && isHex ? 33 : 32;
  if (publicKey.length !== length) throw new UsageError(`--public: a public key of ${scheme} has ${length} bytes`);
  const accountId = publicKey.length === 33 ? ecdsaAccount(publicKey) : publicKey;
  const keys = publicParts(publicKey, accountId, scheme, prefix);
  const head = isHex ? {} : { publicKeyUri: given };
  if (isJson(options)) return JSON.stringify({ ...head, networkId: networkName(prefix), ...keys }, undefined, 2);
  return [
    ...(isHex ? [] : [`Public Key URI \`${given}\` is account:`]),
    `${isHex ? '' : '  '}Network ID/Version: ${networkName(prefix)}`,
    `  Public key (hex):   ${keys.publicKey}`,
    `  Account ID:         ${keys.accountId}`,
    `  Public key (SS58):  ${keys.ss58PublicKey}`,
    `  SS58 Address:       ${keys.ss58Address}`,
  ].join('\n');
}

function publicParts(publicKey: Bytes, accountId: Bytes, scheme: Scheme, prefix: number) {
  const ss58Address = ss58Encode(accountId, prefix);
  return {
    publicKey: toHex(publicKey),
    // The SS58 form of an ecdsa key names its 33 bytes, which no account has: tools show the account instead.
    ss58PublicKey: scheme === 'ecdsa' ? ss58Address : ss58Encode(publicKey, prefix),
    accountId: toHex(accountId),
    ss58Address,
  };
}

function isPublic(given: string, isHex: boolean): boolean {
  if (isHex) {
    if (!/^(0x)?([0-9a-f]{2})+$/i.test(given)) throw new UsageError('--public: give the public key in hex');
    return true;
  }
  return /^[1-9A-HJ-NP-Za-km-z]{46,50}$/.test(given) && !isFile(given);
}

function networkOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === 'substrate' ? 42 : integer('network', text, 42, 0, 16_383);
}

function networkName(prefix: number): string {
  return prefix === 42 ? 'substrate' : String(prefix);
}

function isJson({ 'output-type': type = 'text' }: ShowOptions): boolean {
  if (type !== 'text' && type !== 'json') throw new UsageError(`--output-type ${type}: text or json`);
  return type === 'json';
}
