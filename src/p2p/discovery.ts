/**
 * # Discovery: peers tell each other whom they know, and each address only to those who can reach it.
 *
 * Always true: an answer holds at most 16 addresses of at most 160 characters; loopback addresses are told only to
 * peers of this machine, private ones only to peers of a private network. What is told is a hint: the noise handshake
 * proves the peer id when it is dialled, so a lie costs the liar's victim one failed call, then a backoff.
 */
import { multiaddr } from '@multiformats/multiaddr';
import type { Bytes } from '../base/bytes.ts';
import { str, tryDecode, vec } from '../codec/index.ts';
import { P2pError } from './errors.ts';
import { isLoopback } from './peer-book.ts';

const MAX_TOLD = 16;
export const MAX_ADDRESS_CHARS = 160;
const Told = vec(str, MAX_TOLD);

export interface Located {
  readonly peer: string;
  /** Multiaddr with /p2p/<peer>. */
  readonly address: string;
}

/** The peer id and address of a multiaddr that ends in /p2p/<peer id>. Throws P2pError BadAddress. */
export function located(text: string): Located {
  try {
    const address = multiaddr(text);
    const last = address.getComponents().at(-1);
    if (last?.name === 'p2p' && last.value !== undefined) return { peer: last.value, address: address.toString() };
  } catch {
    // A malformed multiaddr is reported as what it is for the operator: a bad address.
  }
  throw new P2pError('BadAddress', text);
}

/** The bytes that answer `peers`: those of `known` that the asker at `askerIp` can reach. */
export function tell(known: readonly Located[], asker: { readonly peer: string; readonly ip: string }): Bytes {
  const reach = scope(asker.ip);
  const told = known.filter((one) => one.peer !== asker.peer && scope(ipOf(one.address)) >= reach);
  return Told.enc(told.slice(0, MAX_TOLD).map((one) => one.address));
}

/** The addresses of an answer; undefined when it is malformed. Addresses that we cannot read are dropped. */
export function told(answer: Bytes): Located[] | undefined {
  const texts = tryDecode(Told, answer);
  if (texts === undefined) return undefined;
  const known: Located[] = [];
  for (const text of texts) {
    if (text.length > MAX_ADDRESS_CHARS) continue;
    try {
      known.push(located(text));
    } catch (error) {
      if (!(error instanceof P2pError)) throw error;
    }
  }
  return known;
}

/** The IP address of a multiaddr, or its host name; empty when it has neither. */
export function ipOf(text: string): string {
  const [, kind, host] = text.split('/');
  return host !== undefined && /^(ip4|ip6|dns|dns4|dns6)$/.test(kind ?? '') ? host : '';
}

/** How far an address reaches: 0 this machine, 1 a private network, 2 the world. */
export function scope(ip: string): 0 | 1 | 2 {
  if (isLoopback(ip) || ip === '') return 0;
  if (/^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|fe80:|f[cd][0-9a-f]{2}:)/i.test(ip)) return 1;
  return 2;
}
