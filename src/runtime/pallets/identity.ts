/**
 * # Identity: who an account says it is, and who vouches for that.
 *
 * Always true: whoever says something pays a deposit for its bytes; a judgement holds for the identity that was judged
 * and for no later one, but that it was paid for or is `Erroneous` stays. A sub-account has one identity at most, and
 * its entry is in both maps or in neither.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { compact, compactU32, hash, tuple, u32, u64, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { rules } from '../pallet.ts';
import { AccountId, lookup, MultiAddress } from '../types.ts';
import { rw } from '../weights.ts';
import { burn, changeReserve, repatriate, reserve, slashReserved, unreserve } from './balances.ts';
import {
  Data,
  IdentityDeclared,
  IdentityInfo,
  type IdentityScope,
  Judgement,
  MAX_REGISTRARS,
  MAX_SUBS,
  type RegistrarInfo,
  type Registration,
} from './identity/state.ts';

// An identity is up to 7 KB.
const WEIGHT = rw(3, 3, 100_000_000n);
/** The weight of what touches so many sub-accounts. */
const withSubs = (count: number) => rw(3 + count, 3 + count, 50_000_000n);
const ofSub = { sub: MultiAddress, data: Data };

export const Identity = rules(IdentityDeclared, {
  calls: {
    add_registrar: {
      index: 0,
      doc: 'Lets an account judge identities.',
      args: { account: MultiAddress },
      weight: WEIGHT,
      origin: 'root',
      run(at, { account }) {
        const registrars = at.state.Registrars.get();
        at.ensure(registrars.length < MAX_REGISTRARS, 'TooManyRegistrars');
        at.state.Registrars.put([...registrars, { account: lookup(account), fee: 0n, fields: 0n }]);
        at.emit.RegistrarAdded({ registrar_index: registrars.length });
      },
    },
    set_identity: {
      index: 1,
      doc: 'Says who the signer is; judgements of what he said before are gone.',
      args: { info: IdentityInfo },
      weight: WEIGHT,
      run(at, { info }) {
        const before = at.state.IdentityOf.get(at.signer);
        const deposit = identityDeposit(at, info);
        changeReserve(at, at.signer, before?.deposit ?? 0n, deposit);
        const judgements = (before?.judgements ?? []).filter(([, judgement]) => isSticky(judgement));
        at.state.IdentityOf.put(at.signer, { judgements, deposit, info });
        at.emit.IdentitySet({ who: at.signer });
      },
    },
    set_subs: {
      index: 2,
      doc: 'Names all sub-accounts of the signer anew.',
      args: { subs: vec(tuple(AccountId, Data)) },
      weight: ({ subs }) => withSubs(MAX_SUBS + subs.length),
      run: (at, { subs }) => setSubs(at, at.signer, subs),
    },
    clear_identity: {
      index: 3,
      doc: 'Takes back who the signer is, with sub-accounts and deposits.',
      args: {},
      weight: withSubs(MAX_SUBS),
      run(at) {
        const deposit = remove(at, at.signer);
        unreserve(at, at.signer, deposit);
        at.emit.IdentityCleared({ who: at.signer, deposit });
      },
    },
    request_judgement: {
      index: 4,
      doc: 'Asks a registrar to judge, for at most `max_fee`.',
      args: { reg_index: compactU32, max_fee: compact },
      weight: WEIGHT,
      run(at, { reg_index, max_fee }) {
        const { fee } = at.some(at.state.Registrars.get()[reg_index], 'EmptyIndex');
        at.ensure(fee <= max_fee, 'FeeChanged');
        const identity = at.some(at.state.IdentityOf.get(at.signer), 'NoIdentity');
        const before = judgementOf(identity, reg_index);
        at.ensure(before === undefined || !isSticky(before), 'StickyJudgement');
        reserve(at, at.signer, fee);
        judge(at, at.signer, identity, [reg_index, { type: 'FeePaid', value: [fee] }]);
        at.emit.JudgementRequested({ who: at.signer, registrar_index: reg_index });
      },
    },
    cancel_request: {
      index: 5,
      doc: 'Asks a registrar no more; his fee is free again.',
      args: { reg_index: u32 },
      weight: WEIGHT,
      run(at, { reg_index }) {
        const identity = at.some(at.state.IdentityOf.get(at.signer), 'NoIdentity');
        const judgement = at.some(judgementOf(identity, reg_index), 'NotFound');
        if (judgement.type !== 'FeePaid') return at.fail('JudgementGiven');
        unreserve(at, at.signer, judgement.value[0]);
        const judgements = identity.judgements.filter(([index]) => index !== reg_index);
        at.state.IdentityOf.put(at.signer, { ...identity, judgements });
        at.emit.JudgementUnrequested({ who: at.signer, registrar_index: reg_index });
      },
    },
    set_fee: {
      index: 6,
      doc: 'Says what a registrar, the signer, asks for.',
      args: { index: compactU32, fee: compact },
      weight: WEIGHT,
      run: (at, { index, fee }) => changeRegistrar(at, index, { fee }),
    },
    set_account_id: {
      index: 7,
      doc: 'Hands the part of a registrar, the signer, to another account.',
      args: { index: compactU32, new: MultiAddress },
      weight: WEIGHT,
      run: (at, { index, new: account }) => changeRegistrar(at, index, { account: lookup(account) }),
    },
    set_fields: {
      index: 8,
      doc: 'Says which fields a registrar, the signer, looks at.',
      args: { index: compactU32, fields: u64 },
      weight: WEIGHT,
      run: (at, { index, fields }) => changeRegistrar(at, index, { fields }),
    },
    provide_judgement: {
      index: 9,
      doc: 'Judges the identity of this hash, as a registrar, who is paid what was set aside.',
      args: { reg_index: compactU32, target: MultiAddress, judgement: Judgement, identity: hash },
      weight: WEIGHT,
      run(at, { reg_index, target, judgement, identity }) {
        at.ensure(judgement.type !== 'FeePaid', 'InvalidJudgement');
        registrarOf(at, reg_index);
        const who = lookup(target);
        const found = at.some(at.state.IdentityOf.get(who), 'InvalidTarget');
        at.ensure(equal(blake2_256(IdentityInfo.enc(found.info)), identity), 'JudgementForDifferentIdentity');
        const asked = judgementOf(found, reg_index);
        if (asked?.type === 'FeePaid') repatriate(at, who, at.signer, asked.value[0]);
        judge(at, who, found, [reg_index, judgement]);
        at.emit.JudgementGiven({ target: who, registrar_index: reg_index });
      },
    },
    kill_identity: {
      index: 10,
      doc: 'Removes a false identity; its deposits are burned.',
      args: { target: MultiAddress },
      weight: withSubs(MAX_SUBS),
      origin: 'root',
      run(at, { target }) {
        const who = lookup(target);
        const deposit = remove(at, who);
        burn(at, slashReserved(at, who, deposit));
        at.emit.IdentityKilled({ who, deposit });
      },
    },
    add_sub: {
      index: 11,
      doc: 'Lets an account share the signer’s identity.',
      args: ofSub,
      weight: WEIGHT,
      run: (at, { sub, data }) => addSub(at, lookup(sub), data),
    },
    rename_sub: {
      index: 12,
      doc: 'Gives a sub-account of the signer another name.',
      args: ofSub,
      weight: WEIGHT,
      run(at, { sub, data }) {
        ownSub(at, lookup(sub), 'NotOwned');
        at.state.SuperOf.put(lookup(sub), [at.signer, data]);
        at.emit.SubIdentityRenamed({ sub: lookup(sub), main: at.signer });
      },
    },
    remove_sub: {
      index: 13,
      doc: 'Takes a sub-account out of the signer’s identity.',
      args: { sub: MultiAddress },
      weight: WEIGHT,
      run(at, { sub }) {
        ownSub(at, lookup(sub), 'NotSub');
        const deposit = dropSub(at, at.signer, lookup(sub));
        unreserve(at, at.signer, deposit);
        at.emit.SubIdentityRemoved({ sub: lookup(sub), main: at.signer, deposit });
      },
    },
    quit_sub: {
      index: 14,
      doc: 'Leaves the identity that the signer shares, and takes its deposit.',
      args: {},
      weight: WEIGHT,
      run(at) {
        const [main] = at.some(at.state.SuperOf.get(at.signer), 'NotSub');
        const deposit = dropSub(at, main, at.signer);
        repatriate(at, main, at.signer, deposit);
        at.emit.SubIdentityRevoked({ sub: at.signer, main, deposit });
      },
    },
  },
  invariant(at) {
    let subs = 0;
    for (const [, { deposit, info, judgements }] of at.state.IdentityOf.entries()) {
      if (deposit !== identityDeposit(at, info)) return 'an identity and its deposit disagree';
      const ordered = judgements.every(([index], i) => i === 0 || (judgements[i - 1]?.[0] ?? 0) < index);
      if (!ordered) return 'judgements are out of order or double';
    }
    for (const [main, [deposit, ids]] of at.state.SubsOf.entries()) {
      subs += ids.length;
      if (ids.length === 0 || !at.state.IdentityOf.has(main)) return 'sub-accounts of nobody, or none';
      if (deposit !== at.const.SubAccountDeposit * BigInt(ids.length)) return 'sub-accounts and deposit disagree';
      const claimed = ids.every((one) => equal(at.state.SuperOf.get(one)?.[0] ?? new Uint8Array(0), main));
      if (!claimed) return 'a sub-account does not know its identity';
    }
    return [...at.state.SuperOf.keys()].length === subs || 'a sub-account that its identity does not know';
  },
});

function identityDeposit(at: IdentityScope, info: IdentityInfo): bigint {
  return at.const.BasicDeposit + at.const.ByteDeposit * BigInt(IdentityInfo.enc(info).length);
}

/** Whether a judgement outlives the identity that it was about. */
function isSticky({ type }: Judgement): boolean {
  return type === 'FeePaid' || type === 'Erroneous';
}

function judgementOf({ judgements }: Registration, registrar: number): Judgement | undefined {
  return judgements.find(([index]) => index === registrar)?.[1];
}

/** Sets what a registrar says, in the order of registrars: never more of them than there are. */
function judge(at: IdentityScope, who: Bytes, identity: Registration, said: [number, Judgement]): void {
  const others = identity.judgements.filter(([index]) => index !== said[0]);
  const judgements = [...others, said].sort(([a], [b]) => a - b);
  at.state.IdentityOf.put(who, { ...identity, judgements });
}

function registrarOf(at: IdentityScope, index: number): RegistrarInfo {
  const found = at.some(at.state.Registrars.get()[index], 'InvalidIndex');
  at.ensure(equal(found.account, at.signer), 'InvalidIndex');
  return found;
}

function changeRegistrar(at: IdentityScope, index: number, change: Partial<RegistrarInfo>): void {
  const changed = { ...registrarOf(at, index), ...change };
  at.state.Registrars.mutate((registrars) => registrars.toSpliced(index, 1, changed));
}

/** Removes an identity and all that hangs on it; returns what was reserved for it. */
function remove(at: IdentityScope, who: Bytes): bigint {
  const { deposit, judgements } = at.some(at.state.IdentityOf.take(who), 'NoIdentity');
  const [subsDeposit, ids] = at.state.SubsOf.take(who);
  for (const id of ids) at.state.SuperOf.delete(id);
  return judgements.reduce(
    (sum, [, judgement]) => (judgement.type === 'FeePaid' ? sum + judgement.value[0] : sum),
    deposit + subsDeposit,
  );
}

function setSubs(at: IdentityScope, main: Bytes, subs: readonly [Bytes, Data][]): void {
  at.ensure(at.state.IdentityOf.has(main), 'NotFound');
  at.ensure(subs.length <= MAX_SUBS, 'TooManySubAccounts');
  const [before, old] = at.state.SubsOf.get(main);
  for (const id of old) at.state.SuperOf.delete(id);
  for (const [id, name] of subs) {
    at.ensure(!at.state.SuperOf.has(id), 'AlreadyClaimed');
    at.state.SuperOf.put(id, [main, name]);
  }
  const new_deposit = at.const.SubAccountDeposit * BigInt(subs.length);
  changeReserve(at, main, before, new_deposit);
  putSubs(
    at,
    main,
    new_deposit,
    subs.map(([id]) => id),
  );
  at.emit.SubIdentitiesSet({ main, number_of_subs: subs.length, new_deposit });
}

function putSubs(at: IdentityScope, main: Bytes, deposit: bigint, ids: Bytes[]): void {
  if (ids.length > 0) at.state.SubsOf.put(main, [deposit, ids]);
  else at.state.SubsOf.delete(main);
}

function addSub(at: IdentityScope, sub: Bytes, data: Data): void {
  const main = at.signer;
  at.ensure(at.state.IdentityOf.has(main), 'NoIdentity');
  at.ensure(!at.state.SuperOf.has(sub), 'AlreadyClaimed');
  const [before, ids] = at.state.SubsOf.get(main);
  at.ensure(ids.length < MAX_SUBS, 'TooManySubAccounts');
  const deposit = at.const.SubAccountDeposit;
  reserve(at, main, deposit);
  at.state.SuperOf.put(sub, [main, data]);
  putSubs(at, main, before + deposit, [...ids, sub]);
  at.emit.SubIdentityAdded({ sub, main, deposit });
}

/** Fails unless the account is a sub-account of the signer's. */
function ownSub(at: IdentityScope, sub: Bytes, absent: 'NotOwned' | 'NotSub'): void {
  at.ensure(at.state.IdentityOf.has(at.signer), 'NoIdentity');
  const [main] = at.some(at.state.SuperOf.get(sub), absent);
  at.ensure(equal(main, at.signer), 'NotOwned');
}

/** Forgets a sub-account; returns what was reserved for it. */
function dropSub(at: IdentityScope, main: Bytes, sub: Bytes): bigint {
  const [before, ids] = at.state.SubsOf.get(main);
  at.state.SuperOf.delete(sub);
  const deposit = at.const.SubAccountDeposit;
  putSubs(
    at,
    main,
    before - deposit,
    ids.filter((one) => !equal(one, sub)),
  );
  return deposit;
}
