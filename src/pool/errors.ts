/**
 * # Errors: how the pool refuses an extrinsic, in the codes and words that wallets know.
 *
 * Always true: a code means what it means in Substrate (sc-rpc-api author/error.rs, transaction_validity.rs), so that
 * unmodified clients show the right sentence.
 */
import type { TransactionValidityError } from '../runtime/errors.ts';
import { validityText } from '../runtime/errors.ts';

export const AUTHOR_ERRORS = {
  BadFormat: [1001, 'Extrinsic has invalid format', 'encode the extrinsic as this chain describes it in its metadata'],
  Verification: [1002, 'Verification Error', 'ask again: the state of the best block could not be read'],
  InvalidTransaction: [1010, 'Invalid Transaction', 'see data'],
  UnknownValidity: [1011, 'Unknown Transaction Validity', 'see data'],
  TemporarilyBanned: [1012, 'Transaction is temporarily banned', 'it became invalid a short while ago: sign a new one'],
  AlreadyImported: [1013, 'Transaction Already Imported', 'wait for it: data is its hash'],
  TooLowPriority: [1014, 'Priority is too low', 'replace a waiting transaction by one with a higher tip'],
  CycleDetected: [1015, 'Cycle Detected', 'a transaction cannot wait for itself'],
  ImmediatelyDropped: [1016, 'Immediately Dropped', 'the pool is full: add a tip, or wait'],
  Unactionable: [1018, 'Unactionable', 'the transaction is not to be propagated, and this node does not author'],
  NoTagsProvided: [1019, 'No tags provided', 'a transaction must provide something that tells it from others'],
  FutureRefused: [1021, 'Future transaction refused', 'send the transactions that come before it first'],
  Other: [1040, 'Other error', 'see data'],
} as const satisfies Record<string, readonly [code: number, sentence: string, remedy: string]>;

export type AuthorErrorName = keyof typeof AUTHOR_ERRORS;

/** A refusal as RPC answers it. */
export interface AuthorError {
  readonly name: AuthorErrorName;
  readonly code: number;
  readonly message: string;
  readonly data: string | undefined;
}

/** A refusal by name; `data` is what a wallet shows beside the sentence. */
export function authorError(name: AuthorErrorName, data?: string): AuthorError {
  const [code, message] = AUTHOR_ERRORS[name];
  return { name, code, message, data };
}

/** "Priority is too low: (a vs b)", a being what waits in the pool. */
export function tooLowPriority(old: bigint, offered: bigint): AuthorError {
  const [code, sentence] = AUTHOR_ERRORS.TooLowPriority;
  return {
    name: 'TooLowPriority',
    code,
    message: `${sentence}: (${old} vs ${offered})`,
    data: 'The transaction has too low priority to replace another transaction already in the pool.',
  };
}

/** The refusal of what the runtime calls invalid. */
export function validityError(error: TransactionValidityError): AuthorError {
  return authorError(error.type === 'Invalid' ? 'InvalidTransaction' : 'UnknownValidity', validityText(error));
}

/** What a peer is reported for, and what it does to its score. Only what can never be valid counts. */
export const POOL_FAULTS = {
  NotAnExtrinsic: ['it sent bytes that are no extrinsic', -20],
  NeverValid: ['it sent an extrinsic that can never be valid', -10],
  TooMany: ['it sends more extrinsics than it may', -2],
} as const satisfies Record<string, readonly [sentence: string, score: number]>;
export type PoolFault = keyof typeof POOL_FAULTS;

/**
 * Refusals that no state of this chain turns into an acceptance. Stale, Future, Payment, ages, and for bare calls also
 * Call and BadSigner depend on the branch that the sender sees, a custom code on whoever declared it.
 */
const NEVER_VALID: ReadonlySet<string> = new Set([
  'BadProof',
  'BadMandatory',
  'MandatoryValidation',
  'UnknownOrigin',
  'NoUnsignedValidator',
]);

/** Whether sending this to others is a fault. */
export function isNeverValid(error: TransactionValidityError): boolean {
  return NEVER_VALID.has(error.value.type);
}
