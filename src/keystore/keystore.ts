/**
 * # Keystore: the keys of one node on disk, under Substrate's file names, encrypted.
 *
 * Always true: a file's name is hex(key type) ++ hex(public key), its mode 0600 in a folder of mode 0700, and it is
 * sealed (sealed.ts) unless the keystore is one of a dev chain. A file that others can read is refused, not repaired:
 * whoever could read it may have. No error and no log line holds a secret.
 */
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex, toHex, utf8 } from '../base/bytes.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { keypairFromSuri } from '../crypto/suri.ts';
import type { Scheme } from '../crypto/verify.ts';
import { KeystoreError } from './errors.ts';
import { seal, unseal } from './sealed.ts';

/** A sealed secret takes about 600 bytes; a longer file is none. */
const MAX_FILE_BYTES = 16_384;
/** Each sealed file costs 0.4 s to open. */
const MAX_KEYS = 256;
/** Names of the keys that were inserted here, one a line: a file that is lost later is missed. */
const INSERTED = '.inserted';
const SCHEMES: readonly Scheme[] = ['sr25519', 'ed25519', 'ecdsa'];

/** What is known of a key without opening it. */
export interface KeyName {
  /** Four characters: `gran` votes, `slot` takes turns, `comp` mines, `chek` checks, `acco` owns. */
  readonly keyType: string;
  /** 0x and hex. */
  readonly publicKey: string;
}

export interface StoredKey extends KeyName {
  readonly keypair: Keypair;
}

export interface KeystoreOptions {
  readonly dir: string;
  /** Opens and seals. Undefined: sealed keys cannot be opened, and only a dev keystore takes new ones. */
  readonly passphrase: string | undefined;
  /** A dev or temporary chain: keys may lie there as Substrate's plain JSON string. */
  readonly dev: boolean;
}

export class Keystore {
  readonly #options: KeystoreOptions;

  constructor(options: KeystoreOptions) {
    this.#options = options;
  }

  /**
   * Keys by their file names, sorted; files of other names are not ours and are passed over. KeystoreError `Gone` when
   * a key that was inserted here has no file any more.
   */
  async list(): Promise<KeyName[]> {
    const names = await this.#read(() => readdir(this.#options.dir), []);
    const gone = (await this.#inserted()).find((name) => !names.includes(name));
    if (gone !== undefined) throw new KeystoreError('Gone', gone);
    const keys = names.sort().flatMap((name) => {
      const key = keyName(name);
      return key === undefined ? [] : [key];
    });
    if (keys.length > MAX_KEYS) throw new KeystoreError('Disk', `${keys.length} keys, at most ${MAX_KEYS}`);
    return keys;
  }

  /** Keeps the key of a secret URI; one that is there already is written again. Returns its name. */
  async insert(keyType: string, scheme: Scheme, suri: string): Promise<KeyName> {
    const { dir, passphrase, dev } = this.#options;
    const publicKey = toHex(keypairFromSuri(suri, scheme).publicKey);
    const name = fileName({ keyType, publicKey });
    if (passphrase === undefined && !dev) throw new KeystoreError('NoPassphrase', name);
    const text =
      passphrase === undefined
        ? JSON.stringify(suri)
        : await seal({ version: 1, keyType, scheme, publicKey }, suri, passphrase);
    await this.#read(async () => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await chmod(dir, 0o700);
      await writeWhole(dir, name, text);
      const inserted = await this.#inserted();
      if (!inserted.includes(name)) await writeWhole(dir, INSERTED, `${[...inserted, name].sort().join('\n')}\n`);
    });
    return { keyType, publicKey };
  }

  /** The key of this type; of several, the one with this public key (0x and hex). */
  async get(keyType: string, publicKey?: string): Promise<StoredKey> {
    const found = (await this.list()).filter(
      (key) => key.keyType === keyType && (publicKey === undefined || key.publicKey === publicKey),
    );
    const [first] = found;
    if (first === undefined) throw new KeystoreError('Missing', keyType);
    if (found.length > 1) throw new KeystoreError('Ambiguous', keyType);
    return this.open(first);
  }

  /** Opens one key. */
  async open(key: KeyName): Promise<StoredKey> {
    const { dir, passphrase, dev } = this.#options;
    const name = fileName(key);
    const path = join(dir, name);
    const { mode, size } = await this.#read(() => stat(path));
    if ((mode & 0o077) !== 0) throw new KeystoreError('Readable', path);
    if (size > MAX_FILE_BYTES) throw new KeystoreError('Malformed', name);
    const json = parsed(name, await this.#read(() => readText(path)));
    if (typeof json === 'string') {
      if (!dev) throw new KeystoreError('Plain', name);
      return { ...key, keypair: matching(name, key, json, SCHEMES) };
    }
    if (passphrase === undefined) throw new KeystoreError('NoPassphrase', name);
    const { header, secret } = await unseal(name, json, passphrase);
    if (header.keyType !== key.keyType || header.publicKey !== key.publicKey) throw new KeystoreError('WrongKey', name);
    const schemes = SCHEMES.filter((scheme) => scheme === header.scheme);
    return { ...key, keypair: matching(name, key, secret, schemes) };
  }

  /** The names in the list of inserted keys, where there is one. */
  async #inserted(): Promise<string[]> {
    const text = await this.#read(() => readText(join(this.#options.dir, INSERTED)), '');
    const names = text.split('\n').filter((name) => name !== '');
    if (!names.every((name) => keyName(name) !== undefined)) throw new KeystoreError('Malformed', INSERTED);
    return names;
  }

  /** Runs a file operation; what is missing is `otherwise`, every other failure a KeystoreError. */
  async #read<T>(work: () => Promise<T>, otherwise?: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && otherwise !== undefined) return otherwise;
      if (code === undefined) throw error;
      throw new KeystoreError('Disk', `${this.#options.dir} (${code})`);
    }
  }
}

/** Substrate's name of the file of a key. */
export function fileName({ keyType, publicKey }: KeyName): string {
  return toHex(utf8(keyType)).slice(2) + publicKey.slice(2);
}

function keyName(name: string): KeyName | undefined {
  // Four bytes of type, then 32 or (ecdsa) 33 of public key.
  if (!/^[0-9a-f]{8}([0-9a-f]{64}|[0-9a-f]{66})$/.test(name)) return undefined;
  const keyType = String.fromCharCode(...fromHex(name.slice(0, 8)));
  return /^[\x21-\x7e]{4}$/.test(keyType) ? { keyType, publicKey: `0x${name.slice(8)}` } : undefined;
}

/** The pair of a secret whose public key is the one expected. */
function matching(name: string, key: KeyName, suri: string, schemes: readonly Scheme[]): Keypair {
  for (const scheme of schemes) {
    const keypair = pairOf(suri, scheme);
    if (keypair !== undefined && toHex(keypair.publicKey) === key.publicKey) return keypair;
  }
  throw new KeystoreError('WrongKey', name);
}

function pairOf(suri: string, scheme: Scheme): Keypair | undefined {
  try {
    return keypairFromSuri(suri, scheme);
  } catch (error) {
    // Not every URI exists in every scheme (soft junctions): the next one is tried.
    if ((error as Error).name === 'SecretError') return undefined;
    throw error;
  }
}

/** Writes beside its place, syncs and renames: a file is there whole or not at all. */
async function writeWhole(dir: string, name: string, text: string): Promise<void> {
  const beside = join(dir, `.${name}.new`);
  await rm(beside, { force: true });
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, join(dir, name));
}

async function readText(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function parsed(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KeystoreError('Malformed', name);
  }
}
