/**
 * # Welcome: who may speak to this port, by Host and Origin.
 *
 * Always true: a page of a foreign origin is refused over HTTP and WebSocket alike, and so is a page that rebinds its
 * own name to 127.0.0.1: that name stands in its Host header. Programs send no Origin and are not kept out; pages on
 * localhost and the wallets' well-known page are let in.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface Door {
  /** 127.0.0.1, ::1 or localhost unless the operator opened the port to the world. */
  readonly host: string;
  /** Origins besides the defaults; 'all' lets every page in, under every name. */
  readonly cors: 'all' | readonly string[];
}

const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
const LOCAL_ORIGIN = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
const DEFAULT_ORIGINS = ['https://polkadot.js.org'];

/** Whether a request with these headers is served. */
export function isWelcome({ host, cors }: Door, headers: IncomingHttpHeaders): boolean {
  if (cors === 'all') return true;
  const { origin } = headers;
  if (origin !== undefined && !isKnownOrigin(cors, origin)) return false;
  // Behind a port that is open to the world any name may be right.
  return !isLoopback(host) || LOCAL_HOST.test(headers.host ?? '');
}

function isKnownOrigin(cors: readonly string[], origin: string): boolean {
  return LOCAL_ORIGIN.test(origin) || DEFAULT_ORIGINS.includes(origin) || cors.includes(origin);
}

function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === '::1' || host === 'localhost';
}

/** Whether a socket's other end is on this machine. */
export function isLocalAddress(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '');
}
