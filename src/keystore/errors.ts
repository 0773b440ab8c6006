/** # KeystoreError: what can be wrong with keys on disk, as a table: code, sentence, what the operator can do. */

export const KEYSTORE_FAULTS = {
  NoPassphrase: 'keys are kept encrypted: give --password-filename or --password-interactive',
  WrongPassphrase:
    'the passphrase does not open the key: check --password-filename, or restore the file if it was changed',
  Readable: 'others on this machine can read the key: chmod 600, and consider it known',
  Plain: 'the key is not encrypted: import it with key insert --suri FILE, then remove it',
  Malformed: 'the file is no key of this keystore: restore it, or remove it',
  WrongKey: 'the secret gives another public key than the file name says: restore the file, or remove it',
  Gone: 'a key that was inserted here has no file: restore it, or take its line out of .inserted beside it',
  Missing: 'there is no such key: key insert makes one',
  Ambiguous: 'there are several such keys: name one with --public-key',
  Damaged: 'which votes left this node cannot be known: restore a copy of the file, that of the last vote',
  Disk: 'the file cannot be read or written: check free space, the health of the disk, and whose the folder is',
} as const;

export type KeystoreFault = keyof typeof KEYSTORE_FAULTS;

/** An expected failure of the keystore; `data` names a file or a key type, never a secret. */
export class KeystoreError extends Error {
  override readonly name = 'KeystoreError';
  readonly code: KeystoreFault;
  readonly data: string;

  /** What an operator far away may hear: without paths. */
  static sentence(code: KeystoreFault): string {
    return KEYSTORE_FAULTS[code];
  }

  constructor(code: KeystoreFault, data: string) {
    super(`${data}: ${KEYSTORE_FAULTS[code]}`);
    this.code = code;
    this.data = data;
  }
}
