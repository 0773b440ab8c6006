/** # Session: keys belong to whoever holds them, change where sessions begin, and can be proven afterwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { bytes, option, tuple, vec } from '../../../src/codec/index.ts';
import { reader } from '../../../src/runtime/access.ts';
import type { PalletSource } from '../../../src/runtime/calls.ts';
import { PALLETS } from '../../../src/runtime/pallets/index.ts';
import { KeyTypeId, SessionKeys } from '../../../src/runtime/pallets/session/keys.ts';
import {
  checkOwner,
  MembershipProof,
  proveOwner,
  type SessionChange,
  SessionDeclared,
  session,
} from '../../../src/runtime/pallets/session.ts';
import { planSession } from '../../../src/runtime/pallets/staking.ts';
import { ERA, errorOf, STAKING, StakeChain, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 3 }, (_, i) => somebody(`validator ${i}`));
const other = somebody('nobody yet');
const fresh = somebody('new keys');
const [first, second] = [must(V[0], 'one'), must(V[1], 'two')];
const stakers = V.map((who) => [who, 100n * UNIT, 'Validator'] as const);
const chainOf = (options = {}) => new StakeChain({ keyed: V, stakers, endowed: [other], ...options });

test('keys are taken from whoever shows that his node holds all three, and from nobody else', () => {
  const chain = chainOf();
  const setKeys = (keys: SessionKeys, proof: Uint8Array) =>
    errorOf(chain, SessionDeclared, chain.tries([other, 'Session.set_keys', { keys, proof }]));
  assert.equal(setKeys(other.keys, new Uint8Array(0)), 'InvalidProof');
  // Another's proof, for another's keys: they are bound to his account.
  assert.equal(setKeys(first.keys, chain.ownership(first)), 'InvalidProof');
  // Own signatures under keys of which one is another's.
  const borrowed = { ...other.keys, grandpa: first.keys.grandpa };
  assert.equal(setKeys(borrowed, chain.ownership(other, borrowed)), 'InvalidProof');
  // Whoever holds another's keys as well still does not get them.
  assert.equal(setKeys(first.keys, chain.ownership(first, first.keys, other.account)), 'DuplicatedKey');
  const free = chain.free(other.account);
  assert.equal(setKeys(other.keys, chain.ownership(other)), undefined);
  assert.deepEqual(chain.session.NextKeys.get(other.account), other.keys);
  const deposit = must(chain.session.KeyDeposits.get(other.account), 'a deposit');
  assert.ok(deposit > 0n && chain.free(other.account) < free - deposit);
  assert.equal(errorOf(chain, SessionDeclared, chain.tries([other, 'Session.purge_keys', {}])), undefined);
  assert.equal(chain.session.NextKeys.has(other.account), false);
  assert.equal(chain.system.Account.get(other.account).data.reserved, 0n);
});

test('new keys count from the next session on, and old ones until then', () => {
  const chain = chainOf();
  chain.does([
    first,
    'Session.set_keys',
    { keys: fresh.keys, proof: chain.ownership(fresh, fresh.keys, first.account) },
  ]);
  const inForce = () => chain.session.AuthorityKeys.get().map(([, keys]) => keys);
  assert.ok(!inForce().some(({ grandpa }) => grandpa.join() === fresh.keys.grandpa.join()));
  assert.ok(chain.session.QueuedKeys.get().some(([, { grandpa }]) => grandpa.join() === fresh.keys.grandpa.join()));
  chain.to(STAKING.sessionBlocks + 1);
  assert.equal(chain.session.CurrentIndex.get(), 1);
  assert.ok(inForce().some(({ grandpa }) => grandpa.join() === fresh.keys.grandpa.join()));
});

test('whoever purges its keys has no seat in the next session', () => {
  const chain = chainOf();
  chain.does([first, 'Session.purge_keys', {}]);
  assert.equal(chain.names(V).length, 3);
  chain.to(STAKING.sessionBlocks + 1);
  assert.deepEqual(chain.names(V).sort(), ['1', '2']);
});

test('where everybody purges his keys, those before stay with the keys that they had', () => {
  const chain = chainOf();
  const before = chain.session.AuthorityKeys.get();
  chain.does(...V.map((who) => [who, 'Session.purge_keys', {}] as const));
  chain.to(ERA + 1);
  assert.deepEqual(chain.session.AuthorityKeys.get(), before);
  assert.equal(chain.session.CurrentIndex.get(), STAKING.sessionsPerEra);
});

test('handlers hear of every session with weights, and whether anything changed', () => {
  const heard: { number: number; change: SessionChange }[] = [];
  const part = session({
    manager: planSession,
    handlers: [(at, change) => heard.push({ number: at.block.number, change })],
  }) as unknown as PalletSource;
  const pallets = PALLETS.map((one) => ('declared' in one && one.declared.name === 'Session' ? part : one));
  const chain = chainOf({ pallets });
  chain.block();
  chain.does([
    first,
    'Session.set_keys',
    { keys: fresh.keys, proof: chain.ownership(fresh, fresh.keys, first.account) },
  ]);
  chain.to(2 * STAKING.sessionBlocks + 1);
  // Each block is built and executed again; block 0 once.
  const told = heard.filter(({ number }, i) => number === 0 || heard[i - 1]?.number !== number);
  assert.deepEqual(
    told.map(({ number, change }) => [number, change.session, change.changed]),
    [
      [0, 0, true],
      [5, 1, true],
      [9, 2, false],
    ],
  );
  assert.deepEqual(
    told[0]?.change.authorities.map(({ weight, stake }) => [weight, stake]),
    V.map(() => [1_000_000n, 100n * UNIT]),
  );
});

test('a key of a past session is proven by a root that the chain kept, and forgotten with the bonds', () => {
  let judge: (at: Parameters<typeof checkOwner>[0]) => void = () => {};
  const chain = chainOf({ hook: (at: Parameters<typeof checkOwner>[0]) => judge(at) });
  chain.block();
  const seats = () => reader(SessionDeclared, chain.tree);
  const made = must(proveOwner(seats(), 'grandpa', first.keys.grandpa), 'a proof');
  const proof = MembershipProof.dec(MembershipProof.enc(made));
  assert.equal(proveOwner(seats(), 'grandpa', other.keys.grandpa), undefined);
  assert.equal(proveOwner(seats(), 'authoring', first.keys.grandpa), undefined);
  const says = (of: typeof proof, key = first.keys.grandpa, type: 'grandpa' | 'compute' = 'grandpa') => {
    let said: ReturnType<typeof checkOwner>;
    judge = (at) => {
      said = checkOwner(at, type, key, of);
    };
    chain.block();
    judge = () => {};
    return said;
  };
  chain.to(ERA);
  const holder = must(says(proof), 'a holder');
  assert.deepEqual(holder.validator, first.account);
  assert.deepEqual([holder.session, holder.stake, holder.weight], [0, 100n * UNIT, 1_000_000n]);
  assert.equal(says(proof, second.keys.grandpa), undefined);
  assert.equal(says(proof, first.keys.grandpa, 'compute'), undefined);
  assert.equal(says({ ...proof, session: 99 }), undefined);
  assert.equal(says({ ...proof, validator_count: 4 }), undefined);
  assert.equal(says({ ...proof, trie_nodes: proof.trie_nodes.slice(1) }), undefined);
  const bent = proof.trie_nodes.map((node) => node.map((byte, i) => (i === node.length - 1 ? byte ^ 1 : byte)));
  assert.equal(says({ ...proof, trie_nodes: bent }), undefined);
  // Roots are kept for four eras: three of bonding and one.
  chain.to(ERA * 4);
  assert.ok(says(proof) === undefined);
  assert.deepEqual(chain.session.StoredRange.get(), [1, 13]);
});

test('clients decode session keys, and making them is left to the keystore', () => {
  const chain = chainOf();
  const call = (name: string, data: Uint8Array) =>
    chain.runtime.call(chain.tree, `SessionKeys_${name}`, data, chain.at);
  const answer = call('decode_session_keys', bytes.enc(SessionKeys.enc(first.keys)));
  assert.ok(answer.ok);
  const decoded = must(option(vec(tuple(bytes, KeyTypeId))).dec(answer.output), 'keys');
  assert.deepEqual(
    decoded.map(([, type]) => new TextDecoder().decode(type)),
    ['gran', 'slot', 'comp'],
  );
  assert.deepEqual(decoded[0]?.[0], first.keys.grandpa);
  const none = call('decode_session_keys', bytes.enc(new Uint8Array(5)));
  assert.deepEqual(none.ok && none.output, Uint8Array.of(0));
  const refused = call('generate_session_keys', Uint8Array.of(0));
  assert.equal(!refused.ok && refused.code, 'Refused');
});
