/** # Exit codes: which code an error that an operator can mend ends the process with (docs/operator.md). */

import { KeystoreError } from '../keystore/errors.ts';

/** By name, since each room has its own class; the message is the one line that is printed. */
const OPERATOR_ERRORS: Readonly<Record<string, number>> = {
  ChainSpecError: 2,
  ConfigError: 2,
  CorpusError: 2,
  IdentityError: 2,
  KeystoreError: 2,
  SecretError: 2,
  Ss58Error: 2,
  ServerFailed: 3,
  MetricsFailed: 3,
  P2pError: 3,
  StoreError: 4,
  BlobError: 4,
  OfflineError: 5,
  SnapshotError: 5,
};

/** Whatever file it was that the disk refused. */
const DISK = 4;

/** The code for an operator's error; undefined for what is a fault of ours. */
export function operatorCode(error: unknown): number | undefined {
  if (error instanceof KeystoreError && error.code === 'Disk') return DISK;
  return error instanceof Error ? OPERATOR_ERRORS[error.name] : undefined;
}
