/**
 * # Proxy: accounts that act for others.
 *
 * Always true: a delegate does in another's name only what that account allowed him, of the kind and after the notice
 * that it said. A pure account is a hash that no key has (Substrate's derivation): only its delegates move it. Both
 * maps grow by deposits alone, 32 entries an account at most; the deposit of a pure account's first delegate is its
 * spawner's, and is given back by `kill_pure` only.
 */
import { type Bytes, compare, concat, equal, utf8 } from '../../base/bytes.ts';
import { compactU32, hash, option, struct, tuple, u16, u32, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { Link, RuntimeCall } from '../calls.ts';
import { storageDeposit } from '../deposits.ts';
import { DispatchResult, resultOf } from '../errors.ts';
import { constant, event, type Pallet, pallet, rules, type Scope } from '../pallet.ts';
import { map } from '../storage.ts';
import { AccountId, Balance, lookup, MultiAddress } from '../types.ts';
import { plus, rw, type Weight } from '../weights.ts';
import { changeReserve, reserve, unreserve } from './balances.ts';
import { Announcement, mayProxy, ProxyDefinition, ProxyType } from './proxy/types.ts';

const MAX_PROXIES = 32;
const MAX_PENDING = 32;
const relation = { delegator: AccountId, delegatee: AccountId, proxy_type: ProxyType, delay: u32 };

const Declared = pallet('Proxy', {
  index: 16,
  doc: 'Lets accounts act for others.',
  constants: {
    ProxyDepositBase: constant('Reserved by an account with delegates.', Balance, (spec) => storageDeposit(spec, 1, 8)),
    ProxyDepositFactor: constant('Reserved for each delegate.', Balance, (spec) => storageDeposit(spec, 0, 37)),
    MaxProxies: constant('Delegates of an account.', u32, () => MAX_PROXIES),
    MaxPending: constant('Announcements of a delegate.', u32, () => MAX_PENDING),
    AnnouncementDepositBase: constant('Reserved by a delegate who announces.', Balance, (spec) =>
      storageDeposit(spec, 1, 8),
    ),
    AnnouncementDepositFactor: constant('Reserved for each announcement.', Balance, (spec) =>
      storageDeposit(spec, 0, 68),
    ),
  },
  // Keys are accounts, and users choose those: hashed by Blake2, where Substrate takes Twox64.
  storage: {
    Proxies: map('Who may act for an account, and what is reserved for it.', AccountId, listOf(ProxyDefinition, 32), [
      [],
      0n,
    ]),
    Announcements: map(
      'Calls that a delegate announced, and what is reserved for it.',
      AccountId,
      listOf(Announcement, 32),
      [[], 0n],
    ),
  },
  events: {
    ProxyExecuted: event('A call was made for another account.', { result: DispatchResult }),
    PureCreated: event('A pure account was made; `at` and `extrinsic_index` are needed to kill it.', {
      pure: AccountId,
      who: AccountId,
      proxy_type: ProxyType,
      disambiguation_index: u16,
      at: u32,
      extrinsic_index: u32,
    }),
    PureKilled: event('A pure account was given up.', {
      pure: AccountId,
      spawner: AccountId,
      proxy_type: ProxyType,
      disambiguation_index: u16,
    }),
    Announced: event('A delegate will make a call.', { real: AccountId, proxy: AccountId, call_hash: hash }),
    ProxyAdded: event('An account has a new delegate.', relation),
    ProxyRemoved: event('An account has a delegate less.', relation),
  },
  errors: {
    TooMany: 'There are as many delegates or announcements as there may be.',
    NotFound: 'There is no such delegate or announcement.',
    NotProxy: 'The signer is no delegate of this account.',
    Unproxyable: 'A delegate with a delay must announce the call first.',
    Duplicate: 'The account has this delegate already, or exists.',
    NoPermission: 'Only the pure account itself can end itself.',
    Unannounced: 'The call was not announced, or not long enough ago.',
    NoSelfProxy: 'An account cannot be its own delegate.',
  },
});
type At = Scope<typeof Declared>;

const OVERHEAD = rw(3, 2, 50_000_000n);
const delegation = { delegate: MultiAddress, proxy_type: ProxyType, delay: u32 };

/** The pallet for a runtime: its calls hold calls of that runtime. */
export function proxy(link: Link): Pallet<typeof Declared> {
  const weight = ({ call }: { readonly call: RuntimeCall }): Weight => plus(OVERHEAD, link.info(call).weight);
  /** Makes a call in the name of `real`, bound by what the delegate may do. */
  const act = (at: At, { proxy_type }: ProxyDefinition, real: Bytes, call: RuntimeCall): Weight => {
    const allows = (one: RuntimeCall) => mayProxy(proxy_type, one);
    at.emit.ProxyExecuted({ result: resultOf(at.dispatch(call, { type: 'signed', who: real, allows })) });
    return plus(OVERHEAD, at.spent ?? link.info(call).weight);
  };
  return rules(Declared, {
    calls: {
      proxy: {
        index: 0,
        doc: 'Makes a call in the name of an account whose delegate the signer is.',
        args: { real: MultiAddress, force_proxy_type: option(ProxyType), call: link.Call },
        weight,
        run(at, { real, force_proxy_type, call }) {
          const definition = delegateOf(at, lookup(real), at.signer, force_proxy_type);
          at.ensure(definition.delay === 0, 'Unproxyable');
          return act(at, definition, lookup(real), call);
        },
      },
      add_proxy: {
        index: 1,
        doc: 'Lets `delegate` act for the signer.',
        args: delegation,
        weight: OVERHEAD,
        run(at, { delegate, proxy_type, delay }) {
          addProxy(at, { delegate: lookup(delegate), proxy_type, delay });
        },
      },
      remove_proxy: {
        index: 2,
        doc: 'Ends what `add_proxy` allowed with these arguments.',
        args: delegation,
        weight: OVERHEAD,
        run(at, { delegate, proxy_type, delay }) {
          removeProxy(at, { delegate: lookup(delegate), proxy_type, delay });
        },
      },
      remove_proxies: {
        index: 3,
        doc: 'Ends all that the signer allowed anyone; a pure account is lost by it, and its deposit.',
        args: {},
        weight: OVERHEAD,
        run(at) {
          const [, deposit] = at.state.Proxies.take(at.signer);
          unreserve(at, at.signer, deposit);
        },
      },
      create_pure: {
        index: 4,
        doc: 'Makes an account without a key, with the signer as its delegate.',
        args: { proxy_type: ProxyType, delay: u32, index: u16 },
        weight: OVERHEAD,
        run: createPure,
      },
      kill_pure: {
        index: 5,
        doc: 'Ends a pure account, which signs this; what it still owns is lost.',
        args: { spawner: MultiAddress, proxy_type: ProxyType, index: u16, height: compactU32, ext_index: compactU32 },
        weight: OVERHEAD,
        run(at, { spawner, proxy_type, index, height, ext_index }) {
          const who = lookup(spawner);
          const pure = pureAccount(who, { height, ext_index, proxy_type, index });
          at.ensure(equal(pure, at.signer), 'NoPermission');
          const [, deposit] = at.state.Proxies.take(pure);
          unreserve(at, who, deposit);
          at.emit.PureKilled({ pure, spawner: who, proxy_type, disambiguation_index: index });
        },
      },
      announce: {
        index: 6,
        doc: 'Says that the signer will make a call for `real`.',
        args: { real: MultiAddress, call_hash: hash },
        weight: OVERHEAD,
        run: (at, { real, call_hash }) => announce(at, lookup(real), call_hash),
      },
      remove_announcement: {
        index: 7,
        doc: 'Takes an announcement of the signer’s back.',
        args: { real: MultiAddress, call_hash: hash },
        weight: OVERHEAD,
        run(at, { real, call_hash }) {
          const gone = withdrawn(at, at.signer, (one) => isAbout(one, lookup(real), call_hash));
          at.ensure(gone, 'NotFound');
        },
      },
      reject_announcement: {
        index: 8,
        doc: 'Refuses what a delegate announced to do for the signer.',
        args: { delegate: MultiAddress, call_hash: hash },
        weight: OVERHEAD,
        run(at, { delegate, call_hash }) {
          const gone = withdrawn(at, lookup(delegate), (one) => isAbout(one, at.signer, call_hash));
          at.ensure(gone, 'NotFound');
        },
      },
      proxy_announced: {
        index: 9,
        doc: 'Makes a call that `delegate` announced for `real`, whoever signs this.',
        args: { delegate: MultiAddress, real: MultiAddress, force_proxy_type: option(ProxyType), call: link.Call },
        weight,
        run(at, { delegate, real, force_proxy_type, call }) {
          const definition = delegateOf(at, lookup(real), lookup(delegate), force_proxy_type);
          const call_hash = blake2_256(link.Call.enc(call));
          const isDue = (one: Announcement) =>
            isAbout(one, lookup(real), call_hash) && at.block.number - one.height >= definition.delay;
          at.ensure(withdrawn(at, lookup(delegate), isDue), 'Unannounced');
          return act(at, definition, lookup(real), call);
        },
      },
    },
    invariant(at) {
      for (const [, [proxies, deposit]] of at.state.Proxies.entries()) {
        const ordered = proxies.every((one, i) => i === 0 || order(proxies[i - 1] ?? one, one) < 0);
        if (!ordered || proxies.length === 0) return 'delegates are out of order, double or none';
        if (deposit !== proxyDeposit(at, proxies.length)) return 'delegates and their deposit disagree';
      }
      for (const [, [pending, deposit]] of at.state.Announcements.entries()) {
        if (pending.length === 0) return 'an empty list of announcements';
        if (deposit !== announcementDeposit(at, pending.length)) return 'announcements and their deposit disagree';
      }
      return true;
    },
  });
}

/** Up to `max` things of an account, and what it reserved for them. */
function listOf<T>(item: Parameters<typeof vec<T>>[0], max: number) {
  return tuple(vec(item, max), Balance);
}

const PureEntropy = struct({ who: AccountId, height: u32, ext_index: u32, proxy_type: ProxyType, index: u16 });

interface PureOrigin {
  readonly height: number;
  readonly ext_index: number;
  readonly proxy_type: ProxyType;
  readonly index: number;
}

/** The pure account that `who` made in this extrinsic, of this kind and number. */
function pureAccount(who: Bytes, made: PureOrigin): Bytes {
  return blake2_256(concat(utf8('modlpy/proxy____'), PureEntropy.enc({ who, ...made })));
}

function createPure(at: At, args: { readonly proxy_type: ProxyType; readonly delay: number; readonly index: number }) {
  const { proxy_type, delay, index } = args;
  const who = at.signer;
  const [height, extrinsic_index] = [at.block.number, at.extrinsicIndex];
  const pure = pureAccount(who, { height, ext_index: extrinsic_index, proxy_type, index });
  at.ensure(!at.state.Proxies.has(pure), 'Duplicate');
  const deposit = proxyDeposit(at, 1);
  reserve(at, who, deposit);
  at.state.Proxies.put(pure, [[{ delegate: who, proxy_type, delay }], deposit]);
  at.emit.PureCreated({ pure, who, proxy_type, disambiguation_index: index, at: height, extrinsic_index });
}

/** What `real` allowed `delegate`, of the asked kind where one is asked. */
function delegateOf(at: At, real: Bytes, delegate: Bytes, kind: ProxyType | undefined): ProxyDefinition {
  const [proxies] = at.state.Proxies.get(real);
  const found = proxies.find(
    (one) => equal(one.delegate, delegate) && (kind === undefined || one.proxy_type.type === kind.type),
  );
  return at.some(found, 'NotProxy');
}

function order(a: ProxyDefinition, b: ProxyDefinition): number {
  const kinds = compare(ProxyType.enc(a.proxy_type), ProxyType.enc(b.proxy_type));
  return compare(a.delegate, b.delegate) || kinds || a.delay - b.delay;
}

function addProxy(at: At, definition: ProxyDefinition): void {
  const delegator = at.signer;
  const { delegate, ...rest } = definition;
  at.ensure(!equal(delegate, delegator), 'NoSelfProxy');
  const [proxies] = at.state.Proxies.get(delegator);
  at.ensure(!proxies.some((one) => order(one, definition) === 0), 'Duplicate');
  at.ensure(proxies.length < MAX_PROXIES, 'TooMany');
  putProxies(at, delegator, [...proxies, definition].sort(order));
  at.emit.ProxyAdded({ delegator, delegatee: delegate, ...rest });
}

function removeProxy(at: At, definition: ProxyDefinition): void {
  const delegator = at.signer;
  const { delegate, ...rest } = definition;
  const [proxies] = at.state.Proxies.get(delegator);
  const left = proxies.filter((one) => order(one, definition) !== 0);
  at.ensure(left.length < proxies.length, 'NotFound');
  putProxies(at, delegator, left);
  at.emit.ProxyRemoved({ delegator, delegatee: delegate, ...rest });
}

function putProxies(at: At, who: Bytes, proxies: ProxyDefinition[]): void {
  const deposit = proxyDeposit(at, proxies.length);
  changeReserve(at, who, at.state.Proxies.get(who)[1], deposit);
  if (proxies.length > 0) at.state.Proxies.put(who, [proxies, deposit]);
  else at.state.Proxies.delete(who);
}

function announce(at: At, real: Bytes, call_hash: Bytes): void {
  const proxy = at.signer;
  delegateOf(at, real, proxy, undefined);
  const [pending] = at.state.Announcements.get(proxy);
  at.ensure(pending.length < MAX_PENDING, 'TooMany');
  putAnnouncements(at, proxy, [...pending, { real, call_hash, height: at.block.number }]);
  at.emit.Announced({ real, proxy, call_hash });
}

function isAbout(one: Announcement, real: Bytes, call_hash: Bytes): boolean {
  return equal(one.real, real) && equal(one.call_hash, call_hash);
}

/** Removes the announcements of a delegate that `matches` says; whether there were any. */
function withdrawn(at: At, delegate: Bytes, matches: (one: Announcement) => boolean): boolean {
  const [pending] = at.state.Announcements.get(delegate);
  const left = pending.filter((one) => !matches(one));
  if (left.length === pending.length) return false;
  putAnnouncements(at, delegate, left);
  return true;
}

function putAnnouncements(at: At, who: Bytes, pending: Announcement[]): void {
  const deposit = announcementDeposit(at, pending.length);
  changeReserve(at, who, at.state.Announcements.get(who)[1], deposit);
  if (pending.length > 0) at.state.Announcements.put(who, [pending, deposit]);
  else at.state.Announcements.delete(who);
}

function proxyDeposit({ const: fees }: At, count: number): bigint {
  return count === 0 ? 0n : fees.ProxyDepositBase + fees.ProxyDepositFactor * BigInt(count);
}

function announcementDeposit({ const: fees }: At, count: number): bigint {
  return count === 0 ? 0n : fees.AnnouncementDepositBase + fees.AnnouncementDepositFactor * BigInt(count);
}
