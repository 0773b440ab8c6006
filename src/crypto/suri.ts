/**
 * # Secret URIs: `[phrase | 0xseed][//hard | /soft]...[///password]` names one key per scheme.
 *
 * Always true: the same text gives the same key as in every Substrate tool (`subkey`, polkadot-js). Without a phrase
 * the public development phrase is meant: `//Alice`.
 */
import { type Bytes, concat, fromHex, littleEndian } from '../base/bytes.ts';
import { str } from '../codec/index.ts';
import { blake2_256 } from './hash.ts';
import { type Keypair, keypairFromSeed, sr25519Keypair } from './keypair.ts';
import { miniSecret, SecretError } from './mnemonic.ts';
import { sr25519DeriveHard, sr25519DeriveSoft, sr25519Expand, sr25519HardSeed } from './sr25519.ts';
import type { Scheme } from './verify.ts';

export const DEV_PHRASE = 'bottom drive obey lake curtain smoke basket hold race lonely fit walk';
// miniSecret(DEV_PHRASE, ''), kept because stretching it takes 20 ms, and a devnet derives dozens of keys from it.
const DEV_SEED = fromHex('0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e');

interface Junction {
  readonly hard: boolean;
  readonly chainCode: Bytes;
}

interface SecretUri {
  readonly phrase: string;
  readonly junctions: readonly Junction[];
  readonly password: string;
}

const URI = /^([A-Za-z0-9 ]*)((?:\/\/?[^/]+)*)(?:\/\/\/(.*))?$/s;
// Two phrases of 24 words and then some: a longer text is no secret.
const MAX_TEXT = 1_024;

/** The key that a secret URI names under a scheme. Throws SecretError; its message never quotes the secret. */
export function keypairFromSuri(uri: string, scheme: Scheme): Keypair {
  const { phrase, junctions, password } = parse(uri);
  const seed = seedOf(phrase, password);
  if (scheme !== 'sr25519') return keypairFromSeed(scheme, derivedSeed(seed, junctions, scheme));
  return sr25519Keypair(derivedSecret(seed, junctions));
}

/** The 32-byte seed of the key that a secret URI names; undefined behind a soft junction, where there is none. */
export function seedFromSuri(uri: string, scheme: Scheme): Bytes | undefined {
  const { phrase, junctions, password } = parse(uri);
  const seed = seedOf(phrase, password);
  if (scheme !== 'sr25519') return derivedSeed(seed, junctions, scheme);
  const last = junctions.at(-1);
  if (last === undefined) return seed;
  return last.hard ? sr25519HardSeed(derivedSecret(seed, junctions.slice(0, -1)), last.chainCode) : undefined;
}

/** Whether the text is a phrase alone, without junctions or password. Throws SecretError if it is neither. */
export function isPhrase(uri: string): boolean {
  const { phrase, junctions, password } = parse(uri);
  return phrase !== '' && !phrase.startsWith('0x') && junctions.length === 0 && password === '';
}

function derivedSecret(seed: Bytes, junctions: readonly Junction[]): Bytes {
  let secret = sr25519Expand(seed);
  for (const { hard, chainCode } of junctions) {
    secret = hard ? sr25519DeriveHard(secret, chainCode) : sr25519DeriveSoft(secret, chainCode);
  }
  return secret;
}

function derivedSeed(seed: Bytes, junctions: readonly Junction[], scheme: keyof typeof HARD_LABEL): Bytes {
  let derived = seed;
  for (const { hard, chainCode } of junctions) {
    if (!hard) throw new SecretError('soft');
    derived = blake2_256(concat(str.enc(HARD_LABEL[scheme]), derived, chainCode));
  }
  return derived;
}

const HARD_LABEL = { ed25519: 'Ed25519HDKD', ecdsa: 'Secp256k1HDKD' } as const;

function parse(uri: string): SecretUri {
  const match = uri.length <= MAX_TEXT ? URI.exec(uri) : null;
  if (match === null) throw new SecretError('path');
  const [, phrase = '', path = '', password = ''] = match;
  const junctions = [...path.matchAll(/(\/\/?)([^/]+)/g)].map(([, slashes, code = '']) => ({
    hard: slashes === '//',
    chainCode: chainCodeOf(code),
  }));
  return { phrase, junctions, password };
}

function seedOf(phrase: string, password: string): Bytes {
  if (phrase.startsWith('0x')) {
    if (!/^0x[0-9a-fA-F]{64}$/.test(phrase)) throw new SecretError('seed');
    return fromHex(phrase);
  }
  if ((phrase === '' || phrase === DEV_PHRASE) && password === '') return DEV_SEED;
  return miniSecret(phrase === '' ? DEV_PHRASE : phrase, password);
}

/** 32 bytes: a number as u64, a text as its SCALE encoding; padded with zeros, or hashed when longer. */
function chainCodeOf(code: string): Bytes {
  const isNumber = /^\+?\d+$/.test(code) && BigInt(code.replace('+', '')) >> 64n === 0n;
  const bytes = isNumber ? littleEndian(BigInt(code.replace('+', '')), 8) : str.enc(code);
  if (bytes.length > 32) return blake2_256(bytes);
  return concat(bytes, new Uint8Array(32 - bytes.length));
}
