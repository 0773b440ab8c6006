/** # Nibble: a key is read four bits at a time, the high half of each byte first. */

/** The nibble at an index of a key in string form; the index is inside the key. */
export function nibbleAt(key: string, index: number): number {
  const code = key.charCodeAt(index >> 1);
  return (index & 1) === 0 ? code >> 4 : code & 15;
}

/**
 * The first index in [from, end) where the two keys differ or where one of them ends; `end` if there is none.
 * Both keys agree before `from`.
 */
export function divergence(a: string, b: string, from: number, end: number): number {
  const limit = Math.min(end, 2 * a.length, 2 * b.length);
  for (let i = from >> 1; 2 * i < limit; i++) {
    const differ = a.charCodeAt(i) ^ b.charCodeAt(i);
    if (differ !== 0) return Math.min(limit, differ < 16 ? 2 * i + 1 : 2 * i);
  }
  return limit;
}

/** How many of the low 16 bits are set. */
export function countBits(bits: number): number {
  let n = bits - ((bits >> 1) & 0x5555);
  n = (n & 0x3333) + ((n >> 2) & 0x3333);
  n = (n + (n >> 4)) & 0x0f0f;
  return (n + (n >> 8)) & 0x1f;
}
