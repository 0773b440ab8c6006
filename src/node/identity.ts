/** # Identity: the node's own key and token, made once, kept in files that only their owner can read. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, fromHex, toHex } from '../base/bytes.ts';

/** A key file that is not one. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

/** The libp2p seed of `<dir>/secret_ed25519` (64 hex digits), made at the first start. */
export async function nodeKey(dir: string): Promise<Bytes> {
  const path = join(dir, 'secret_ed25519');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const text = await readIfThere(path);
  if (text === undefined) {
    const seed = new Uint8Array(randomBytes(32));
    await writeFile(path, toHex(seed).slice(2), { mode: 0o600 });
    return seed;
  }
  if (!/^[0-9a-f]{64}\s*$/.test(text)) throw new IdentityError(`${path} is not 64 hex digits: restore it or remove it`);
  return fromHex(text.trim());
}

/** The token that opens PUT of blobs to processes of the same user: `<dir>/blobs.token`. */
export async function writeBlobToken(dir: string): Promise<string> {
  const path = join(dir, 'blobs.token');
  const known = await readIfThere(path);
  if (known !== undefined && /^[0-9a-f]{64}$/.test(known)) return known;
  const token = toHex(new Uint8Array(randomBytes(32))).slice(2);
  await writeFile(path, token, { mode: 0o600 });
  return token;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
