/**
 * # Sealed: a secret text under a passphrase, as versioned JSON.
 *
 * Always true: scrypt stretches the passphrase with a salt of its own for each file, AES-256-GCM encrypts, and the tag
 * covers the header (version, key type, scheme, public key) too, so that a file that was renamed or edited does not
 * open. What reading costs is bounded before it is spent: a foreign file cannot ask for gigabytes.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { KeystoreError } from './errors.ts';

/** 128 MiB and about 0.4 s of a core per guess (OWASP's first choice for scrypt). */
const SCRYPT = { n: 131_072, r: 8, p: 1 } as const;
/** scrypt needs 128 * n * r bytes; files that ask for more than this are refused. */
const MAX_MEMORY = 256 * 1_048_576;
const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

export interface SealedHeader {
  readonly version: 1;
  readonly keyType: string;
  readonly scheme: string;
  /** 0x and hex. */
  readonly publicKey: string;
}

interface SealedFile extends SealedHeader {
  readonly kdf: { readonly name: 'scrypt'; readonly n: number; readonly r: number; readonly p: number; salt: string };
  readonly cipher: { readonly name: 'aes-256-gcm'; readonly nonce: string; readonly text: string };
}

/** The file that keeps a secret. */
export async function seal(header: SealedHeader, secret: string, passphrase: string): Promise<string> {
  const [salt, nonce] = [randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES)];
  const key = await stretch(passphrase, salt, SCRYPT);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated(header));
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  key.fill(0);
  const file: SealedFile = {
    ...header,
    kdf: { name: 'scrypt', ...SCRYPT, salt: salt.toString('hex') },
    cipher: { name: 'aes-256-gcm', nonce: nonce.toString('hex'), text: text.toString('hex') },
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** The secret in a file, and what the file says of it. Throws KeystoreError Malformed or WrongPassphrase. */
export async function unseal(
  name: string,
  json: unknown,
  passphrase: string,
): Promise<{ readonly header: SealedHeader; readonly secret: string }> {
  const file = sealedFile(json);
  if (file === undefined) throw new KeystoreError('Malformed', name);
  const { version, keyType, scheme, publicKey } = file;
  const header: SealedHeader = { version, keyType, scheme, publicKey };
  const text = Buffer.from(file.cipher.text, 'hex');
  const key = await stretch(passphrase, Buffer.from(file.kdf.salt, 'hex'), file.kdf);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(file.cipher.nonce, 'hex'), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(associated(header));
  decipher.setAuthTag(text.subarray(-TAG_BYTES));
  try {
    const secret = Buffer.concat([decipher.update(text.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
    return { header, secret };
  } catch {
    // The one thing that GCM says: the tag is not that of this key, header and text.
    throw new KeystoreError('WrongPassphrase', name);
  } finally {
    key.fill(0);
  }
}

function associated({ version, keyType, scheme, publicKey }: SealedHeader): Buffer {
  return Buffer.from(JSON.stringify([version, keyType, scheme, publicKey]), 'utf8');
}

function stretch(passphrase: string, salt: Buffer, { n, r, p }: typeof SCRYPT | SealedFile['kdf']): Promise<Buffer> {
  const options = { N: n, r, p, maxmem: 2 * MAX_MEMORY };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function sealedFile(json: unknown): SealedFile | undefined {
  const file = json as SealedFile;
  if (typeof file !== 'object' || file === null || file.version !== 1) return undefined;
  const { kdf, cipher } = file;
  const texts = [file.keyType, file.scheme, file.publicKey, kdf?.salt, cipher?.nonce, cipher?.text];
  if (!texts.every((text) => typeof text === 'string')) return undefined;
  if (kdf.name !== 'scrypt' || cipher.name !== 'aes-256-gcm') return undefined;
  const { n, r, p } = kdf;
  const numbers = [n, r, p].every((value) => Number.isInteger(value) && value >= 1);
  const isPower = numbers && n >= 2 && (n & (n - 1)) === 0;
  if (!isPower || 128 * n * r > MAX_MEMORY || p > 4) return undefined;
  const hexes = [cipher.nonce, cipher.text, kdf.salt].every((hex) => /^([0-9a-f]{2})+$/.test(hex));
  if (!hexes || cipher.nonce.length !== 2 * NONCE_BYTES || cipher.text.length <= 2 * TAG_BYTES) return undefined;
  return file;
}
