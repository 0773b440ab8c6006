/** # Voters: a session's validators vote on finality, and whoever votes twice pays by evidence that anybody hands in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, concat, equal } from '../../../src/base/bytes.ts';
import { option, u64 } from '../../../src/codec/index.ts';
import { bareExtrinsic } from '../../../src/primitives/extrinsic.ts';
import { GrandpaLog, voteMessage } from '../../../src/primitives/justification.ts';
import { reader } from '../../../src/runtime/access.ts';
import { type EquivocationProof, GrandpaDeclared, KeyOwnerProof } from '../../../src/runtime/pallets/grandpa.ts';
import { MembershipProof } from '../../../src/runtime/pallets/session.ts';
import { call, names } from '../test-chain.ts';
import { type Somebody, STAKING, StakeChain, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 4 }, (_, i) => somebody(`validator ${i}`));
const v = (i: number): Somebody => must(V[i], 'a validator');
const voter = somebody('a voter');

const chainOf = () =>
  new StakeChain({
    keyed: V,
    stakers: [...V.map((who) => [who, 100n * UNIT, 'Validator'] as const), [voter, 80n * UNIT, [v(0)]]],
    endowed: [voter],
  });

const grandpa = (chain: StakeChain) => reader(GrandpaDeclared, chain.tree);
const votes = (chain: StakeChain) => grandpa(chain).Authorities.get();
const bonded = (chain: StakeChain, who: Somebody) => chain.staking.Ledger.get(who.account)?.total ?? 0n;

/** Two precommits of one round, as a node with a copied key would sign them. */
function twice(by: Somebody, setId: bigint, round = 5n): EquivocationProof {
  const vote = (byte: number): [{ target_hash: Bytes; target_number: number }, Bytes] => {
    const target = { hash: new Uint8Array(32).fill(byte), number: 3 };
    const signature = by.grandpa.sign(voteMessage('precommit', target, round, setId));
    return [{ target_hash: target.hash, target_number: 3 }, signature];
  };
  const value = { round_number: round, identity: by.keys.grandpa, first: vote(1), second: vote(2) };
  return { set_id: setId, equivocation: { type: 'Precommit', value } };
}

/** The proof of whose the key is, as a client asks for it. */
function ownerOf(chain: StakeChain, by: Somebody, setId: bigint): KeyOwnerProof {
  const question = concat(u64.enc(setId), by.keys.grandpa);
  const answer = chain.runtime.call(chain.tree, 'GrandpaApi_generate_key_ownership_proof', question, chain.at);
  assert.ok(answer.ok);
  const opaque = must(option(KeyOwnerProof).dec(unwrapped(answer.output)), 'a voter has a proof');
  assert.deepEqual(MembershipProof.dec(KeyOwnerProof.enc(opaque)), opaque, 'one shape under two names');
  return opaque;
}

/** An opaque value stands behind its length. */
function unwrapped(bytes: Bytes): Bytes {
  const mode = (bytes[1] ?? 0) & 3;
  return concat(bytes.subarray(0, 1), bytes.subarray(mode === 0 ? 2 : mode === 1 ? 3 : 5));
}

function reportOf(chain: StakeChain, proof: EquivocationProof, owner: KeyOwnerProof): Bytes {
  const args = { equivocation_proof: proof, key_owner_proof: owner };
  return bareExtrinsic(chain.runtime.Call.enc(call('Grandpa', 'report_equivocation_unsigned', args))).bytes;
}

function verdict(chain: StakeChain, bytes: Bytes): string | undefined {
  const validity = chain.runtime.validate(chain.tree, bytes, chain.at);
  return validity.ok ? undefined : validity.error.value.type;
}

test('the validators of the first session are the first voters, weighed as their seats are', () => {
  const chain = chainOf();
  const seats = chain.session.Seats.get();
  const validators = chain.session.Validators.get();
  assert.equal(votes(chain).length, 4);
  for (const [i, [key, weight]] of votes(chain).entries()) {
    const who = must(
      V.find(({ account }) => equal(account, must(validators[i], 'a validator'))),
      'known',
    );
    assert.deepEqual(key, who.keys.grandpa);
    assert.equal(weight, seats[i]?.weight);
  }
  const weightOf = (who: Somebody) => votes(chain).find(([key]) => equal(key, who.keys.grandpa))?.[1] ?? 0n;
  assert.ok(weightOf(v(0)) > weightOf(v(1)), 'who has more stake behind it weighs more');
});

test('two precommits cost the validator and its voters their stake, and the next voters are without it', () => {
  const chain = chainOf();
  chain.block();
  const proof = twice(v(0), 0n);
  const report = reportOf(chain, proof, ownerOf(chain, v(0), 0n));
  assert.equal(verdict(chain, report), undefined);
  const { outcomes, events } = chain.block([report]);
  assert.ok(outcomes[0]?.applied);
  for (const name of ['Grandpa.VotedTwice', 'Offences.Offence', 'Staking.SlashReported', 'Staking.Slashed'])
    assert.ok(names(events).includes(name), name);
  chain.block();
  assert.ok(bonded(chain, v(0)) < 100n * UNIT && bonded(chain, voter) < 80n * UNIT);
  assert.equal(bonded(chain, v(1)), 100n * UNIT);
  assert.equal(verdict(chain, report), 'Stale', 'once');

  const isFirst = ([key]: readonly [Bytes, bigint]) => equal(key, v(0).keys.grandpa);
  let told: readonly (readonly [Bytes, bigint])[] = [];
  while (told.length === 0) {
    const items = chain.block().header.digest.filter(({ type }) => type === 'Consensus');
    for (const { value } of items as { value: { data: Bytes } }[]) {
      const log = GrandpaLog.dec(value.data);
      assert.equal(log.type, 'ScheduledChange');
      if (log.type === 'ScheduledChange') told = log.value.next;
    }
    assert.ok(chain.number <= 3 * STAKING.sessionBlocks * STAKING.sessionsPerEra, 'no later than two eras on');
  }
  assert.ok(!told.some(isFirst));
  assert.deepEqual(votes(chain), told);
  assert.equal(grandpa(chain).CurrentSetId.get(), 1n);
});

test('whoever has left its seat still answers for the votes of then, with the proof of then', () => {
  const chain = chainOf();
  chain.block();
  const owner = ownerOf(chain, v(1), 0n);
  chain.does([v(1), 'Staking.chill', {}]);
  while (votes(chain).some(([key]) => equal(key, v(1).keys.grandpa))) chain.block();
  assert.ok(grandpa(chain).CurrentSetId.get() > 0n);
  const before = bonded(chain, v(1));
  chain.block([reportOf(chain, twice(v(1), 0n), owner)]);
  chain.block();
  assert.ok(bonded(chain, v(1)) < before);
});

test('a proof for another key, session or count of validators shows nobody', () => {
  const chain = chainOf();
  chain.block();
  const owner = ownerOf(chain, v(0), 0n);
  assert.equal(verdict(chain, reportOf(chain, twice(v(1), 0n), ownerOf(chain, v(0), 0n))), 'BadSigner' as const);
  for (const wrong of [
    { ...owner, validator_count: 5 },
    { ...owner, session: 1 },
    { ...owner, trie_nodes: owner.trie_nodes.slice(1) },
  ]) {
    assert.equal(verdict(chain, reportOf(chain, twice(v(0), 0n), wrong)), 'BadSigner');
  }
  assert.equal(verdict(chain, reportOf(chain, twice(voter, 0n), owner)), 'BadSigner', 'a key that never had a seat');
});
