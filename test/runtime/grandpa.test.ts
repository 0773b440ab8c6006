/** # Grandpa: sets that change where the header says so, and voters who are proven to have voted twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { CodecError, u64 } from '../../src/codec/index.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { bareExtrinsic } from '../../src/primitives/extrinsic.ts';
import { GrandpaLog, type GrandpaStage, voteMessage } from '../../src/primitives/justification.ts';
import { reader } from '../../src/runtime/access.ts';
import { ConfigError } from '../../src/runtime/config.ts';
import { pallet, rules } from '../../src/runtime/pallet.ts';
import {
  Authorities,
  EquivocationProof,
  GrandpaDeclared,
  grandpa,
  type KeyOwnerProof,
  type OffenceHandler,
  RECORD_ONLY,
  scheduleChange,
  type VoteOffence,
} from '../../src/runtime/pallets/grandpa.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { NO_WEIGHT, rw } from '../../src/runtime/weights.ts';
import { call, names, alice as payer, TestChain } from './test-chain.ts';

const [alice, bob, charlie, dave] = ['Alice', 'Bob', 'Charlie', 'Dave'].map((name) =>
  keypairFromSuri(`//${name}//grandpa`, 'ed25519'),
) as [Keypair, Keypair, Keypair, Keypair];
const listed = (...keys: Keypair[]): Authorities => keys.map(({ publicKey }): [Bytes, bigint] => [publicKey, 1n]);
const SESSION_BLOCKS = 4;

/** Who plans sessions here: blocks 5, 9, 13 ... begin one, with the voters that were named last. */
const Planner = (plan: (session: number) => { readonly changed: boolean; readonly authorities: Authorities }) =>
  rules(pallet('Planner', { index: 90, doc: 'Plans sessions.' }), {
    calls: {
      twice: {
        index: 0,
        doc: 'Two changes in one block.',
        args: {},
        weight: rw(4, 4),
        run(at) {
          for (let i = 0; i < 2; i++) scheduleChange(at, { session: 9, changed: true, authorities: listed(bob) });
        },
      },
    },
    hooks: {
      on_initialize(at) {
        if (at.block.number % SESSION_BLOCKS !== 1 || at.block.number === 1) return;
        const session = Math.floor(at.block.number / SESSION_BLOCKS);
        scheduleChange(at, { session, ...plan(session) });
      },
    },
  });

interface Setup {
  readonly handler?: OffenceHandler;
  readonly plan?: Parameters<typeof Planner>[0];
  readonly authorities?: unknown;
}

function chainOf({
  handler = RECORD_ONLY,
  plan = () => ({ changed: false, authorities: FIRST }),
  authorities,
}: Setup = {}) {
  return new TestChain({
    pallets: [...CORE_PALLETS, grandpa(handler), Planner(plan)],
    genesis: { grandpa: { authorities: authorities ?? FIRST.map(([key, weight]) => [toHex(key), weight]) } },
  });
}

const FIRST = listed(alice, bob, charlie, dave);
const state = (chain: TestChain) => reader(GrandpaDeclared, chain.tree);
const target = (byte: number, number = 3) => ({ hash: new Uint8Array(32).fill(byte), number });

interface Double {
  readonly by?: Keypair;
  readonly signer?: Keypair;
  readonly stage?: GrandpaStage;
  readonly said?: 'Prevote' | 'Precommit';
  readonly setId?: bigint;
  readonly round?: bigint;
  readonly signedRound?: bigint;
  readonly second?: ReturnType<typeof target>;
}

/** Two votes as a voter with a forked key would sign them. */
function double(parts: Double = {}): EquivocationProof {
  const { by = bob, signer = by, stage = 'precommit', said = 'Precommit', setId = 0n, round = 7n } = parts;
  const sign = (at: ReturnType<typeof target>) => {
    const signature = signer.sign(voteMessage(stage, at, parts.signedRound ?? round, setId));
    return [{ target_hash: at.hash, target_number: at.number }, signature] as [
      { target_hash: Bytes; target_number: number },
      Bytes,
    ];
  };
  const value = {
    round_number: round,
    identity: by.publicKey,
    first: sign(target(1)),
    second: sign(parts.second ?? target(2)),
  };
  return { set_id: setId, equivocation: { type: said, value } };
}

const owner = (session = 0): KeyOwnerProof => ({ session, trie_nodes: [], validator_count: 0 });
const report = (proof: EquivocationProof, name = 'report_equivocation_unsigned', session = 0) =>
  call('Grandpa', name, { equivocation_proof: proof, key_owner_proof: owner(session) });

/** How the pool judges a bare report: the reason of its refusal, if any. */
function verdict(chain: TestChain, proof: EquivocationProof, session = 0): string | undefined {
  const { bytes } = bareExtrinsic(chain.runtime.Call.enc(report(proof, undefined, session)));
  const validity = chain.runtime.validate(chain.tree, bytes, chain.at);
  return validity.ok ? undefined : validity.error.value.type;
}

test('genesis names the voters by key or address; a key twice or without weight is refused', () => {
  const chain = chainOf({
    authorities: [
      [ss58Encode(alice.publicKey, 42), 3],
      [toHex(bob.publicKey), '1'],
    ],
  });
  assert.deepEqual(state(chain).Authorities.get(), [
    [alice.publicKey, 3n],
    [bob.publicKey, 1n],
  ]);
  assert.equal(state(chain).CurrentSetId.get(), 0n);
  assert.equal(state(chain).SetIdSession.get(0n), 0);
  assert.throws(() => chainOf({ authorities: [[toHex(bob.publicKey), 0]] }), ConfigError);
  assert.throws(() => chainOf({ authorities: FIRST.concat(listed(bob)).map(([key]) => [toHex(key), 1]) }), ConfigError);
});

test('a session with other voters is told in its first header, once, and counts from its end on', () => {
  const next = listed(alice, bob);
  const chain = chainOf({ plan: (session) => ({ changed: session === 2, authorities: next }) });
  for (let i = 0; i < 8; i++)
    assert.deepEqual(
      chain.block().header.digest.filter(({ type }) => type === 'Consensus'),
      [],
    );
  assert.deepEqual(state(chain).Authorities.get(), FIRST);
  assert.equal(state(chain).SetIdSession.get(0n), 1);
  const { header, events } = chain.block();
  const items = header.digest.filter(({ type }) => type === 'Consensus');
  const data = GrandpaLog.enc({ type: 'ScheduledChange', value: { next, delay: 0 } });
  assert.deepEqual(items, [{ type: 'Consensus', value: { engine: 'FRNK', data } }]);
  assert.ok(names(events).includes('Grandpa.NewAuthorities'));
  assert.deepEqual(state(chain).Authorities.get(), next);
  assert.equal(state(chain).PendingChange.get(), undefined);
  assert.equal(state(chain).CurrentSetId.get(), 1n);
  assert.deepEqual([state(chain).SetIdSession.get(0n), state(chain).SetIdSession.get(1n)], [1, 2]);
  const { outcomes, events: after } = chain.block([chain.signed(payer, call('Planner', 'twice'))]);
  assert.ok(outcomes[0]?.applied && names(after).includes('System.ExtrinsicFailed'), 'ChangePending');
  assert.equal(state(chain).CurrentSetId.get(), 1n);
});

test('two precommits of one key are proven bare, by anybody, once', () => {
  const chain = chainOf();
  chain.block();
  const proof = double();
  assert.equal(verdict(chain, proof), undefined);
  const { bytes } = bareExtrinsic(chain.runtime.Call.enc(report(proof)));
  const { outcomes, events } = chain.block([bytes]);
  assert.ok(outcomes[0]?.applied);
  const told = events.find(({ type, value }) => type === 'Grandpa' && value.type === 'VotedTwice');
  assert.deepEqual(told?.value.value, { authority: bob.publicKey, set_id: 0n, round: 7n });
  assert.equal(state(chain).Equivocations.get(0n, bob.publicKey), 2);
  assert.equal(verdict(chain, double({ round: 9n })), 'Stale', 'one report for a voter and set');
  assert.equal(verdict(chain, double({ by: dave, stage: 'prevote', said: 'Prevote' })), undefined);
});

test('no report stands on less than two signatures of one voter for two blocks of one round', () => {
  const chain = chainOf();
  chain.block();
  const bad: readonly (readonly [string, Double, string])[] = [
    ['twice the same vote', { second: target(1) }, 'BadProof'],
    ['another one signed', { signer: alice }, 'BadProof'],
    ['prevotes called precommits', { stage: 'prevote' }, 'BadProof'],
    ['signed for another round', { signedRound: 8n }, 'BadProof'],
    ['a key outside the set', { by: payer, signer: payer }, 'BadProof'],
    ['a stranger who signs', { by: keypairFromSuri('//Eve', 'ed25519') }, 'BadSigner'],
    ['a set that is not yet', { setId: 1n }, 'BadSigner'],
  ];
  for (const [what, parts, reason] of bad) assert.equal(verdict(chain, double(parts)), reason, what);
  assert.equal(verdict(chain, double(), 1), 'BadSigner', 'a session that is not yet');
  assert.equal(verdict(chain, double({ second: target(1, 4) })), undefined, 'one hash at two heights is two votes');
});

test('a vote of a past set is judged by the sessions of that set', () => {
  const offences: VoteOffence[] = [];
  const handler: OffenceHandler = {
    isOwned: (_at, _key, _setId, { validator_count: count }) => count === 0,
    prove: (_at, _key, setId) => (setId === 1n ? owner(2) : undefined),
    onOffence: (_at, offence) => {
      offences.push(offence);
      return NO_WEIGHT;
    },
    weight: NO_WEIGHT,
  };
  const chain = chainOf({ handler, plan: (session) => ({ changed: session % 2 === 0, authorities: FIRST }) });
  for (let i = 0; i < 17; i++) chain.block();
  assert.equal(state(chain).CurrentSetId.get(), 2n);
  // Sessions 0, 1: set 0; 2, 3: set 1; 4: set 2.
  const judged = [0, 1, 2, 3, 4].map((session) => verdict(chain, double({ setId: 1n }), session));
  assert.deepEqual(judged, ['BadSigner', 'BadSigner', undefined, undefined, 'BadSigner']);
  chain.block([chain.signed(payer, report(double({ setId: 1n }), 'report_equivocation', 3))]);
  const { events } = chain.block([chain.signed(payer, report(double({ setId: 1n }), 'report_equivocation', 2))]);
  assert.ok(names(events).includes('System.ExtrinsicFailed'), 'DuplicateOffenceReport');
  const { ownerProof, ...told } = offences.at(-1) as VoteOffence;
  assert.deepEqual(ownerProof, owner(3));
  const key = bob.publicKey;
  assert.deepEqual(told, { setId: 1n, round: 7n, stage: 'precommit', key, reporter: payer.accountId });
});

test('nobody but root may say that voting stalled, and then it is refused by name', () => {
  const chain = chainOf();
  const stalled = call('Grandpa', 'note_stalled', { delay: 10, best_finalized_block_number: 1 });
  const { events } = chain.block([chain.signed(payer, stalled)]);
  assert.ok(names(events).includes('System.ExtrinsicFailed'));
});

test('clients ask by GrandpaApi who votes, in which set, and whose a key is', () => {
  const chain = chainOf();
  chain.block();
  const ask = (name: string, args: Bytes = new Uint8Array()): Bytes => {
    const result = chain.runtime.call(chain.tree, `GrandpaApi_${name}`, args, chain.at);
    assert.ok(result.ok);
    return result.output;
  };
  assert.deepEqual(Authorities.dec(ask('grandpa_authorities')), FIRST);
  assert.equal(u64.dec(ask('current_set_id')), 0n);
  const question = (key: Bytes) => Uint8Array.from([...u64.enc(0n), ...key]);
  const opaque = ask('generate_key_ownership_proof', question(bob.publicKey));
  assert.equal(opaque[0], 1);
  assert.deepEqual(ask('generate_key_ownership_proof', question(payer.publicKey)), Uint8Array.of(0));
  const submit = (proof: EquivocationProof) =>
    ask(
      'submit_report_equivocation_unsigned_extrinsic',
      Uint8Array.from([...EquivocationProof.enc(proof), ...opaque.slice(1)]),
    );
  assert.deepEqual(submit(double()), Uint8Array.of(1));
  assert.deepEqual(submit(double({ signer: alice })), Uint8Array.of(0));
});

test('the bytes of a proof are those of Substrate: set, stage, round, key, and two votes with signatures', () => {
  const proof = double();
  const bytes = EquivocationProof.enc(proof);
  assert.equal(bytes.length, 8 + 1 + 8 + 32 + 2 * (32 + 4 + 64));
  assert.equal(bytes[8], 1);
  assert.deepEqual(EquivocationProof.dec(bytes), proof);
  assert.throws(() => EquivocationProof.dec(bytes.slice(1)), CodecError);
});
