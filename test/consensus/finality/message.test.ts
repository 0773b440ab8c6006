/** # The bytes of votes, records and memories. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../../src/base/bytes.ts';
import { RoundRecordCodec, SignedVoteCodec, VoterMemoryCodec } from '../../../src/consensus/finality/message.ts';
import { voteMessage } from '../../../src/primitives/justification.ts';

const plain = { noNullPrototype: true };
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u64s = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const blocks = fc.record({ hash: bytes(32), number: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }, plain);
const stages = fc.constantFrom('prevote' as const, 'precommit' as const, 'primaryPropose' as const);
const votes = fc.record(
  { stage: stages, target: blocks, round: u64s, setId: u64s, signature: bytes(64), id: bytes(32) },
  plain,
);
const records = fc.record({ setId: u64s, round: u64s, votes: fc.array(votes, { maxLength: 9 }) }, plain);
const maybe = fc.option(blocks, { nil: undefined });
const states = fc.record({ ghost: maybe, estimate: maybe, finalized: maybe, completable: fc.boolean() }, plain);
const memories = fc.record(
  {
    setId: u64s,
    round: u64s,
    own: fc.array(votes, { maxLength: 3 }),
    before: fc.record({ record: records, state: states }, plain),
  },
  plain,
);

test('votes, records and memories come back from their bytes', () => {
  fc.assert(fc.property(votes, (vote) => assert.deepEqual(SignedVoteCodec.dec(SignedVoteCodec.enc(vote)), vote)));
  fc.assert(fc.property(records, (one) => assert.deepEqual(RoundRecordCodec.dec(RoundRecordCodec.enc(one)), one)));
  fc.assert(fc.property(memories, (one) => assert.deepEqual(VoterMemoryCodec.dec(VoterMemoryCodec.enc(one)), one)));
});

test('a vote is round, set id, and what is signed of it, then signature and key: 149 bytes', () => {
  fc.assert(
    fc.property(votes, (vote) => {
      const encoded = SignedVoteCodec.enc(vote);
      assert.equal(encoded.length, 149);
      const signed = voteMessage(vote.stage, vote.target, vote.round, vote.setId);
      assert.equal(toHex(encoded.subarray(16, 53)), toHex(signed.subarray(0, 37)));
      assert.equal(toHex(encoded.subarray(0, 16)), toHex(signed.subarray(37)));
    }),
  );
});

test('a list longer than any honest one is refused before it is read', () => {
  assert.throws(() => RoundRecordCodec.dec(new Uint8Array([...new Uint8Array(16), 0x09, 0x80])), {
    code: 'length',
  });
});
