/**
 * # miner: trains for an account and wins blocks with it; `miner benchmark` tells how fast this machine is.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Bytes } from '../../base/bytes.ts';
import type { Keypair } from '../../crypto/keypair.ts';
import { installFastPaths } from '../../crypto/native/install.ts';
import { ss58Decode } from '../../crypto/ss58.ts';
import { keypairFromSuri } from '../../crypto/suri.ts';
import { benchmark } from '../../miner/benchmark.ts';
import { BlobClient } from '../../miner/blob-client.ts';
import { FragmentStore } from '../../miner/fragment-store.ts';
import { Miner } from '../../miner/miner.ts';
import { registerByWork } from '../../miner/register.ts';
import { useEngineFlags } from '../../node/children.ts';
import { benchmarkAssets } from '../benchmark-assets.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import { MinerReport } from '../miner-report.ts';
import { type KeystoreOptions, keystoreOf, secretFile } from '../secrets.ts';
import { stopped } from '../stopped.ts';
import type { Terminal } from '../terminal.ts';
import { KEYSTORE_FLAGS } from './node-flags.ts';

const IDENTITIES = ['alice', 'bob', 'charlie', 'dave', 'eve', 'ferdie'] as const;

const IDENTITY_FLAGS = {
  alice: { kind: 'flag', help: 'dev identity: account //Alice//stash, compute key //Alice//compute' },
  bob: { kind: 'flag', help: 'as Bob' },
  charlie: { kind: 'flag', help: 'as Charlie' },
  dave: { kind: 'flag', help: 'as Dave' },
  eve: { kind: 'flag', help: 'as Eve' },
  ferdie: { kind: 'flag', help: 'as Ferdie' },
} as const;

const LINK_FLAGS = {
  node: { kind: 'value', value: 'URL', help: 'ws://host:port of a node (default ws://127.0.0.1:9944)' },
  'blob-token-file': { kind: 'value', value: 'FILE', help: 'blobs.token of that node, to hand in states' },
  'end-with-parent': { kind: 'flag', help: 'end when standard input closes' },
} as const;

/** Keys that `key insert` kept: `comp` mines, `chek` checks, `acco` owns. */
const KEY_FLAGS = {
  ...KEYSTORE_FLAGS,
  'public-key': { kind: 'value', value: 'HEX', help: 'which of several such keys of the keystore' },
} as const;

const FLAGS = {
  ...LINK_FLAGS,
  ...IDENTITY_FLAGS,
  account: { kind: 'value', value: 'ADDRESS', help: 'who is paid; its key may stay in a wallet once registered' },
  'account-file': { kind: 'value', value: 'FILE', help: 'secret URI of the account, to register it by work' },
  'key-file': { kind: 'value', value: 'FILE', help: 'secret URI of the compute key (ed25519)' },
  ...KEY_FLAGS,
  dir: { kind: 'value', value: 'DIR', help: 'where unfinished fragments are kept' },
  threads: { kind: 'value', value: 'N', help: 'fragments trained at once, a core each (default 1)' },
  duration: { kind: 'value', value: 'SECONDS', help: 'benchmark: how long (default 30)' },
  json: { kind: 'flag', help: 'JSON lines even on a terminal' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

/** Whom a miner or checker acts for. */
export interface WorkIdentity {
  readonly account: Bytes;
  readonly key: Keypair;
  /** Signs a registration; absent when only the address was given. */
  readonly accountKey: Keypair | undefined;
}

/** `maitoken miner [benchmark]`. */
export async function minerCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken miner', argv, FLAGS, 1);
  if (options.help) {
    terminal.out(usage('maitoken miner [benchmark]', 'mines by training', FLAGS));
    return 0;
  }
  useEngineFlags();
  await installFastPaths();
  if (positionals[0] === 'benchmark') {
    const seconds = integer('duration', options.duration, 30, 1, 3_600);
    return benchmark({
      assets: benchmarkAssets(),
      seconds,
      json: options.json || !terminal.isInteractive,
      out: terminal.out,
    });
  }
  if (positionals[0] !== undefined) throw new UsageError(`maitoken miner: no command '${positionals[0]}'`);
  const identity = await identityOf(options);
  const url = options.node ?? 'ws://127.0.0.1:9944';
  const dir = options.dir ?? join(homedir(), '.maitoken', 'miner');
  const report = new MinerReport(terminal, options.json, url);
  const miner = new Miner({
    node: url,
    account: identity.account,
    key: identity.key,
    threads: integer('threads', options.threads, 1, 1, 64),
    blobs: new BlobClient(httpUrl(url), tokenOf(options['blob-token-file'])),
    store: new FragmentStore(dir),
    onEvent: (event) => report.hear(event),
  });
  miner.start();
  registerByWork(miner.rpc, identity, (text) => report.note(text));
  const code = await stopped(terminal, options['end-with-parent']);
  report.stop();
  await miner.stop();
  return code;
}

/** The node's HTTP base behind its WebSocket URL. */
export function httpUrl(url: string): string {
  if (!/^wss?:\/\//.test(url)) throw new UsageError(`--node ${url}: give ws://host:port`);
  return url.replace(/^ws/, 'http').replace(/\/$/, '');
}

/** The token in a file; waits for nothing: a node writes it before it listens. */
export function tokenOf(file: string | undefined): string {
  if (file === undefined) return '';
  if (!existsSync(file))
    throw new UsageError(`--blob-token-file ${file}: no such file; is the node's base path right?`);
  return readFileSync(file, 'utf8').trim();
}

/** The dev identity that a flag names. */
export function devIdentity(name: string): WorkIdentity {
  const person = name.charAt(0).toUpperCase() + name.slice(1);
  const accountKey = keypairFromSuri(`//${person}//stash`, 'sr25519');
  return { account: accountKey.accountId, key: keypairFromSuri(`//${person}//compute`, 'ed25519'), accountKey };
}

/** The dev checker that a flag names: the same owner, another compute key. */
export function devChecker(name: string): WorkIdentity {
  const person = name.charAt(0).toUpperCase() + name.slice(1);
  return { ...devIdentity(name), key: keypairFromSuri(`//${person}//check`, 'ed25519') };
}

/** The one dev identity among the flags, if any. */
export function chosenIdentity(options: Readonly<Record<string, unknown>>): string | undefined {
  const given = IDENTITIES.filter((name) => options[name] === true);
  if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]}: choose one`);
  return given[0];
}

type Options = ReturnType<typeof parseFlags<typeof FLAGS>>['options'];

async function identityOf(options: Options): Promise<WorkIdentity> {
  const name = chosenIdentity(options);
  if (name) return devIdentity(name);
  const kept = await keptIdentity(options, 'comp');
  if (kept) return kept;
  if (!options['key-file']) {
    throw new UsageError(
      'maitoken miner: give --keystore-path or --key-file (and --account), or a dev identity like --alice',
    );
  }
  const key = keypairFromSuri(secretFile('key-file', options['key-file']), 'ed25519');
  const file = options['account-file'];
  const accountKey = file ? keypairFromSuri(secretFile('account-file', file), 'sr25519') : undefined;
  const account = options.account ? ss58Decode(options.account).account : accountKey?.accountId;
  if (!account) throw new UsageError('maitoken miner: give --account or --account-file');
  return { account, key, accountKey };
}

interface KeptOptions extends KeystoreOptions {
  readonly account: string | undefined;
  readonly 'public-key': string | undefined;
}

/** Whose keys lie in `--keystore-path`; undefined without that flag. Throws KeystoreError or UsageError. */
export async function keptIdentity(options: KeptOptions, keyType: 'comp' | 'chek'): Promise<WorkIdentity | undefined> {
  if (options['keystore-path'] === undefined) return undefined;
  const keystore = await keystoreOf(options, '', false);
  const { keypair: key } = await keystore.get(keyType, options['public-key']);
  const owns = (await keystore.list()).some((one) => one.keyType === 'acco');
  const accountKey = owns && options.account === undefined ? (await keystore.get('acco')).keypair : undefined;
  const account = options.account === undefined ? accountKey?.accountId : ss58Decode(options.account).account;
  if (!account) throw new UsageError(`maitoken: give --account, whom the ${keyType} key works for`);
  return { account, key, accountKey };
}

export { IDENTITY_FLAGS, KEY_FLAGS, LINK_FLAGS };
