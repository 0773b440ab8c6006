/**
 * # Together: accounts that several people hold, delegates, identities, kept bytes and vesting, by unmodified clients:
 * the calls that they build, the events that they decode, and what they derive of the state.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ApiPromise } from '@polkadot/api';
import { blake2AsHex, createKeyDerived, createKeyMulti, encodeAddress, sortAddresses } from '@polkadot/util-crypto';
import { AccountId, getMultisigAccountId, sortMultisigSignatories } from '@polkadot-api/substrate-bindings';
import type { PolkadotClient } from 'polkadot-api';
import type { DevNode } from '../rpc/dev-node.ts';
import {
  accountOf,
  type Big,
  connectPapi,
  type Extrinsic,
  freeOf,
  known,
  names,
  only,
  PATIENCE,
  type Person,
  papiTx,
  person,
  query,
  settled,
  signerOf,
  startWallet,
  tx,
  UNIT,
  type Wallet,
} from './wallet.ts';

/** Three people for each test that runs beside others: their nonces do not meet. */
const GROUPS = [
  'two of three',
  'three',
  'cancel',
  'proxy',
  'pure',
  'identity',
  'preimage',
  'vesting',
  'derived',
].concat('papi multisig', 'papi proxy', 'papi identity');
type Group = [Person, Person, Person];
const group = (name: string): Group => [person(`//${name}//1`), person(`//${name}//2`), person(`//${name}//3`)];

let dev: DevNode;
let api: ApiPromise;
let stop: Wallet['stop'] | undefined;
let client: PolkadotClient;

before(async () => {
  ({ dev, api, stop } = await startWallet());
  client = connectPapi(dev.ws);
  const calls = GROUPS.flatMap(group).map(({ address }) => transfer(address, 100n * UNIT));
  await settled(tx(api, 'utility', 'batchAll', calls), person('//Alice'), {}, 'Finalized');
});

after(async () => {
  client?.destroy();
  await stop?.();
});

const transfer = (to: string, value: bigint): Extrinsic => tx(api, 'balances', 'transferKeepAlive', to, value);
const constant = (section: string, name: string): bigint =>
  (known(api.consts[section]?.[name], `${section}.${name}`) as unknown as Big).toBigInt();
const free = async (one: Person): Promise<bigint> => freeOf(api, one.address);
const reserved = async (one: Person): Promise<bigint> => (await accountOf(api, one.address)).data.reserved.toBigInt();

/** What a call within a multisig may weigh. */
const WEIGHT = { refTime: 1_000_000_000, proofSize: 100_000 };

/** An account of the group, funded, and the others of each member in the order that the chain wants. */
async function jointAccount(members: Group, threshold: number) {
  const addresses = members.map(({ address }) => address);
  const account = encodeAddress(createKeyMulti(addresses, threshold), 42);
  const [one] = members;
  assert.equal((await settled(transfer(account, 20n * UNIT), one)).error, undefined);
  const others = (of: Person) =>
    sortAddresses(
      addresses.filter((address) => address !== of.address),
      42,
    );
  return { account, others };
}

interface Operation {
  unwrap(): { readonly when: unknown; readonly approvals: { length: number } };
  readonly isNone: boolean;
}

const operation = (account: string, call: Extrinsic) =>
  query<Operation>(api, 'multisig', 'multisigs', account, call.method.hash);
const multi = (name: string, ...args: unknown[]) => tx(api, 'multisig', name, ...args);

describe('by @polkadot/api', { concurrency: true }, () => {
  test('two of three pay from their account; the first holds a deposit until then', PATIENCE, async () => {
    const [one, two, three] = group('two of three');
    const { account, others } = await jointAccount([one, two, three], 2);
    const pay = transfer(three.address, 3n * UNIT);
    const begun = await settled(multi('approveAsMulti', 2, others(one), null, pay.method.hash, WEIGHT), one);
    assert.equal(begun.error, undefined);
    const opened = only(begun.events, 'multisig.NewMultisig');
    assert.deepEqual([String(opened.approving), String(opened.multisig)], [one.address, account]);
    assert.equal(String(opened.callHash), pay.method.hash.toHex());
    const deposit = constant('multisig', 'depositBase') + 2n * constant('multisig', 'depositFactor');
    assert.equal(await reserved(one), deposit);
    const { when, approvals } = (await operation(account, pay)).unwrap();
    assert.equal(approvals.length, 1);
    const before = await free(three);
    const done = await settled(multi('asMulti', 2, others(two), when, pay, WEIGHT), two);
    assert.equal(done.error, undefined);
    const executed = only(done.events, 'multisig.MultisigExecuted');
    assert.deepEqual(executed.result?.toJSON(), { ok: null });
    assert.equal(String(executed.multisig), account);
    assert.equal(String(only(done.events, 'balances.Transfer').from), account);
    assert.equal((await free(three)) - before, 3n * UNIT);
    assert.equal(await reserved(one), 0n);
    assert.ok((await operation(account, pay)).isNone);
  });

  test('of three who must all agree, the second approves and the third makes the call', PATIENCE, async () => {
    const [one, two, three] = group('three');
    const { account, others } = await jointAccount([one, two, three], 3);
    const pay = transfer(one.address, UNIT);
    await settled(multi('asMulti', 3, others(one), null, pay, WEIGHT), one);
    const { when } = (await operation(account, pay)).unwrap();
    const approved = await settled(multi('approveAsMulti', 3, others(two), when, pay.method.hash, WEIGHT), two);
    assert.equal(String(only(approved.events, 'multisig.MultisigApproval').approving), two.address);
    assert.ok(!names(approved.events).includes('balances.Transfer'));
    const again = await settled(multi('approveAsMulti', 3, others(two), when, pay.method.hash, WEIGHT), two);
    assert.equal(again.error, 'multisig.AlreadyApproved');
    const done = await settled(multi('asMulti', 3, others(three), when, pay, WEIGHT), three);
    assert.equal(String(only(done.events, 'multisig.MultisigExecuted').approving), three.address);
    assert.ok(names(done.events).includes('balances.Transfer'));
  });

  test('who began an operation gives it up, nobody else, and has the deposit back', PATIENCE, async () => {
    const [one, two, three] = group('cancel');
    const { account, others } = await jointAccount([one, two, three], 2);
    const pay = transfer(three.address, UNIT);
    await settled(multi('asMulti', 2, others(one), null, pay, WEIGHT), one);
    const { when } = (await operation(account, pay)).unwrap();
    const cancel = (by: Person) => settled(multi('cancelAsMulti', 2, others(by), when, pay.method.hash), by);
    assert.equal((await cancel(two)).error, 'multisig.NotOwner');
    const wrong = multi('asMulti', 2, others(three), { height: 1, index: 0 }, pay, WEIGHT);
    assert.equal((await settled(wrong, three)).error, 'multisig.WrongTimepoint');
    const { events, error } = await cancel(one);
    assert.equal(error, undefined);
    assert.equal(String(only(events, 'multisig.MultisigCancelled').cancelling), one.address);
    assert.equal(await reserved(one), 0n);
    assert.ok((await operation(account, pay)).isNone);
  });

  test('a delegate acts as far as it may, until that is taken back', PATIENCE, async () => {
    const [real, delegate, other] = group('proxy');
    const relation = [delegate.address, 'NonTransfer', 0];
    const added = only((await settled(tx(api, 'proxy', 'addProxy', ...relation), real)).events, 'proxy.ProxyAdded');
    assert.deepEqual([added.delegator, added.delegatee, added.proxyType].map(String), [
      real.address,
      delegate.address,
      'NonTransfer',
    ]);
    const deposit = constant('proxy', 'proxyDepositBase') + constant('proxy', 'proxyDepositFactor');
    assert.equal(await reserved(real), deposit);
    const [listed] = await query<[{ delegate: unknown }[]]>(api, 'proxy', 'proxies', real.address);
    assert.deepEqual(
      listed.map((one) => String(one.delegate)),
      [delegate.address],
    );
    const act = (call: Extrinsic) => settled(tx(api, 'proxy', 'proxy', real.address, null, call), delegate);
    const said = await act(tx(api, 'system', 'remarkWithEvent', 'for another'));
    assert.deepEqual(only(said.events, 'proxy.ProxyExecuted').result?.toJSON(), { ok: null });
    assert.equal(String(only(said.events, 'system.Remarked').sender), real.address);
    const before = await free(other);
    const moved = await act(transfer(other.address, UNIT));
    const ended = only(moved.events, 'proxy.ProxyExecuted').result?.toJSON();
    assert.deepEqual([moved.error, Object.keys(ended as object)], [undefined, ['err']]);
    assert.equal(await free(other), before);
    const removed = await settled(tx(api, 'proxy', 'removeProxy', ...relation), real);
    assert.equal(String(only(removed.events, 'proxy.ProxyRemoved').delegatee), delegate.address);
    assert.equal(await reserved(real), 0n);
    assert.equal((await act(tx(api, 'system', 'remark', 'no more'))).error, 'proxy.NotProxy');
  });

  test('a pure account is moved by who made it', PATIENCE, async () => {
    const [owner, other] = group('pure');
    const made = await settled(tx(api, 'proxy', 'createPure', 'Any', 0, 0), owner);
    const { pure, who } = only(made.events, 'proxy.PureCreated');
    assert.equal(String(who), owner.address);
    await settled(transfer(String(pure), 5n * UNIT), owner);
    const before = await free(other);
    const acted = await settled(tx(api, 'proxy', 'proxy', String(pure), null, transfer(other.address, UNIT)), owner);
    assert.deepEqual(only(acted.events, 'proxy.ProxyExecuted').result?.toJSON(), { ok: null });
    assert.equal((await free(other)) - before, UNIT);
    assert.equal(await freeOf(api, String(pure)), 4n * UNIT);
  });

  test('an account says who it is, and takes it back', PATIENCE, async () => {
    const [one] = group('identity');
    const set = await settled(
      tx(api, 'identity', 'setIdentity', { display: { Raw: 'One' }, web: { Raw: 'one.example' } }),
      one,
    );
    assert.equal(String(only(set.events, 'identity.IdentitySet').who), one.address);
    const { display, web } = await api.derive.accounts.identity(one.address);
    assert.deepEqual([display, web], ['One', 'one.example']);
    const deposit = await reserved(one);
    assert.ok(deposit > 0n);
    const cleared = await settled(tx(api, 'identity', 'clearIdentity'), one);
    assert.equal(BigInt(String(only(cleared.events, 'identity.IdentityCleared').deposit)), deposit);
    assert.equal(await reserved(one), 0n);
    assert.equal((await api.derive.accounts.identity(one.address)).display, undefined);
  });

  test('bytes are kept by their hash, and taken back', PATIENCE, async () => {
    const [one] = group('preimage');
    const hash = blake2AsHex('a long call');
    const noted = await settled(tx(api, 'preimage', 'notePreimage', 'a long call'), one);
    assert.equal(String(only(noted.events, 'preimage.Noted').hash_), hash);
    const kept = await query<{ unwrap(): { toUtf8(): string } }>(api, 'preimage', 'preimageFor', [hash, 11]);
    assert.equal(kept.unwrap().toUtf8(), 'a long call');
    assert.ok((await reserved(one)) > 0n);
    const cleared = await settled(tx(api, 'preimage', 'unnotePreimage', hash), one);
    assert.equal(String(only(cleared.events, 'preimage.Cleared').hash_), hash);
    assert.equal(await reserved(one), 0n);
  });

  test('what is vested shows in a balance, cannot be spent, and comes free', PATIENCE, async () => {
    const [giver, one, other] = group('vesting');
    const startingBlock = (await api.rpc.chain.getHeader()).number.toNumber();
    const schedule = { locked: 50n * UNIT, perBlock: UNIT, startingBlock };
    const given = await settled(tx(api, 'vesting', 'vestedTransfer', one.address, schedule), giver);
    assert.equal(given.error, undefined);
    const { vestingTotal, vestingLocked } = await api.derive.balances.all(one.address);
    assert.equal(BigInt(vestingTotal.toString()), 50n * UNIT);
    const locked = BigInt(vestingLocked.toString());
    assert.ok(locked > 0n && locked <= 50n * UNIT);
    const spent = await settled(transfer(other.address, 149n * UNIT), one);
    assert.match(String(spent.error), /^Token\.(Frozen|FundsUnavailable)$/);
    const { events, error } = await settled(tx(api, 'vesting', 'vest'), one);
    assert.equal(error, undefined);
    const left = BigInt(String(only(events, 'vesting.VestingUpdated').unvested));
    assert.ok(left < 50n * UNIT && left % UNIT === 0n);
  });

  test('the account that a number derives from another is spent by its owner', PATIENCE, async () => {
    const [owner, other] = group('derived');
    const derived = encodeAddress(createKeyDerived(owner.address, 7), 42);
    await settled(transfer(derived, 5n * UNIT), owner);
    const moved = await settled(tx(api, 'utility', 'asDerivative', 7, transfer(other.address, UNIT)), owner);
    assert.equal(moved.error, undefined);
    assert.equal(String(only(moved.events, 'balances.Transfer').from), derived);
  });
});

interface Waiting {
  readonly when: { readonly height: number; readonly index: number };
  readonly approvals: readonly string[];
}

interface Delegate {
  readonly delegate: string;
  readonly proxy_type: { readonly type: string };
  readonly delay: number;
}

describe('by polkadot-api', { concurrency: true }, () => {
  const move = (to: string, value: bigint) =>
    papiTx(client, 'Balances', 'transfer_keep_alive', { dest: { type: 'Id', value: to }, value });
  const Account = AccountId(42);
  const WEIGHED = { ref_time: 1_000_000_000n, proof_size: 100_000n };
  const read = async <T>(pallet: string, item: string, ...keys: unknown[]): Promise<T> => {
    const entry = known(client.getUnsafeApi().query[pallet]?.[item], `${pallet}.${item}`);
    return (await entry.getValue(...keys, { at: 'best' })) as T;
  };

  test('two of three pay from the account that it derives for them', PATIENCE, async () => {
    const members = group('papi multisig');
    const [one, two, three] = members;
    const signatories = members.map(({ addressRaw }) => addressRaw);
    const account = Account.dec(getMultisigAccountId({ threshold: 2, signatories }));
    assert.ok((await move(account, 20n * UNIT).signAndSubmit(signerOf(one))).ok);
    const pay = move(three.address, 3n * UNIT);
    const approve = (by: Person, maybe_timepoint: unknown) => {
      const others = sortMultisigSignatories(signatories.filter((each) => each !== by.addressRaw));
      const other_signatories = others.map((each) => Account.dec(each));
      const args = { threshold: 2, other_signatories, maybe_timepoint, call: pay.decodedCall, max_weight: WEIGHED };
      return papiTx(client, 'Multisig', 'as_multi', args).signAndSubmit(signerOf(by));
    };
    const begun = await approve(one, undefined);
    assert.ok(begun.ok);
    const opened = begun.events.find(({ value }) => value.type === 'NewMultisig')?.value.value;
    assert.equal(opened.multisig, account);
    const { when, approvals } = await read<Waiting>('Multisig', 'Multisigs', account, opened.call_hash);
    assert.deepEqual(approvals, [one.address]);
    const done = await approve(two, when);
    assert.ok(done.ok);
    const executed = done.events.find(({ value }) => value.type === 'MultisigExecuted')?.value.value;
    assert.deepEqual([executed.approving, executed.result.success], [two.address, true]);
    assert.equal(await free(three), 103n * UNIT);
  });

  test('a delegate acts, and what it may not do is told', PATIENCE, async () => {
    const [real, delegate, other] = group('papi proxy');
    const id = (one: Person) => ({ type: 'Id', value: one.address });
    const relation = { delegate: id(delegate), proxy_type: { type: 'NonTransfer' }, delay: 0 };
    assert.ok((await papiTx(client, 'Proxy', 'add_proxy', relation).signAndSubmit(signerOf(real))).ok);
    const [listed] = await read<[Delegate[], bigint]>('Proxy', 'Proxies', real.address);
    assert.deepEqual(listed, [
      { delegate: delegate.address, proxy_type: { type: 'NonTransfer', value: undefined }, delay: 0 },
    ]);
    const act = async (call: { decodedCall: unknown }) => {
      const args = { real: id(real), force_proxy_type: undefined, call: call.decodedCall };
      const { events } = await papiTx(client, 'Proxy', 'proxy', args).signAndSubmit(signerOf(delegate));
      return events.find(({ value }) => value.type === 'ProxyExecuted')?.value.value.result.success;
    };
    assert.equal(await act(papiTx(client, 'System', 'remark', { remark: new Uint8Array([1]) })), true);
    assert.equal(await act(move(other.address, UNIT)), false);
    assert.ok((await papiTx(client, 'Proxy', 'remove_proxy', relation).signAndSubmit(signerOf(real))).ok);
    assert.deepEqual(await read('Proxy', 'Proxies', real.address), [[], 0n]);
  });

  test('an identity is set and read', PATIENCE, async () => {
    const [one] = group('papi identity');
    const none = { type: 'None' };
    const rest = { legal: none, web: none, email: none, image: none, twitter: none, riot: none };
    const display = { type: 'Raw3', value: `0x${Buffer.from('One').toString('hex')}` };
    const info = { display, ...rest, additional: [], pgp_fingerprint: undefined };
    const set = papiTx(client, 'Identity', 'set_identity', { info });
    const done = await set.signAndSubmit(signerOf(one));
    assert.ok(done.ok && done.events.some(({ value }) => value.type === 'IdentitySet'));
    const said = await read<{ info: { display: unknown }; judgements: unknown[] }>(
      'Identity',
      'IdentityOf',
      one.address,
    );
    assert.deepEqual([said.info.display, said.judgements], [display, []]);
  });
});
