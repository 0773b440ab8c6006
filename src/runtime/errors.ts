/**
 * # Errors: how a call fails, and how a transaction is refused.
 *
 * Always true: a failure is a value that wallets decode (polkadot-sdk's enums, same order); it is thrown only between a
 * pallet and the executive, which turns it into an event or into a refusal. Anything else thrown is a bug.
 */
import { fixed, type Of, result, struct, tuple, u8, unit, variant } from '../codec/index.ts';

const ModuleError = struct({ index: u8, error: fixed(4) }, { path: 'sp_runtime::ModuleError' });

export const TokenError = variant(
  {
    FundsUnavailable: unit,
    OnlyProvider: unit,
    BelowMinimum: unit,
    CannotCreate: unit,
    UnknownAsset: unit,
    Frozen: unit,
    Unsupported: unit,
    CannotCreateHold: unit,
    NotExpendable: unit,
    Blocked: unit,
  },
  { path: 'sp_runtime::TokenError' },
);
export type TokenErrorName = Of<typeof TokenError>['type'];

const ArithmeticError = variant(
  { Underflow: unit, Overflow: unit, DivisionByZero: unit },
  { path: 'sp_arithmetic::ArithmeticError' },
);

const TransactionalError = variant({ LimitReached: unit, NoLayer: unit }, { path: 'sp_runtime::TransactionalError' });

const TrieError = variant(
  {
    InvalidStateRoot: unit,
    IncompleteDatabase: unit,
    ValueAtIncompleteKey: unit,
    DecoderError: unit,
    InvalidHash: unit,
    DuplicateKey: unit,
    ExtraneousNode: unit,
    ExtraneousValue: unit,
    ExtraneousHashReference: unit,
    InvalidChildReference: unit,
    ValueMismatch: unit,
    IncompleteProof: unit,
    RootMismatch: unit,
    DecodeError: unit,
  },
  { path: 'sp_runtime::proving_trie::TrieError' },
);

export const DispatchError = variant(
  {
    Other: unit,
    CannotLookup: unit,
    BadOrigin: unit,
    Module: ModuleError,
    ConsumerRemaining: unit,
    NoProviders: unit,
    TooManyConsumers: unit,
    Token: TokenError,
    Arithmetic: ArithmeticError,
    Transactional: TransactionalError,
    Exhausted: unit,
    Corruption: unit,
    Unavailable: unit,
    RootNotAllowed: unit,
    Trie: TrieError,
  },
  { path: 'sp_runtime::DispatchError' },
);
export type DispatchError = Of<typeof DispatchError>;

/** How a call ended, as events and runtime APIs say it. */
export const DispatchResult = result(unit, DispatchError);
export type DispatchResult = Of<typeof DispatchResult>;

/** The result of a call that failed so, if it did. */
export function resultOf(error: DispatchError | undefined): DispatchResult {
  return error === undefined ? { type: 'Ok', value: undefined } : { type: 'Err', value: error };
}

/** The failure of a call that another call made, to be thrown. */
export function passOn(error: DispatchError): DispatchFailure {
  return new DispatchFailure(error, `a call within failed: ${error.type}`);
}

/** A call that failed; everything that it wrote is undone. */
export class DispatchFailure extends Error {
  override readonly name = 'DispatchFailure';
  readonly error: DispatchError;

  constructor(error: DispatchError, message: string) {
    super(message);
    this.error = error;
  }
}

/** A failure about funds, to be thrown. */
export function tokenError(name: TokenErrorName): DispatchFailure {
  return new DispatchFailure({ type: 'Token', value: { type: name } }, `Token.${name}`);
}

/** The failure of a call that reckons what cannot be stored: always a bug, but one that costs the call alone. */
export function arithmeticError(name: Of<typeof ArithmeticError>['type']): DispatchFailure {
  return new DispatchFailure({ type: 'Arithmetic', value: { type: name } }, `Arithmetic.${name}`);
}

type BareErrorName = Exclude<DispatchError['type'], 'Module' | 'Token' | 'Arithmetic' | 'Transactional' | 'Trie'>;

/** A failure that carries no data, to be thrown. */
export function dispatchError(name: BareErrorName): DispatchFailure {
  return new DispatchFailure({ type: name }, name);
}

export const InvalidTransaction = variant(
  {
    Call: unit,
    Payment: unit,
    Future: unit,
    Stale: unit,
    BadProof: unit,
    AncientBirthBlock: unit,
    ExhaustsResources: unit,
    Custom: tuple(u8),
    BadMandatory: unit,
    MandatoryValidation: unit,
    BadSigner: unit,
    IndeterminateImplicit: unit,
    UnknownOrigin: unit,
  },
  { path: 'sp_runtime::transaction_validity::InvalidTransaction' },
);

const UnknownTransaction = variant(
  { CannotLookup: unit, NoUnsignedValidator: unit, Custom: tuple(u8) },
  { path: 'sp_runtime::transaction_validity::UnknownTransaction' },
);

export const TransactionValidityError = variant(
  { Invalid: InvalidTransaction, Unknown: UnknownTransaction },
  { path: 'sp_runtime::transaction_validity::TransactionValidityError' },
);
export type TransactionValidityError = Of<typeof TransactionValidityError>;

export type InvalidName = Exclude<Of<typeof InvalidTransaction>['type'], 'Custom'>;

/** What each refusal says to a person: the texts of transaction_validity.rs, which wallets show. */
const VALIDITY_TEXTS: Readonly<Record<InvalidName | 'CannotLookup' | 'NoUnsignedValidator', string>> = {
  Call: 'Transaction call is not expected',
  Payment: 'Inability to pay some fees (e.g. account balance too low)',
  Future: 'Transaction will be valid in the future',
  Stale: 'Transaction is outdated',
  BadProof: 'Transaction has a bad signature',
  AncientBirthBlock: 'Transaction has an ancient birth block',
  ExhaustsResources: 'Transaction would exhaust the block limits',
  BadMandatory: 'A call was labelled as mandatory, but resulted in an Error.',
  MandatoryValidation: 'Transaction dispatch is mandatory; transactions must not be validated.',
  BadSigner: 'Invalid signing address',
  IndeterminateImplicit: 'The implicit data was unable to be calculated',
  UnknownOrigin: 'The transaction extension did not authorize any origin',
  CannotLookup: 'Could not lookup information required to validate the transaction',
  NoUnsignedValidator: 'Could not find an unsigned validator for the unsigned transaction',
};

/** The sentence of a refusal. */
export function validityText(error: TransactionValidityError): string {
  const inner = error.value;
  if (inner.type === 'Custom') return `${error.type} transaction, custom code ${inner.value[0]}`;
  return VALIDITY_TEXTS[inner.type];
}

/** A transaction that does not enter a block; nothing of it stays. */
export class ValidityFailure extends Error {
  override readonly name = 'ValidityFailure';
  readonly error: TransactionValidityError;

  constructor(error: TransactionValidityError) {
    super(validityText(error));
    this.error = error;
  }
}

/** An invalid transaction, to be thrown; a number is a custom code. */
export function invalid(reason: InvalidName | number): ValidityFailure {
  if (typeof reason === 'number') {
    return new ValidityFailure({ type: 'Invalid', value: { type: 'Custom', value: [reason] } });
  }
  return new ValidityFailure({ type: 'Invalid', value: { type: reason } });
}

/** A transaction that cannot be judged here, to be thrown. */
export function unknownTransaction(reason: 'CannotLookup' | 'NoUnsignedValidator'): ValidityFailure {
  return new ValidityFailure({ type: 'Unknown', value: { type: reason } });
}
