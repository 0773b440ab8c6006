/**
 * # Buckets: in which part of the address space a peer is called, since addresses of one part are cheap together.
 *
 * Always true: an address that peers told is in exactly one bucket, whatever it says; only addresses that no stranger
 * can serve (this machine's, a private network's) are in the bucket without a bound.
 */
import { scope } from './discovery.ts';

/** Learned peers that are called in one bucket: an attacker with three networks holds at most six slots, not all. */
export const MAX_PER_BUCKET = 2;
/** The bucket without a bound: a devnet's nodes share one address. */
export const LOCAL = 'local';
/** What a name stands for is known to whoever answers for it: all names together are one network. */
const NAMED = 'named';

/** The bucket of a multiaddr: IPv4 by /16, IPv6 by /32, names all in one. */
export function bucketOf(address: string): string {
  const [, kind = '', host = ''] = /\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/([^/]+)/.exec(address) ?? [];
  if (kind === '') return LOCAL;
  if (kind === 'ip4') return ofIp4(host);
  return kind === 'ip6' ? ofIp6(host) : NAMED;
}

/** Whether one more learned peer may be called there, where `taken` says how many there are. */
export function hasRoom(bucket: string, taken: ReadonlyMap<string, number>): boolean {
  return bucket === LOCAL || (taken.get(bucket) ?? 0) < MAX_PER_BUCKET;
}

function ofIp4(host: string): string {
  return scope(host) < 2 ? LOCAL : `ip4 ${host.split('.').slice(0, 2).join('.')}`;
}

function ofIp6(host: string): string {
  const groups = groupsOf(host);
  const [first = 0, second = 0] = groups;
  const [high = 0, low = 0] = groups.slice(6);
  if (groups.slice(0, 5).every((group) => group === 0)) {
    // An IPv4 address in IPv6's clothes, or ::1.
    if (groups[5] === 0xffff) return ofIp4([high >> 8, high & 255, low >> 8, low & 255].join('.'));
    if (groups[5] === 0 && high === 0 && low === 1) return LOCAL;
  }
  if ((first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80) return LOCAL;
  return `ip6 ${first.toString(16)}:${second.toString(16)}`;
}

/** The eight numbers of an IPv6 address; what is none gives numbers too, and so a bucket with a bound. */
function groupsOf(host: string): number[] {
  const plain = host.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(':');
  });
  const [before = '', after] = plain.split('::');
  const [head, tail] = [before, after ?? ''].map((part) => part.split(':').filter(Boolean));
  const zeros = after === undefined ? 0 : Math.max(0, 8 - (head?.length ?? 0) - (tail?.length ?? 0));
  return [...(head ?? []), ...Array(zeros).fill('0'), ...(tail ?? [])].map((group) => Number.parseInt(group, 16) || 0);
}
