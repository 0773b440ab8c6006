/** # Pieces: execution in pieces is execution, whatever else runs in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Work } from '../../src/base/work.ts';
import { remembering } from '../../src/node/signatures.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import type { BlockBuilder, ExecutionResult } from '../../src/runtime/runtime.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import { alice, bob, call, carol, HOST, TestChain, transferCall, UNIT } from './test-chain.ts';

const EVENTS = storageKey(System.storage.Events, []);
// Each signature is verified once: what is tested here is what is done with the answer.
const chain = new TestChain({ host: { ...HOST, verify: remembering(HOST.verify) } });
const parent = { header: chain.header, ticket: undefined };
const transfer = (amount: bigint) => transferCall('transfer_allow_death', carol.accountId, amount);
/** What people send: good, failing, too rich, of the past, unsigned, nonsense. */
const SENT: readonly Bytes[] = [
  ...[0, 1, 2].map((nonce) => chain.signed(alice, transfer(UNIT), { nonce })),
  ...[0, 1].map((nonce) => chain.signed(bob, transfer(2_000n * UNIT), { nonce })),
  chain.signed(bob, call('Utility', 'batch', { calls: [transfer(UNIT), transfer(2n * UNIT)] }), { nonce: 1 }),
  chain.signed(carol, call('System', 'remark_with_event', { remark: new Uint8Array(300) }), { nonce: 0, tip: UNIT }),
  Uint8Array.of(8, 4, 255),
];
const FAULTS = ['none', 'none', 'stateRoot', 'digest', 'body'] as const;

/** A block of whichever of these the builder takes, or with one that it does not take, or with a wrong header. */
function blockOf(picks: readonly number[], fault: (typeof FAULTS)[number], withInvalid: boolean) {
  const builder = chain.runtime.builder(chain.tree, parent, chain.time(1));
  const sent = picks.map((pick) => SENT[pick] as Bytes);
  const refused = sent.filter((bytes) => !builder.apply(bytes).applied);
  const built = builder.finish();
  const body = withInvalid ? [...built.extrinsics, ...refused.slice(0, 1)] : built.extrinsics;
  const header = { ...built.header, extrinsicsRoot: orderedRoot(body) };
  if (fault === 'stateRoot') header.stateRoot = new Uint8Array(32);
  if (fault === 'digest') header.digest = [{ type: 'Other', value: new Uint8Array(2) }];
  return { header, extrinsics: fault === 'body' ? body.slice(0, -1) : body };
}

const block = fc
  .tuple(fc.array(fc.nat(SENT.length - 1), { maxLength: 9 }), fc.constantFrom(...FAULTS), fc.boolean())
  .map(([picks, fault, withInvalid]) => blockOf(picks, fault, withInvalid));

/** What execution says, comparable. */
function outcome(result: ExecutionResult) {
  if (!result.ok) return result;
  const { tree, changes, events } = result;
  return { root: tree.root, changes: [...changes], events };
}

test('two blocks executed in turns, some pieces at a time, come out as each does alone', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(block, block, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), (a, b, portions) => {
      const alone = [a, b].map((one) => outcome(chain.runtime.execute(chain.tree, one, parent)));
      const works: Work<ExecutionResult>[] = [a, b].map((one) => chain.runtime.executing(chain.tree, one, parent));
      const results: (ExecutionResult | undefined)[] = [undefined, undefined];
      for (let turn = 0; results.includes(undefined); turn++) {
        const who = turn % 2;
        const portion = portions[turn % portions.length] as number;
        for (let i = 0; i < portion && results[who] === undefined; i++) {
          const { done, value } = (works[who] as Work<ExecutionResult>).next();
          if (done) results[who] = value;
        }
      }
      assert.deepEqual(
        results.map((result) => outcome(result as ExecutionResult)),
        alone,
      );
      for (const result of results) seen.add(result?.ok ? 'ok' : (result?.code ?? ''));
    }),
    { numRuns: 80, examples: [[blockOf([0], 'stateRoot', false), blockOf([0], 'digest', false), [1]]] },
  );
  const all = ['InvalidExtrinsic', 'WrongDigest', 'WrongExtrinsicsRoot', 'WrongStateRoot', 'ok'];
  assert.deepEqual([...seen].sort(), all);
});

test('System.Events, written an extrinsic at a time, holds the events that execution reports', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(SENT.length - 1), { maxLength: 9 }), (picks) => {
      const result = chain.runtime.execute(chain.tree, blockOf(picks, 'none', false), parent);
      assert.ok(result.ok);
      const held = result.tree.get(EVENTS);
      assert.deepEqual(held, chain.runtime.Events.enc([...result.events]));
    }),
    { numRuns: 30 },
  );
});

test('a builder that finishes in pieces makes the block that it would make at once', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(SENT.length - 1), { maxLength: 9 }), (picks) => {
      const [whole, parted] = ['at once', 'in pieces'].map(() => {
        const builder = chain.runtime.builder(chain.tree, parent, chain.time(1));
        for (const pick of picks) builder.apply(SENT[pick] as Bytes);
        return builder;
      }) as [BlockBuilder, BlockBuilder];
      const work = parted.finishing();
      let result = work.next();
      assert.ok(!result.done);
      while (!result.done) result = work.next();
      const expected = whole.finish();
      assert.deepEqual([result.value.header, result.value.extrinsics], [expected.header, expected.extrinsics]);
      assert.deepEqual(result.value.tree.root, expected.tree.root);
    }),
    { numRuns: 20 },
  );
});

test('what was judged before on the same state changes no verdict', () => {
  const later = new TestChain({ host: { ...HOST, verify: remembering(HOST.verify) } });
  later.block(SENT.slice(0, 4));
  const states = [chain, later].map(({ tree, at }) => ({ tree, at })) as [Pick<TestChain, 'tree' | 'at'>];
  const judged = fc.array(fc.tuple(fc.nat(1), fc.nat(SENT.length - 1)), { minLength: 1, maxLength: 20 });
  const codes = new Set<string>();
  fc.assert(
    fc.property(judged, (steps) => {
      for (const [state, pick] of steps) {
        const { tree, at } = states[state] as (typeof states)[0];
        const verdict = chain.runtime.validate(tree, SENT[pick] as Bytes, at);
        // The other one is asked about another block in between, so that it begins anew each time.
        later.runtime.validate(tree, SENT[0] as Bytes, { ...at, number: at.number + 1 });
        assert.deepEqual(verdict, later.runtime.validate(tree, SENT[pick] as Bytes, at));
        codes.add(verdict.ok ? 'ok' : verdict.error.value.type);
      }
    }),
    { numRuns: 40 },
  );
  assert.ok(codes.has('ok') && codes.has('Stale') && codes.has('Call'), [...codes].join());
});
