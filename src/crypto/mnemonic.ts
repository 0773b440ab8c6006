/**
 * # Mnemonic: a secret phrase is its entropy plus a checksum (BIP-39), and a mini secret is drawn from the entropy.
 *
 * Always true: Substrate stretches the entropy, not the phrase (PBKDF2-HMAC-SHA-512, 2,048 rounds, salt "mnemonic" and
 * the password), so that the language of the words does not matter (substrate-bip39).
 */
import { pbkdf2 } from '@noble/hashes/pbkdf2.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { assert } from '../base/assert.ts';
import { type Bytes, utf8 } from '../base/bytes.ts';
import { sha256 } from './hash.ts';
import { WORDS } from './words.ts';

export const SECRET_FAULTS = {
  length: 'a phrase has 12, 15, 18, 21 or 24 words',
  word: 'a word of the phrase is not in the English list',
  checksum: 'the phrase does not match its checksum: a word is mistyped',
  seed: 'a seed is 0x and 64 hex digits',
  path: 'a secret is [phrase or 0xseed][//hard or /soft]...[///password]',
  soft: 'only sr25519 has soft junctions',
} as const;

export type SecretFault = keyof typeof SECRET_FAULTS;

/** A text that is no secret. Its message never quotes the text. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  readonly code: SecretFault;

  constructor(code: SecretFault) {
    super(SECRET_FAULTS[code]);
    this.code = code;
  }
}

const BITS_PER_WORD = 11;
const ROUNDS = 2_048;
const INDEX: ReadonlyMap<string, number> = new Map(WORDS.map((word, index) => [word, index]));

/** The phrase of 16, 20, 24, 28 or 32 bytes of entropy. */
export function mnemonicOf(entropy: Bytes): string {
  assert(entropy.length % 4 === 0 && entropy.length >= 16 && entropy.length <= 32, 'entropy of 16 to 32 bytes');
  const bits = toBits(entropy) + checksumBits(entropy);
  const words: string[] = [];
  for (let at = 0; at < bits.length; at += BITS_PER_WORD) {
    words.push(WORDS[Number.parseInt(bits.slice(at, at + BITS_PER_WORD), 2)] as string);
  }
  return words.join(' ');
}

/** The entropy of a phrase. Throws SecretError `length`, `word` or `checksum`. */
export function mnemonicEntropy(phrase: string): Bytes {
  const words = phrase.trim().split(/\s+/);
  if (words.length % 3 !== 0 || words.length < 12 || words.length > 24) throw new SecretError('length');
  let bits = '';
  for (const word of words) {
    const index = INDEX.get(word);
    if (index === undefined) throw new SecretError('word');
    bits += index.toString(2).padStart(BITS_PER_WORD, '0');
  }
  const entropy = new Uint8Array((words.length / 3) * 4);
  for (let i = 0; i < entropy.length; i++) entropy[i] = Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2);
  if (bits.slice(8 * entropy.length) !== checksumBits(entropy)) throw new SecretError('checksum');
  return entropy;
}

/** The 32-byte mini secret of a phrase and a password ('' for none). */
export function miniSecret(phrase: string, password: string): Bytes {
  const salt = utf8(`mnemonic${password}`.normalize('NFKD'));
  return pbkdf2(sha512, mnemonicEntropy(phrase), salt, { c: ROUNDS, dkLen: 64 }).slice(0, 32);
}

function toBits(bytes: Bytes): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return bits;
}

function checksumBits(entropy: Bytes): string {
  return toBits(sha256(entropy)).slice(0, entropy.length / 4);
}
