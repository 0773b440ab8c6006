/** # Silence: on a chain by work a validator is heard by one vote that the chain is shown, or loses its seat (rule F). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, equal, toHex } from '../../../src/base/bytes.ts';
import type { Keypair } from '../../../src/crypto/keypair.ts';
import { bareExtrinsic } from '../../../src/primitives/extrinsic.ts';
import { headerHash } from '../../../src/primitives/header.ts';
import { type GrandpaStage, type Target, voteMessage } from '../../../src/primitives/justification.ts';
import { reader } from '../../../src/runtime/access.ts';
import { GrandpaDeclared, type KeyOwnerProof } from '../../../src/runtime/pallets/grandpa.ts';
import { proveOwner } from '../../../src/runtime/pallets/session.ts';
import { noteAuthor } from '../../../src/runtime/pallets/staking.ts';
import { System } from '../../../src/runtime/pallets/system.ts';
import { storageKey } from '../../../src/runtime/storage.ts';
import { keyOf } from '../../../src/state/key.ts';
import { call, names } from '../test-chain.ts';
import { ERA, type Somebody, STAKING, StakeChain, type StakeOptions, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 4 }, (_, i) => somebody(`validator ${i}`));
const v = (i: number): Somebody => must(V[i], 'a validator');

const chainOf = (options: StakeOptions = {}) =>
  new StakeChain({ keyed: V, stakers: V.map((who) => [who, 100n * UNIT, 'Validator'] as const), ...options });

const setId = (chain: StakeChain): bigint => reader(GrandpaDeclared, chain.tree).CurrentSetId.get();
const head = (chain: StakeChain): Target => ({ hash: headerHash(chain.header), number: chain.number });

/** What is said of a vote, and what is signed: the same unless a test says otherwise. */
interface Parts {
  readonly key?: Bytes;
  readonly by?: Keypair;
  readonly stage?: GrandpaStage;
  readonly target?: Target;
  readonly signed?: Target;
  readonly round?: bigint;
  readonly signedRound?: bigint;
  readonly set?: bigint;
  readonly signedSet?: bigint;
}

/** A precommit of somebody for the best block, as whoever heard it shows it. */
function noteOf(chain: StakeChain, who: Somebody, parts: Parts = {}): Bytes {
  const { key = who.keys.grandpa, by = who.grandpa, stage = 'precommit', target = head(chain), round = 5n } = parts;
  const { signed = target, signedRound = round, set = setId(chain), signedSet = set } = parts;
  const args = {
    set_id: set,
    round,
    target_hash: target.hash,
    target_number: target.number,
    authority: key,
    signature: by.sign(voteMessage(stage, signed, signedRound, signedSet)),
  };
  return bareExtrinsic(chain.runtime.Call.enc(call('Grandpa', 'note_vote', args))).bytes;
}

const judge = (chain: StakeChain, bytes: Bytes) => chain.runtime.validate(chain.tree, bytes, chain.at);

/** Why the next block would refuse it; undefined where it would not. */
function verdict(chain: StakeChain, bytes: Bytes): string | undefined {
  const validity = judge(chain, bytes);
  return validity.ok ? undefined : validity.error.value.type;
}

const heard = (chain: StakeChain, era: number): string[] =>
  [...chain.staking.ErasActive.keys(era)].map(([, who]) => nameOf(who)).sort();
const nameOf = (who: Bytes): string => `${V.findIndex((one) => equal(one.account, who))}`;
const stands = (chain: StakeChain): string[] => [...chain.staking.Validators.keys()].map(nameOf).sort();
/** A block in which these are noted. */
const note = (chain: StakeChain, ...who: readonly Somebody[]) => chain.block(who.map((one) => noteOf(chain, one)));

test('a precommit of this era is noted once, whoever shows it, and costs nobody anything', () => {
  const chain = chainOf();
  chain.block();
  const free = V.map(({ account }) => chain.free(account));
  const extrinsic = noteOf(chain, v(0));
  assert.equal(verdict(chain, extrinsic), undefined);
  const { outcomes, events } = chain.block([extrinsic]);
  assert.ok(outcomes[0]?.applied && outcomes[0].error === undefined);
  const told = events.find(({ type, value }) => type === 'Grandpa' && value.type === 'VoteNoted');
  assert.deepEqual(told?.value.value, { authority: v(0).keys.grandpa, set_id: 0n, round: 5n });
  assert.deepEqual(heard(chain, 0), ['0']);
  assert.equal(verdict(chain, extrinsic), 'Stale');
  assert.equal(verdict(chain, noteOf(chain, v(0), { round: 6n })), 'Stale', 'nor any other vote of this era');
  const twice = chain.block([noteOf(chain, v(0), { round: 7n })]);
  assert.equal(twice.outcomes[0]?.applied, false);
  assert.deepEqual(
    V.map(({ account }) => chain.free(account)),
    free,
  );
});

test('nothing is noted but a precommit of a seated key of this set for a block of this chain and era', () => {
  const chain = chainOf();
  for (let i = 0; i < 3; i++) chain.block();
  const best = head(chain);
  const [none, foreign] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
  const stranger = somebody('a stranger');
  const bad: readonly (readonly [string, Parts, string])[] = [
    ['signed by another', { by: v(1).grandpa }, 'BadProof'],
    ['a prevote', { stage: 'prevote' }, 'BadProof'],
    ['a proposal', { stage: 'primaryPropose' }, 'BadProof'],
    ['signed for another round', { signedRound: 6n }, 'BadProof'],
    ['signed for another set', { signedSet: 1n }, 'BadProof'],
    ['signed for another block', { signed: { ...best, number: 1 } }, 'BadProof'],
    ['a set that is not yet', { set: 1n }, 'BadSigner'],
    ['a key outside the set', { key: stranger.keys.grandpa, by: stranger.grandpa }, 'BadSigner'],
    ['another key of a validator', { key: v(0).keys.compute, by: v(0).compute }, 'BadSigner'],
    ['a block of another branch', { target: { ...best, hash: foreign } }, 'AncientBirthBlock'],
    ['a block at another height', { target: { ...best, number: 2 } }, 'AncientBirthBlock'],
    ['the next block', { target: { hash: none, number: best.number + 1 } }, 'AncientBirthBlock'],
    ['no block', { target: { hash: none, number: 2 ** 32 - 1 } }, 'AncientBirthBlock'],
    ['genesis', { target: { hash: chain.genesisHash, number: 0 } }, 'Stale'],
  ];
  for (const [what, parts, reason] of bad) {
    const extrinsic = noteOf(chain, v(0), parts);
    assert.equal(verdict(chain, extrinsic), reason, what);
    assert.equal(
      chain.runtime.builder(chain.tree, { header: chain.header, ticket: undefined }, chain.time(1)).apply(extrinsic)
        .applied,
      false,
      what,
    );
  }
  assert.deepEqual(heard(chain, 0), []);
});

test('a block whose hash the state has forgotten is no target, not even by the hash that stands for none', () => {
  const chain = chainOf();
  chain.block();
  const old = head(chain);
  chain.block();
  assert.equal(verdict(chain, noteOf(chain, v(0), { target: old })), undefined);
  chain.tree = chain.tree.with(new Map([[keyOf(storageKey(System.storage.BlockHash, [1])), null]]));
  for (const hash of [old.hash, new Uint8Array(32)]) {
    assert.equal(verdict(chain, noteOf(chain, v(0), { target: { hash, number: 1 } })), 'AncientBirthBlock');
  }
});

test('a vote of the last era or of the last set is not counted again', () => {
  const chain = chainOf();
  chain.to(ERA);
  const [last, late] = [head(chain), noteOf(chain, v(0))];
  assert.equal(verdict(chain, late), 'Stale', 'the next block is of the next era');
  chain.toEra(2);
  const before = head(chain);
  const set = setId(chain);
  chain.toEra(3);
  assert.equal(setId(chain), set, 'one set over two eras');
  assert.equal(verdict(chain, noteOf(chain, v(0), { target: before })), 'Stale');
  assert.equal(verdict(chain, noteOf(chain, v(0))), undefined);
  // Whoever leaves changes the set.
  chain.does([v(3), 'Staking.chill', {}]);
  const here = head(chain);
  chain.toEra(5);
  assert.ok(setId(chain) > set);
  assert.equal(verdict(chain, noteOf(chain, v(0), { set, target: head(chain) })), 'BadSigner');
  assert.equal(verdict(chain, noteOf(chain, v(0), { signedSet: set, target: head(chain) })), 'BadProof');
  assert.equal(verdict(chain, noteOf(chain, v(0), { target: here })), 'Stale');
  assert.equal(verdict(chain, noteOf(chain, v(3))), 'BadSigner', 'who left is not waited for');
  assert.ok(last.number < here.number);
});

test('all votes of a validator in an era have one tag, no other has it, and none is judged good beyond its era', () => {
  const chain = chainOf();
  const tags = new Map<string, string>();
  for (let i = 0; i < ERA + 3; i++) {
    chain.block();
    const isLast = chain.number % ERA === 0;
    for (const [n, who] of V.slice(0, 2).entries()) {
      const validity = judge(chain, noteOf(chain, who, { round: BigInt(i) }));
      assert.equal(validity.ok, !isLast);
      if (!validity.ok) continue;
      assert.equal(validity.provides.length, 1);
      assert.equal(validity.longevity, BigInt(ERA - (chain.number % ERA)));
      tags.set(`${n} in ${Math.floor((chain.number - 1) / ERA)}`, toHex(must(validity.provides[0], 'a tag')));
    }
  }
  assert.equal(tags.size, 4);
  assert.equal(new Set(tags.values()).size, 4);
});

test('who is noted keeps its seat, who is not loses it at the next election, and may stand again', () => {
  const chain = chainOf();
  chain.block();
  note(chain, v(0), v(1), v(3));
  chain.to(ERA);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2', '3']);
  assert.ok(names(chain.block().events).includes('Staking.SilentLeft'));
  assert.deepEqual(stands(chain), ['0', '1', '3']);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '3']);
  const keys = reader(GrandpaDeclared, chain.tree).Authorities.get();
  assert.ok(!keys.some(([key]) => equal(key, v(2).keys.grandpa)));
  assert.equal(chain.staking.Ledger.get(v(2).account)?.active, 100n * UNIT, 'silence is not slashed');
  chain.does([v(2), 'Staking.validate', { prefs: { commission: 0, blocked: false } }]);
  note(chain, v(0), v(1), v(3));
  chain.toEra(2);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2', '3']);
});

test('an era is not asked of who had no seat in it, and all of an era is there to be heard in', () => {
  const chain = chainOf({
    keyed: V,
    stakers: V.slice(0, 3).map((who) => [who, 100n * UNIT, 'Validator'] as const),
    endowed: V,
  });
  chain.block();
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2']);
  note(chain, ...V.slice(0, 3));
  chain.does([v(3), 'Staking.bond', { value: 100n * UNIT, payee: { type: 'Stash', value: undefined } }]);
  chain.does([v(3), 'Staking.validate', { prefs: { commission: 0, blocked: false } }]);
  chain.toEra(1);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2', '3'], 'era 0 is not asked of it');
  note(chain, ...V.slice(0, 3));
  // In the last block of the era, for the block before it.
  chain.to(2 * ERA - 1);
  note(chain, v(3));
  chain.toEra(2);
  assert.deepEqual(stands(chain), ['0', '1', '2', '3']);
  note(chain, ...V.slice(0, 3));
  chain.toEra(3);
  assert.deepEqual(stands(chain), ['0', '1', '2']);
});

test('where less was heard than finality takes nobody leaves: one vote in a standstill unseats nobody', () => {
  const lonely = chainOf();
  lonely.block();
  note(lonely, v(0));
  lonely.toEra(1);
  assert.deepEqual(stands(lonely), ['0', '1', '2', '3']);
  const bond = fc.bigInt(10n, 200n).map((units) => units * UNIT);
  fc.assert(
    fc.property(fc.array(bond, { minLength: 4, maxLength: 4 }), fc.subarray([0, 1, 2, 3]), (bonds, present) => {
      const stakers = V.map((who, i) => [who, must(bonds[i], 'a bond'), 'Validator'] as const);
      const chain = chainOf({ stakers, staking: { sessionsPerEra: 1 } });
      chain.block();
      const seats = chain.staking.ErasSeats.get(0);
      const weight = (of: typeof seats) => of.reduce((sum, seat) => sum + seat.weight, 0n);
      const [all, voted] = [weight(seats), weight(seats.filter(({ who }) => present.includes(Number(nameOf(who)))))];
      note(chain, ...present.map(v));
      chain.to(STAKING.sessionBlocks + 1);
      const isHeard = voted >= all - (all - 1n) / 3n;
      assert.deepEqual(stands(chain), isHeard ? present.map(String).sort() : ['0', '1', '2', '3']);
    }),
    { numRuns: 8 },
  );
});

test('finality counts as standing still from the second era without a supermajority of votes, until there is one', () => {
  const chain = chainOf();
  const stands = () => {
    const { LastHeard, ActiveEra } = chain.staking;
    return [LastHeard.get(), ActiveEra.get()?.index];
  };
  chain.block();
  note(chain, v(0), v(1));
  assert.deepEqual(stands(), [undefined, 0], 'two of four do not make anything final');
  note(chain, v(2));
  assert.deepEqual(stands(), [0, 0]);
  const [seat] = chain.staking.ErasSeats.get(0);
  assert.equal(chain.staking.HeardWeight.get(), 3n * (seat?.weight ?? 0n));
  chain.toEra(1);
  chain.block();
  assert.equal(chain.staking.HeardWeight.get(), 0n);
  note(chain, v(0), v(1));
  chain.toEra(2);
  chain.block();
  assert.deepEqual(stands(), [0, 2]);
  note(chain, v(0), v(1), v(2));
  assert.deepEqual(stands(), [2, 2]);
});

test('a bootstrap seat that was not heard sits the next era out', () => {
  const chain = chainOf({ stakers: [], bootstrap: V, keyed: V });
  chain.block();
  note(chain, v(0), v(1), v(2));
  chain.toEra(1);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2']);
  note(chain, v(0), v(1), v(2));
  chain.toEra(2);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2', '3']);
});

test('where blocks tell their authors a vote counts beside them, and an author needs none', () => {
  const chain = chainOf({ hook: (at) => noteAuthor(at, v(0).account) });
  chain.block();
  assert.equal(verdict(chain, noteOf(chain, v(0))), 'Stale');
  note(chain, v(1));
  chain.toEra(1);
  assert.deepEqual(stands(chain), ['0', '1'], 'of four two were heard, and no vote is needed to be an author');
});

test('a noted vote and another one of its round are a double vote like any other', () => {
  const chain = chainOf();
  chain.block();
  const other = head(chain);
  chain.block();
  const noted = head(chain);
  note(chain, v(0));
  const sign = (target: Target): [{ target_hash: Bytes; target_number: number }, Bytes] => [
    { target_hash: target.hash, target_number: target.number },
    v(0).grandpa.sign(voteMessage('precommit', target, 5n, 0n)),
  ];
  const votes = { round_number: 5n, identity: v(0).keys.grandpa, first: sign(noted), second: sign(other) };
  const args = {
    equivocation_proof: { set_id: 0n, equivocation: { type: 'Precommit', value: votes } },
    key_owner_proof: must(proveOwner(chain.session, 'grandpa', v(0).keys.grandpa), 'a seat') as KeyOwnerProof,
  };
  const report = bareExtrinsic(chain.runtime.Call.enc(call('Grandpa', 'report_equivocation_unsigned', args))).bytes;
  assert.ok(names(chain.block([report]).events).includes('Grandpa.VotedTwice'));
});
