/**
 * # Session: who validates for a while, and the keys of their nodes.
 *
 * Always true: validators, keys and weights change only where a session begins; a chain without validators has no
 * sessions and nothing here is written. Whoever needs the set (finality, authoring) is told of each change.
 */
import { must } from '../../base/assert.ts';
import { type Bytes, equal } from '../../base/bytes.ts';
import { bytes, option, tryDecode, tuple, vec } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { ConfigError } from '../config.ts';
import { storageDeposit } from '../deposits.ts';
import { dispatchError } from '../errors.ts';
import { method, type Pallet, rules } from '../pallet.ts';
import type { StakingSpec } from '../spec.ts';
import { AccountId } from '../types.ts';
import { rw } from '../weights.ts';
import { reserve, unreserve } from './balances.ts';
import { remember } from './session/historical.ts';
import { KeyTypeId, ownsKeys, SessionKeys, typedKeys } from './session/keys.ts';
import { type Seat, SessionDeclared, type SessionScope } from './session/state.ts';

export { checkOwner, MembershipProof, proveOwner } from './session/historical.ts';
export { SessionDeclared } from './session/state.ts';

/** A validator of a session. */
export interface SessionAuthority extends Seat {
  readonly validator: AccountId;
  readonly keys: SessionKeys;
}

/** A session that begins; `changed`: other validators, keys or weights than in the one before. */
export interface SessionChange {
  readonly session: number;
  readonly changed: boolean;
  readonly authorities: readonly SessionAuthority[];
}

/** Hears of each session in the block that begins it, and of session 0 at genesis (block 0). */
export type SessionHandler = (at: Chain, change: SessionChange) => void;

/** Who holds a session: undefined where they are those of the one before. */
export type SessionManager = (at: Chain, session: number) => readonly PlannedSeat[] | undefined;

export interface PlannedSeat extends Seat {
  readonly validator: AccountId;
}

export interface SessionParts {
  readonly manager: SessionManager;
  readonly handlers: readonly SessionHandler[];
}

/** Three signatures of 64 bytes are checked: two ed25519, one sr25519. */
const CHECK_PS = 500_000_000n;
/** Keys, owners, and the deposit: entries and bytes that an account pays for. */
const KEY_ENTRIES = 4;
const KEY_BYTES = 4 * 32 + 3 * 36 + 96;
/** Kept per validator when a session begins: keys are read, lists and a root are written. */
const ROTATE_PS = 20_000_000_000n;

/** Blocks 1 .. sessionBlocks are session 0. */
export function sessionOf(number: number, { sessionBlocks }: StakingSpec): number {
  return Math.floor(Math.max(0, number - 1) / sessionBlocks);
}

/** The pallet, with who plans sessions and who hears of them. */
export function session({ manager, handlers }: SessionParts): Pallet<typeof SessionDeclared> {
  const begin = (at: SessionScope, index: number, planned: readonly PlannedSeat[]): void => {
    const before = at.state.AuthorityKeys.get();
    const seated = at.state.Seats.get();
    const keyed = planned.flatMap(({ validator, weight, stake }): SessionAuthority[] => {
      const keys = at.state.NextKeys.get(validator);
      return keys === undefined ? [] : [{ validator, weight, stake, keys }];
    });
    // Where everybody purged his keys nobody would be left: those before stay, with the keys that they had.
    const authorities = keyed.length > 0 ? keyed : sessionAuthorities(at);
    const keys = authorities.map(({ validator, keys: own }): [AccountId, SessionKeys] => [validator, own]);
    const seats = authorities.map(({ weight, stake }) => ({ weight, stake }));
    at.state.CurrentIndex.put(index);
    at.state.Validators.put(authorities.map(({ validator }) => validator));
    at.state.AuthorityKeys.put(keys);
    at.state.QueuedKeys.put(keys);
    at.state.Seats.put(seats);
    at.state.DisabledValidators.delete();
    remember(at, index, keys, seats);
    const changed =
      !equal(Authorities.enc(before), Authorities.enc(keys)) ||
      seats.some(({ weight }, i) => seated[i]?.weight !== weight);
    for (const handler of handlers) handler(at, { session: index, changed, authorities });
    at.emit.NewSession({ session_index: index });
  };

  return rules(SessionDeclared, {
    calls: {
      set_keys: {
        index: 0,
        doc: 'Sets the keys of the signer’s node, from the next session on; `proof` holds a signature of each.',
        args: { keys: SessionKeys, proof: bytes },
        weight: rw(10, 9, CHECK_PS),
        run(at, { keys, proof }) {
          at.ensure(ownsKeys(at, at.signer, keys, proof), 'InvalidProof');
          leaveDeposit(at, at.signer);
          setKeys(at, at.signer, keys);
        },
      },
      purge_keys: {
        index: 1,
        doc: 'Removes the signer’s keys: without them it has no seat in the next session.',
        args: {},
        weight: rw(6, 7),
        run(at) {
          const keys = at.some(at.state.NextKeys.take(at.signer), 'NoKeys');
          for (const [type, key] of typedKeys(keys)) at.state.KeyOwner.delete([type, key]);
          unreserve(at, at.signer, at.state.KeyDeposits.take(at.signer) ?? 0n);
        },
      },
    },
    hooks: {
      on_initialize(at) {
        const index = sessionOf(at.block.number, at.spec.staking);
        const turns = at.block.number > 1 && (at.block.number - 1) % at.spec.staking.sessionBlocks === 0;
        if (!turns || !at.state.Validators.has()) return;
        begin(at, index, manager(at, index) ?? standing(at));
        return rw(at.state.Validators.get().length + 8, 10, ROTATE_PS);
      },
    },
    apis: [sessionKeysApi],
    genesis: {
      // Account, validator (the same), keys: as Substrate's chain specs list them.
      config: { keys: vec(tuple(AccountId, AccountId, SessionKeys)) },
      build(at, { keys: listed }) {
        for (const [account, validator, keys] of listed) {
          if (!equal(account, validator))
            throw new ConfigError('session.keys', 'the validator of an account is itself');
          const owned = typedKeys(keys).some(([type, key]) => at.state.KeyOwner.has([type, key]));
          if (owned || at.state.NextKeys.has(account)) throw new ConfigError('session.keys', 'an account or key twice');
          setKeys(at, account, keys);
        }
      },
      close(at) {
        if (at.state.NextKeys.page(1).length === 0) return;
        const planned = manager(at, 0) ?? [];
        // A spec that names keys and no stake: all of them validate alike.
        const all = [...at.state.NextKeys.keys()].map((validator) => ({ validator, weight: 1n, stake: 0n }));
        begin(at, 0, planned.length > 0 ? planned : all);
      },
    },
    invariant: isSound,
  });
}

const Authorities = vec(tuple(AccountId, SessionKeys));

/** The seats of the session before. */
function standing(at: SessionScope): PlannedSeat[] {
  const seats = at.state.Seats.get();
  return at.state.Validators.get().map((validator, i) => ({ validator, ...must(seats[i], 'a validator has a seat') }));
}

function setKeys(at: SessionScope, account: AccountId, keys: SessionKeys): void {
  const before = at.state.NextKeys.get(account);
  for (const [type, key] of typedKeys(keys)) {
    const owner = at.state.KeyOwner.get([type, key]);
    at.ensure(owner === undefined || equal(owner, account), 'DuplicatedKey');
  }
  for (const [type, key] of before === undefined ? [] : typedKeys(before)) at.state.KeyOwner.delete([type, key]);
  for (const [type, key] of typedKeys(keys)) at.state.KeyOwner.put([type, key], account);
  at.state.NextKeys.put(account, keys);
  const queued = at.state.QueuedKeys.get();
  if (!queued.some(([who]) => equal(who, account))) return;
  at.state.QueuedKeys.put(queued.map(([who, own]) => [who, equal(who, account) ? keys : own]));
}

/** A reserve for what is stored, once. */
function leaveDeposit(at: SessionScope, account: AccountId): void {
  if (at.state.KeyDeposits.has(account) || at.state.NextKeys.has(account)) return;
  const deposit = storageDeposit(at.spec, KEY_ENTRIES, KEY_BYTES);
  reserve(at, account, deposit);
  at.state.KeyDeposits.put(account, deposit);
}

/**
 * Marks a validator as disabled until the session ends: slots plan no turns for it in epochs that follow; its seat and
 * its votes on finality stay. False where it has no seat or is marked already.
 */
export function disableValidator(chain: Chain, validator: AccountId): boolean {
  const at = chain.use(SessionDeclared);
  const place = at.state.Validators.get().findIndex((who) => equal(who, validator));
  const out = at.state.DisabledValidators.get();
  if (place < 0 || out.includes(place)) return false;
  at.state.DisabledValidators.put([...out, place].sort((a, b) => a - b));
  at.emit.ValidatorDisabled({ validator });
  return true;
}

/** The validators of the present session, in the order of their seats. */
export function sessionAuthorities(chain: Chain): SessionAuthority[] {
  const { state } = chain.use(SessionDeclared);
  const seats = state.Seats.get();
  return state.AuthorityKeys.get().map(([validator, keys], i) => {
    return { validator, keys, ...must(seats[i], 'a validator has a seat') };
  });
}

const sessionKeysApi = {
  name: 'SessionKeys',
  version: 1,
  doc: 'Keys of a validator’s node.',
  methods: {
    generate_session_keys: method({
      doc: 'Refused: keys are made by the node’s keystore (author_rotateKeys), never by a state.',
      args: { seed: option(bytes) },
      output: bytes,
      run(): Bytes {
        throw dispatchError('Unavailable');
      },
    }),
    decode_session_keys: method({
      doc: 'The keys of an encoded SessionKeys with their types; nothing where it is none.',
      args: { encoded: bytes },
      output: option(vec(tuple(bytes, KeyTypeId))),
      run(_, { encoded }): [Bytes, Bytes][] | undefined {
        const keys = tryDecode(SessionKeys, encoded);
        return keys && typedKeys(keys).map(([type, key]) => [key, type]);
      },
    }),
  },
};

function isSound(at: SessionScope): boolean | string {
  const validators = at.state.Validators.get();
  const lists = [at.state.AuthorityKeys.get(), at.state.QueuedKeys.get()];
  const same = lists.every(
    (list) => list.length === validators.length && list.every(([who], i) => equal(who, validators[i] as Bytes)),
  );
  if (!same || at.state.Seats.get().length !== validators.length) return 'validators, keys and seats differ';
  if (at.state.Seats.get().some(({ weight }) => weight === 0n)) return 'a seat without weight';
  if (at.state.DisabledValidators.get().some((place) => place >= validators.length)) return 'nobody is disabled';
  let owned = 0;
  for (const [[type, key], owner] of at.state.KeyOwner.entries()) {
    const keys = at.state.NextKeys.get(owner);
    const own = keys !== undefined && typedKeys(keys).some((one) => equal(one[0], type) && equal(one[1], key));
    if (!own) return 'a key whose owner does not have it';
    owned++;
  }
  const accounts = [...at.state.NextKeys.keys()].length;
  if (owned !== accounts * 3) return 'a key without its owner';
  const [first, end] = at.state.StoredRange.get() ?? [0, 0];
  const { bondingEras, sessionsPerEra } = at.spec.staking;
  return end - first <= (bondingEras + 1) * sessionsPerEra || 'more sessions are kept than may be judged';
}
