/** # StoreError: what can go wrong with the chain's memory, as a table: code, sentence, what the operator can do. */

const STORE_FAULTS = {
  CorruptDatabase: 'the database does not hold what was written to it',
  WrongGenesis: 'the directory belongs to another chain',
  DatabaseLocked: 'another process has the database open',
  NewerSchema: 'the database was written by a newer version',
  DiskError: 'the disk refused to read or write',
  UnknownBlock: 'no such block is known above the last settled one',
  WrongBlock: 'the block does not continue its parent',
  WrongStateRoot: 'the changes do not lead to the state root of the header',
  TooManyBlocks: 'too many blocks stand above the last settled one',
  TooManyWrites: 'too many bytes wait for a flush',
  TooMuchAux: 'the small records exceed their bound',
} as const;

export type StoreFault = keyof typeof STORE_FAULTS;

const HINTS: Partial<Record<StoreFault, string>> = {
  CorruptDatabase: 'run purge-chain with the same --chain and --base-path, then start again to resync',
  WrongGenesis: 'check --chain and --base-path, or run purge-chain to start over',
  DatabaseLocked: 'stop the other node, or give this one its own --base-path',
  NewerSchema: 'start the newer version, or run purge-chain and resync',
  DiskError: 'check free space and the health of the disk behind --base-path, then start again',
};

/** An expected failure of the store; `data` names what was found, never a secret. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreFault;
  readonly data: string;
  /** What the operator can do, where something can be done. */
  readonly hint: string | undefined;

  constructor(code: StoreFault, data: string, cause?: unknown) {
    const hint = HINTS[code];
    const said = hint === undefined ? '' : ` (${hint})`;
    super(`${STORE_FAULTS[code]}: ${data}${said}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.data = data;
    this.hint = hint;
  }
}
