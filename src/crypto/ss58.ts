/**
 * # SS58: accounts as text (base58 of prefix, account, checksum).
 *
 * Always true: one text per account and prefix. Texts that other decoders tolerate, such as a two-byte spelling of a
 * prefix below 64, are refused. https://docs.polkadot.com/polkadot-protocol/parachain-basics/accounts/
 */
import { base58 } from '@scure/base';
import { type Bytes, concat, equal, utf8 } from '../base/bytes.ts';
import { blake2_512 } from './hash.ts';

export const SS58_FAULTS = {
  alphabet: 'the address is not base58',
  length: 'the address is not that of a 32-byte account',
  prefix: 'the network prefix is unknown or not in its shortest form',
  checksum: 'the checksum does not match: the address is mistyped',
  network: 'the address belongs to another network',
} as const;

export type Ss58Fault = keyof typeof SS58_FAULTS;

/** A text that is no address. */
export class Ss58Error extends Error {
  override readonly name = 'Ss58Error';
  readonly code: Ss58Fault;

  constructor(code: Ss58Fault) {
    super(SS58_FAULTS[code]);
    this.code = code;
  }
}

export interface Ss58 {
  readonly prefix: number;
  readonly account: Bytes;
}

const PREIMAGE = utf8('SS58PRE');
const ACCOUNT_BYTES = 32;
const CHECKSUM_BYTES = 2;
const MAX_PREFIX = 16_383;
// A 32-byte account takes at most 50 characters. base58 decoding is quadratic: a long text must not reach it.
const MAX_TEXT = 64;

/** The address of a 32-byte account; `prefix` 0 to 16383 except the reserved 46 and 47. */
export function ss58Encode(account: Bytes, prefix: number): string {
  if (account.length !== ACCOUNT_BYTES) throw new Ss58Error('length');
  const body = concat(prefixBytes(prefix), account);
  return base58.encode(concat(body, checksum(body)));
}

/** The account and prefix of an address; Ss58Error otherwise, also when `network` is given and is not its prefix. */
export function ss58Decode(text: string, network?: number): Ss58 {
  const bytes = fromBase58(text);
  const head = (bytes[0] ?? 0) < 64 ? 1 : 2;
  if (bytes.length !== head + ACCOUNT_BYTES + CHECKSUM_BYTES) throw new Ss58Error('length');
  const prefix = readPrefix(bytes);
  const body = bytes.slice(0, -CHECKSUM_BYTES);
  if (!equal(bytes.slice(-CHECKSUM_BYTES), checksum(body))) throw new Ss58Error('checksum');
  if (!equal(prefixBytes(prefix), body.subarray(0, head))) throw new Ss58Error('prefix');
  if (network !== undefined && prefix !== network) throw new Ss58Error('network');
  return { prefix, account: body.slice(head) };
}

function fromBase58(text: string): Bytes {
  if (text.length > MAX_TEXT) throw new Ss58Error('length');
  try {
    return base58.decode(text);
  } catch {
    throw new Ss58Error('alphabet');
  }
}

function checksum(body: Bytes): Bytes {
  return blake2_512(concat(PREIMAGE, body)).slice(0, CHECKSUM_BYTES);
}

/** One byte below 64; else 0b01 with bits 2 to 7, then the low two bits above bits 8 to 13. */
function prefixBytes(prefix: number): Bytes {
  const known = Number.isInteger(prefix) && prefix >= 0 && prefix <= MAX_PREFIX && prefix !== 46 && prefix !== 47;
  if (!known) throw new Ss58Error('prefix');
  if (prefix < 64) return Uint8Array.of(prefix);
  return Uint8Array.of(0x40 | ((prefix >> 2) & 0x3f), (prefix >> 8) | ((prefix & 3) << 6));
}

function readPrefix(bytes: Bytes): number {
  const first = bytes[0] as number;
  const second = bytes[1] as number;
  if (first < 64) return first;
  if (first > 127) throw new Ss58Error('prefix');
  return ((first & 0x3f) << 2) | (second >> 6) | ((second & 0x3f) << 8);
}
