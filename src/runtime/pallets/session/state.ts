/**
 * # Session, declared: who holds a seat now, with which keys and which weight.
 *
 * Always true: `Validators`, `AuthorityKeys`, `QueuedKeys` and `Seats` list the same accounts in the same order; a key
 * has one owner.
 */
import { boundedBytes, hash, type Of, struct, tuple, u32, u64, vec } from '../../../codec/index.ts';
import { MAX_SEATS } from '../../election/ballots.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { map, twox64Concat, value } from '../../storage.ts';
import { AccountId, Balance } from '../../types.ts';
import { KeyTypeId, SessionKeys } from './keys.ts';

/** What a seat weighs in votes on finality, and the units of stake behind it. */
export const Seat = struct({ weight: u64, stake: Balance }, { path: 'pallet_session::Seat' });
export type Seat = Of<typeof Seat>;

const SESSION = twox64Concat(u32, 'sessions are counted by the chain');
/** The longest key of any type. */
const MAX_KEY = 64;

export const SessionDeclared = pallet('Session', {
  index: 7,
  doc: 'Sessions: who holds a seat, and the keys of their nodes.',
  constants: {
    SessionLength: constant('Blocks of a session.', u32, (spec) => spec.staking.sessionBlocks),
  },
  storage: {
    Validators: value('Who holds a seat.', vec(AccountId, MAX_SEATS), []),
    CurrentIndex: value('The present session, counted from 0.', u32, 0),
    QueuedKeys: value(
      'Who holds the next session as it stands now, and its keys: an election changes it.',
      vec(tuple(AccountId, SessionKeys), MAX_SEATS),
      [],
    ),
    AuthorityKeys: value(
      'Who holds this session, and the keys that count in it.',
      vec(tuple(AccountId, SessionKeys), MAX_SEATS),
      [],
    ),
    Seats: value('Weight and stake of each of Validators.', vec(Seat, MAX_SEATS), []),
    /** At most as many as there are seats; empty again with each session. */
    DisabledValidators: value(
      'Places of validators that are out for this session, ascending.',
      vec(u32, MAX_SEATS),
      [],
    ),
    NextKeys: map('Keys of an account from the next session on.', AccountId, SessionKeys),
    KeyDeposits: map('What an account left for its keys.', AccountId, Balance),
    KeyOwner: map('The account of a key, by its type.', tuple(KeyTypeId, boundedBytes(MAX_KEY)), AccountId),
    HistoricalSessions: map('Root over keys and seats of a session, and how many seats.', SESSION, tuple(hash, u32)),
    StoredRange: value('The first session whose root is kept, and the one after the last.', tuple(u32, u32)),
  },
  events: {
    NewSession: event('A session began.', { session_index: u32 }),
    ValidatorDisabled: event('A validator is out for this session.', { validator: AccountId }),
  },
  errors: {
    InvalidProof: 'The proof does not show that the account’s node holds these keys.',
    NoAssociatedValidatorId: 'The account is none that could validate.',
    DuplicatedKey: 'One of the keys is another account’s.',
    NoKeys: 'The account has no keys.',
    NoAccount: 'The account cannot leave the deposit for its keys.',
  },
});
export type SessionScope = Scope<typeof SessionDeclared>;
