/** # Blob errors: one table of what can go wrong with stored and fetched bytes. */

export const BLOB_FAULTS = {
  BadId: 'a blob id is 32 bytes, written as 64 lower-case hex digits',
  Empty: 'an empty string of bytes is no blob',
  TooLarge: 'the blob is larger than allowed',
  Full: 'the store is full of pinned blobs: raise its size, or unpin',
  Mismatch: 'the bytes do not hash to the id',
  NotFound: 'no connected peer has the blob',
  Incomplete: 'the peers that had the blob stopped giving it: what arrived is kept, try again',
} as const;

export type BlobFault = keyof typeof BLOB_FAULTS;

export class BlobError extends Error {
  override readonly name = 'BlobError';
  readonly code: BlobFault;
  readonly data: string;

  constructor(code: BlobFault, data: string) {
    super(`${BLOB_FAULTS[code]} (${data})`);
    this.code = code;
    this.data = data;
  }
}
