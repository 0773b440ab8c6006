/** # Derives: what `@polkadot/api` makes of vesting, identities, agendas and preimages, unmodified. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyring } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { toHex, utf8 } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import type { RuntimeCall } from '../../src/runtime/calls.ts';
import { connect } from './memory-provider.ts';
import { alice, bob, call, carol, UNIT } from './test-chain.ts';
import { asRoot, id, WalletChain } from './wallet-chain.ts';

test('polkadot-js sees what is vested, who is who, what is due and what is noted', async () => {
  await cryptoWaitReady();
  const chain = new WalletChain();
  const schedule = { locked: 100n * UNIT, per_block: UNIT, starting_block: 0 };
  const vest = call('Vesting', 'vested_transfer', { target: id(bob.accountId), schedule });
  chain.does(alice, vest);
  const none = { type: 'None' };
  const said = { display: { type: 'Raw3', value: utf8('Bob') }, web: { type: 'Raw2', value: utf8('b.') } };
  const info = { additional: [], legal: none, riot: none, email: none, image: none, twitter: none, ...said };
  const setIdentity = call('Identity', 'set_identity', { info: { ...info, pgp_fingerprint: undefined } });
  chain.does(bob, setIdentity);
  const sub = { sub: id(carol.accountId), data: { type: 'Raw4', value: utf8('till') } };
  const addSub = call('Identity', 'add_sub', sub);
  chain.does(bob, addSub);
  const bytes = utf8('kept');
  const note = call('Preimage', 'note_preimage', { bytes });
  chain.does(alice, note);
  const due = { when: 50, maybe_periodic: [10, 3], priority: 7, call: call('System', 'remark', { remark: bytes }) };
  const plan = call('Scheduler', 'schedule', due);
  chain.does(alice, asRoot(plan));
  const api = await connect(chain);
  try {
    const keyring = new Keyring({ type: 'sr25519' });
    const [, two] = [keyring.addFromUri('//Alice'), keyring.addFromUri('//Bob')];
    const balances = await api.derive.balances.all(two.address);
    // Five blocks have passed; nobody asked for what all but the first freed.
    const { vestingTotal, vestedBalance, vestingLocked, lockedBalance, availableBalance } = balances;
    const units = [vestingTotal, vestedBalance, vestingLocked, lockedBalance].map((of) => BigInt(of.toString()) / UNIT);
    assert.deepEqual(units, [100n, 5n, 99n, 99n]);
    assert.equal(availableBalance.toBigInt(), chain.free(bob.accountId) - 99n * UNIT);
    const identity = await api.derive.accounts.identity(two.address);
    assert.deepEqual([identity.display, identity.web], ['Bob', 'b.']);
    const child = await api.derive.accounts.identity(carol.accountId);
    assert.deepEqual([child.display, child.displayParent, child.parent?.toString()], ['till', 'Bob', two.address]);
    // What the wallet writes is what was made above.
    const built: [string, string, unknown[], RuntimeCall][] = [
      ['identity', 'setIdentity', [{ display: { Raw: 'Bob' }, web: { Raw: 'b.' } }], setIdentity],
      ['identity', 'addSub', [carol.accountId, { Raw: 'till' }], addSub],
      ['vesting', 'vestedTransfer', [bob.accountId, { locked: 100n * UNIT, perBlock: UNIT, startingBlock: 0 }], vest],
      ['preimage', 'notePreimage', ['kept'], note],
      ['scheduler', 'schedule', [50, [10, 3], 7, api.tx.system?.remark?.('kept')], plan],
    ];
    for (const [pallet, name, args, ours] of built) {
      const theirs = api.tx[pallet]?.[name]?.(...args).method.toHex();
      assert.equal(theirs, toHex(chain.runtime.Call.enc(ours)), `${pallet}.${name}`);
    }
    const json = async (pallet: string, item: string, key: unknown) => {
      const found = await api.query[pallet]?.[item]?.(key);
      assert.ok(found !== undefined, `${pallet}.${item}`);
      return found.toJSON();
    };
    const [task] = (await json('scheduler', 'agenda', 50)) as [Record<string, unknown>];
    assert.deepEqual([task.priority, task.maybePeriodic, task.origin], [7, [10, 2], { system: { root: null } }]);
    const key = blake2_256(bytes);
    assert.equal(await json('preimage', 'preimageFor', [key, bytes.length]), toHex(bytes));
    const status = (await json('preimage', 'requestStatusFor', key)) as { unrequested: { len: number } };
    assert.equal(status.unrequested.len, bytes.length);
    const [hold] = (await json('balances', 'holds', alice.accountId)) as [{ id: unknown }];
    assert.deepEqual(hold.id, { preimage: 'Preimage' });
  } finally {
    await api.disconnect();
  }
});
