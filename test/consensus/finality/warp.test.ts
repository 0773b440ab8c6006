/** # Warp proofs: set after set leads from genesis to the newest final block, and nothing else does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { followProof, type WarpState } from '../../../src/consensus/finality/warp.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { installFastPaths } from '../../../src/crypto/native/install.ts';
import { Header } from '../../../src/primitives/header.ts';
import { type WarpFragment, WarpProof } from '../../../src/primitives/warp.ts';
import { changeTo, justified, listOf, madeChain, verify, votersOf } from './sets.ts';

await installFastPaths();

const CHAIN = madeChain({ blocks: 23, session: 5 });

function faultOf(from: WarpState, proof: WarpProof): string {
  const verdict = followProof(from, proof, verify);
  return verdict.ok ? 'none' : [verdict.fault, verdict.because].filter(Boolean).join(' ');
}

const finished = (fragments: readonly WarpFragment[]): WarpProof => ({ fragments: [...fragments], finished: true });

test('a proof in one piece or in many leads to the newest block and the set that votes on it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 5 }), (cuts) => {
      let state = CHAIN.begin;
      let at = 0;
      let last = '';
      for (const size of [...cuts, CHAIN.proof.length]) {
        const fragments = CHAIN.proof.slice(at, at + size);
        at += fragments.length;
        const piece = { fragments, finished: at === CHAIN.proof.length };
        const verdict = followProof(state, WarpProof.dec(WarpProof.enc(piece)), verify);
        assert.ok(verdict.ok);
        state = verdict.state;
        const block = verdict.proven.at(-1);
        if (block !== undefined) last = toHex(block.hash);
      }
      assert.equal(last, toHex(blake2_256(must(CHAIN.headers[23], 'the newest'))));
      assert.deepEqual(state, { setId: 4n, authorities: listOf(votersOf('set 4')), number: 20 });
    }),
    { numRuns: 20 },
  );
});

test('a set that is left out, told twice or in another order is refused', () => {
  const { begin, proof } = CHAIN;
  assert.equal(faultOf(begin, finished(proof.slice(1))), 'NotFinal UnknownVoter');
  assert.equal(faultOf(begin, finished([...proof.slice(0, 1), ...proof])), 'NotAbove');
  assert.equal(faultOf(begin, finished(proof.toSpliced(2, 1))), 'NotFinal UnknownVoter');
  assert.equal(faultOf(begin, finished(proof.toReversed())), 'NoChange');
  assert.equal(faultOf({ ...begin, number: 5 }, finished(proof)), 'NotAbove');
});

test('a block between that ends no set proves nothing about the next one', () => {
  const plain = must(CHAIN.headers[3], 'a header');
  const fragment = { header: plain, justification: justified(plain, votersOf('set 0'), 0n) };
  assert.equal(faultOf(CHAIN.begin, finished([fragment, ...CHAIN.proof])), 'NoChange');
  assert.equal(faultOf(CHAIN.begin, { fragments: [fragment], finished: false }), 'NoChange');
  assert.equal(faultOf(CHAIN.begin, finished([fragment])), 'none');
});

test('too few votes, votes of another set, and votes of the next set for its own election are refused', () => {
  const header = must(CHAIN.headers[5], 'the first end');
  const by = (names: string, setId: bigint, count = 3) =>
    finished([{ header, justification: justified(header, votersOf(names).slice(0, count), setId) }]);
  assert.equal(faultOf(CHAIN.begin, by('set 0', 0n, 2)), 'NotFinal TooLittleWeight');
  assert.equal(faultOf(CHAIN.begin, by('set 1', 1n)), 'NotFinal UnknownVoter');
  assert.equal(faultOf(CHAIN.begin, by('set 0', 1n)), 'NotFinal BadSignature');
  assert.equal(faultOf({ ...CHAIN.begin, authorities: [] }, by('set 0', 0n)), 'NoVoters');
});

test('a change that takes effect later is not taken for one that takes effect now', () => {
  const decoded = Header.dec(must(CHAIN.headers[5], 'a header'));
  const header = Header.enc({ ...decoded, digest: [changeTo(votersOf('set 1'), 3)] });
  const fragment = { header, justification: justified(header, votersOf('set 0'), 0n) };
  assert.equal(faultOf(CHAIN.begin, { fragments: [fragment], finished: false }), 'NoChange');
});

test('whatever byte is changed, the proof is refused', () => {
  const bytes = WarpProof.enc(finished(CHAIN.proof));
  fc.assert(
    fc.property(fc.nat(bytes.length - 2), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      let proof: WarpProof;
      try {
        proof = WarpProof.dec(bytes.with(at, (bytes[at] ?? 0) ^ flip));
      } catch {
        return;
      }
      assert.notEqual(faultOf(CHAIN.begin, proof), 'none');
    }),
    { numRuns: 300 },
  );
});
