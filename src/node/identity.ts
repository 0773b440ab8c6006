/** # Identity: the node's own key and token, made once, kept in files that only their owner can read. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, fromHex, toHex } from '../base/bytes.ts';
import { ed25519PublicKey } from '../crypto/ed25519.ts';

/** A key file that is not one. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

/**
 * The libp2p seed of `<dir>/secret_ed25519` (64 hex digits), made at the first start. `public_ed25519` beside it says
 * which key it is: peers know the node by it, and one flipped bit would give it another name. IdentityError when the
 * two do not fit, or the secret is gone.
 */
export async function nodeKey(dir: string): Promise<Bytes> {
  const [path, publicPath] = [join(dir, 'secret_ed25519'), join(dir, 'public_ed25519')];
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const known = await readIfThere(publicPath);
  let text = await readIfThere(path);
  if (text === undefined) {
    if (known !== undefined) throw new IdentityError(`${path} is gone: restore it, or remove ${publicPath} too`);
    text = toHex(new Uint8Array(randomBytes(32))).slice(2);
    await writeWhole(path, text);
  }
  if (!/^[0-9a-f]{64}\s*$/.test(text)) throw new IdentityError(`${path} is not 64 hex digits: restore it or remove it`);
  const seed = fromHex(text.trim());
  const publicKey = toHex(ed25519PublicKey(seed)).slice(2);
  if (known === undefined) await writeWhole(publicPath, publicKey);
  else if (known.trim() !== publicKey) {
    throw new IdentityError(
      `${path} is another key than before: restore it, or remove ${publicPath} to change the name`,
    );
  }
  return seed;
}

/** The token that opens PUT of blobs to processes of the same user: `<dir>/blobs.token`. */
export async function writeBlobToken(dir: string): Promise<string> {
  const path = join(dir, 'blobs.token');
  const known = await readIfThere(path);
  if (known !== undefined && /^[0-9a-f]{64}$/.test(known)) return known;
  const token = toHex(new Uint8Array(randomBytes(32))).slice(2);
  await writeWhole(path, token);
  return token;
}

/** Writes beside, syncs and renames: after a power cut the file is whole or not there. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  await rm(beside, { force: true });
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
