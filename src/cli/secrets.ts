/**
 * # Secrets: how a person hands one over: by a file, by the terminal, or by standard input.
 *
 * Always true: a secret never stands in argv, where every user of the host reads it (`ps`), nor in the environment,
 * which children inherit and crash reports print. Development keys (`//Alice`) are no secrets.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Keystore } from '../keystore/keystore.ts';
import { UsageError } from './flags.ts';

/** A passphrase or a secret URI is short; more than this is another file. */
const MAX_SECRET_BYTES = 4_096;

export interface KeystoreOptions {
  readonly 'keystore-path': string | undefined;
  readonly 'password-filename': string | undefined;
  readonly 'password-interactive': boolean;
  readonly password: string | undefined;
}

/** The keystore that the flags name: of a chain's folder unless a path is given. */
export async function keystoreOf(options: KeystoreOptions, chainDir: string, dev: boolean): Promise<Keystore> {
  const passphrase = await passphraseOf(options);
  return new Keystore({ dir: options['keystore-path'] ?? join(chainDir, 'keystore'), passphrase, dev });
}

/** The passphrase by file or by terminal; undefined if neither was asked for. Throws UsageError. */
async function passphraseOf(options: KeystoreOptions): Promise<string | undefined> {
  if (options.password !== undefined) {
    throw new UsageError('--password: a secret in argv can be read by all; use --password-filename FILE');
  }
  const file = options['password-filename'];
  if (file !== undefined && options['password-interactive']) {
    throw new UsageError('--password-filename and --password-interactive: give one');
  }
  const text = file === undefined ? undefined : secretFile('password-filename', file);
  const passphrase = options['password-interactive'] ? await askSecret('Keystore passphrase: ') : text;
  const flag = file === undefined ? '--password-interactive' : `--password-filename ${file}`;
  if (passphrase === '') throw new UsageError(`${flag}: the passphrase is empty; choose one of several words`);
  return passphrase;
}

/** The first line of a file. Throws UsageError. */
export function secretFile(flag: string, file: string): string {
  try {
    if (statSync(file).size > MAX_SECRET_BYTES) throw new UsageError(`--${flag} ${file}: too long for a secret`);
    return firstLine(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--${flag} ${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/**
 * A secret URI: of a file, of standard input (`-` or nothing), or in argv if it is a public development key
 * (`//Alice//stash`). A file may also be one of Substrate's keystore files, a JSON string. Throws UsageError.
 */
export async function secretUri(flag: string, given: string | undefined): Promise<string> {
  if (given === undefined || given === '-') return askSecret('URI: ');
  // Hard junctions only: a mistyped path such as /keys/alice must not become a soft junction of the dev phrase.
  if (/^(\/\/[A-Za-z0-9]+)+$/.test(given)) return given;
  if (!isFile(given)) {
    // What was given may be a secret: it is not repeated.
    throw new UsageError(`${flag}: give a file with the secret, or - for standard input; secrets do not stand in argv`);
  }
  const text = secretFile(flag, given);
  return text.startsWith('"') ? unquoted(flag, text) : text;
}

/** Asks on the terminal without echo; without a terminal the first line of standard input. */
async function askSecret(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) {
    let text = '';
    for await (const chunk of stdin) {
      text += String(chunk);
      if (text.includes('\n') || text.length > MAX_SECRET_BYTES) break;
    }
    return firstLine(text);
  }
  stderr.write(prompt);
  // Output goes nowhere: what is typed is not shown.
  const reader = createInterface({ input: stdin, terminal: true });
  try {
    return firstLine(await reader.question(''));
  } finally {
    reader.close();
    stderr.write('\n');
  }
}

/** Whether a person agrees; without a terminal nobody does. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await reader.question(`${question} [y/N]: `)).trim());
  } finally {
    reader.close();
  }
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function unquoted(flag: string, text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string') return value;
  } catch {
    // Falls through: a broken JSON string is as wrong as one of another type.
  }
  throw new UsageError(`${flag}: the file is neither a secret nor a key of a Substrate keystore`);
}

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').trim();
}
