/**
 * # Preimage: bytes that others know by their hash: calls too long to be carried around.
 *
 * Always true: what an account noted is held for by a deposit on it, by length, until it takes the bytes back; what
 * nobody paid for is there because the chain itself asked for it. What is asked for stays while it is.
 */
import type { Bytes } from '../../base/bytes.ts';
import { equal } from '../../base/bytes.ts';
import { boundedBytes, bytes, hash, named, type Of, option, struct, tuple, u32, variant } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { Chain } from '../chain.ts';
import { storageDeposit } from '../deposits.ts';
import { event, pallet, rules, type Scope } from '../pallet.ts';
import { identity, map } from '../storage.ts';
import { AccountId, Balance } from '../types.ts';
import { rw } from '../weights.ts';
import { Balances, hold, release } from './balances.ts';

// Nothing longer fits into a block.
const MAX_SIZE = 4 * 1_048_576;
const REASON = { type: 'Preimage', value: { type: 'Preimage' } } as const;
const isHash = 'hashes are even already';

/** Who paid for bytes, and how much. */
const Ticket = tuple(AccountId, named('frame_support::traits::tokens::fungible::HoldConsideration', Balance));
type Ticket = Of<typeof Ticket>;

const RequestStatus = variant(
  {
    Unrequested: struct({ ticket: Ticket, len: u32 }),
    Requested: struct({ maybe_ticket: option(Ticket), count: u32, maybe_len: option(u32) }),
  },
  {
    path: 'pallet_preimage::RequestStatus',
    params: [
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'Ticket', shape: Ticket.shape },
    ],
  },
);
type RequestStatus = Of<typeof RequestStatus>;

const Declared = pallet('Preimage', {
  index: 14,
  doc: 'Keeps bytes by their hash.',
  storage: {
    RequestStatusFor: map('Who noted or asked for bytes.', identity(hash, isHash), RequestStatus),
    PreimageFor: map('The bytes, by hash and length.', identity(tuple(hash, u32), isHash), boundedBytes(MAX_SIZE)),
  },
  events: {
    Noted: event('Bytes were noted.', { hash }),
    Requested: event('Bytes were asked for.', { hash }),
    Cleared: event('Bytes were removed.', { hash }),
  },
  errors: {
    TooBig: 'The bytes are longer than 4 MiB.',
    AlreadyNoted: 'The bytes were noted before.',
    NotAuthorized: 'Another account noted the bytes.',
    NotNoted: 'Nobody noted these bytes.',
    NotRequested: 'Nobody asks for these bytes.',
  },
});
type At = Scope<typeof Declared>;

// Hashing and storing: 100 MB/s.
const PS_PER_BYTE = 10_000n;

export const Preimage = rules(Declared, {
  calls: {
    note_preimage: {
      index: 0,
      doc: 'Keeps bytes for a deposit, or for nothing where they are asked for.',
      args: { bytes },
      weight: (args) => rw(3, 4, BigInt(args.bytes.length) * PS_PER_BYTE),
      origin: 'any',
      run(at, args) {
        note(at, args.bytes, at.origin.type === 'signed' ? at.signer : undefined);
      },
    },
    unnote_preimage: {
      index: 1,
      doc: 'Takes bytes back; the deposit is free again.',
      args: { hash },
      weight: rw(3, 4),
      origin: 'any',
      run(at, args) {
        unnote(at, args.hash, at.origin.type === 'signed' ? at.signer : undefined);
      },
    },
    request_preimage: {
      index: 2,
      doc: 'Asks for bytes: they stay, and whoever notes them pays nothing.',
      args: { hash },
      weight: rw(1, 1),
      origin: 'root',
      run(at, args) {
        request(at, args.hash);
      },
    },
    unrequest_preimage: {
      index: 3,
      doc: 'Asks for bytes no more.',
      args: { hash },
      weight: rw(2, 3),
      origin: 'root',
      run(at, args) {
        at.ensure(unrequest(at, args.hash), 'NotRequested');
      },
    },
  },
  invariant(at) {
    const held = new Map<string, bigint>();
    const add = (who: Bytes, amount: bigint) => held.set(who.join(), (held.get(who.join()) ?? 0n) + amount);
    for (const [key, status] of at.state.RequestStatusFor.entries()) {
      const [ticket, len] = known(status);
      if (len !== undefined && !at.state.PreimageFor.has([key, len])) return 'noted bytes are missing';
      if (status.type === 'Requested' && status.value.count === 0) return 'a request that nobody made';
      if (ticket !== undefined) add(ticket[0], ticket[1]);
    }
    for (const [[key, len], content] of at.state.PreimageFor.entries()) {
      if (content.length !== len || !equal(blake2_256(content), key)) return 'bytes under another hash or length';
      const status = at.state.RequestStatusFor.get(key);
      if (status === undefined || known(status)[1] !== len) return 'bytes that nobody noted';
    }
    for (const [who, holds] of at.use(Balances).state.Holds.entries()) {
      const amount = holds.find(({ id }) => id.type === 'Preimage')?.amount;
      if (amount !== undefined) add(who, -amount);
    }
    return [...held.values()].every((rest) => rest === 0n) || 'tickets are not what is held';
  },
});

/** The deposit on bytes and their length, as far as there are any. */
function known(status: RequestStatus): [Ticket | undefined, number | undefined] {
  const { type, value } = status;
  return type === 'Unrequested' ? [value.ticket, value.len] : [value.maybe_ticket, value.maybe_len];
}

function note(at: At, content: Bytes, depositor: Bytes | undefined): Bytes {
  at.ensure(content.length <= MAX_SIZE, 'TooBig');
  const key = blake2_256(content);
  const len = content.length;
  const status = at.state.RequestStatusFor.get(key);
  if (status?.type === 'Requested') {
    put(at, key, { ...status.value, maybe_len: len });
  } else if (depositor === undefined) {
    put(at, key, { maybe_ticket: status?.value.ticket, count: 1, maybe_len: len });
  } else {
    at.ensure(status === undefined, 'AlreadyNoted');
    // Two entries: the bytes, and who noted them.
    const deposit = storageDeposit(at.spec, 2, len);
    hold(at, REASON, depositor, deposit);
    at.state.RequestStatusFor.put(key, { type: 'Unrequested', value: { ticket: [depositor, deposit], len } });
  }
  at.state.PreimageFor.put([key, len], content);
  at.emit.Noted({ hash: key });
  return key;
}

function put(at: At, key: Bytes, value: Extract<RequestStatus, { type: 'Requested' }>['value']): void {
  at.state.RequestStatusFor.put(key, { type: 'Requested', value });
}

function unnote(at: At, key: Bytes, owner: Bytes | undefined): void {
  const status = at.some(at.state.RequestStatusFor.get(key), 'NotNoted');
  const [ticket] = known(status);
  const isOwner = owner === undefined || (ticket !== undefined && equal(ticket[0], owner));
  at.ensure(isOwner, 'NotAuthorized');
  if (ticket !== undefined) release(at, REASON, ticket[0], ticket[1]);
  if (status.type === 'Unrequested') clear(at, key, status.value.len);
  else if (ticket !== undefined) put(at, key, { ...status.value, maybe_ticket: undefined });
  else unrequest(at, key);
}

function clear(at: At, key: Bytes, len: number): void {
  at.state.RequestStatusFor.delete(key);
  at.state.PreimageFor.delete([key, len]);
  at.emit.Cleared({ hash: key });
}

function request(at: At, key: Bytes): void {
  const status = at.state.RequestStatusFor.get(key);
  const [maybe_ticket, maybe_len] = status === undefined ? [undefined, undefined] : known(status);
  const count = status?.type === 'Requested' ? status.value.count + 1 : 1;
  put(at, key, { maybe_ticket, count, maybe_len });
  if (count === 1) at.emit.Requested({ hash: key });
}

/** Ends one request; whether there was one. */
function unrequest(at: At, key: Bytes): boolean {
  const status = at.state.RequestStatusFor.get(key);
  if (status?.type !== 'Requested') return false;
  const { count, maybe_ticket: ticket, maybe_len: len } = status.value;
  if (count > 1) put(at, key, { ...status.value, count: count - 1 });
  else if (len === undefined) at.state.RequestStatusFor.delete(key);
  else if (ticket === undefined) clear(at, key, len);
  else at.state.RequestStatusFor.put(key, { type: 'Unrequested', value: { ticket, len } });
  return true;
}

/** Keeps bytes for the chain itself, asked for once; whoever ends that request removes them. */
export function keepBytes(chain: Chain, content: Bytes): Bytes {
  const at = chain.use(Declared);
  const key = blake2_256(content);
  const status = at.state.RequestStatusFor.get(key);
  if (status === undefined || known(status)[1] === undefined) note(at, content, undefined);
  if (status !== undefined) request(at, key);
  return key;
}

/** The bytes of this hash and length, if they are there. */
export function keptBytes(chain: Chain, key: Bytes, len: number): Bytes | undefined {
  return chain.use(Declared).state.PreimageFor.get([key, len]);
}

/** Asks once more for bytes that were asked for. */
export function keepOn(chain: Chain, key: Bytes): void {
  request(chain.use(Declared), key);
}

/** Ends a request of the chain itself. */
export function letGo(chain: Chain, key: Bytes): void {
  unrequest(chain.use(Declared), key);
}
