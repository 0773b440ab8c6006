/** # Proofs of finality: real ones and our own hold; whatever is changed in them, a named fault refuses them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import { justify, verifyJustification } from '../../../src/consensus/finality/justification.ts';
import { Round, type Verify } from '../../../src/consensus/finality/round.ts';
import { VoterSet } from '../../../src/consensus/finality/voter-set.ts';
import { type Keypair, keypairFromSeed } from '../../../src/crypto/keypair.ts';
import { verifySignature } from '../../../src/crypto/verify.ts';
import { GrandpaJustification, voteMessage } from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { testWithVectors } from '../../vectors/substrate.ts';
import { Headers } from './headers.ts';

const verify: Verify = (signature, message, id) => verifySignature('ed25519', signature, message, id);

const PAIRS = Array.from({ length: 4 }, (_, i) => keypairFromSeed('ed25519', new Uint8Array(32).fill(i + 1)));
const [a, b, c, d] = PAIRS as [Keypair, Keypair, Keypair, Keypair];
const VOTERS = must(VoterSet.of(PAIRS.map(({ publicKey }) => [publicKey, 1n])), 'four voters');
const SET = 5n;
const CHAIN = new Headers().grow('0', 'A', 'B', 'C', 'D').grow('B', 'E', 'F');
const RULES = { voters: VOTERS, setId: SET, verify };

function precommit(pair: Keypair, block: string, round = 3n, setId = SET) {
  const target = CHAIN.ref(block);
  const signature = pair.sign(voteMessage('precommit', target, round, setId));
  return { precommit: target, signature, id: pair.publicKey };
}

function proof(target: string, votes: readonly ReturnType<typeof precommit>[], ancestry: readonly string[]): Bytes {
  const votesAncestries = ancestry.map((name) => must(CHAIN.header(CHAIN.ref(name).hash), name));
  return GrandpaJustification.enc({
    round: 3n,
    commit: { target: CHAIN.ref(target), precommits: votes },
    votesAncestries,
  });
}

function faultOf(bytes: Bytes, over: Partial<typeof RULES & { target: BlockRef }> = {}): string {
  const verdict = verifyJustification(bytes, { ...RULES, ...over });
  return verdict.ok ? 'none' : verdict.fault;
}

/** A round in which each votes for what is named beside him. */
function roundOf(precommits: readonly (readonly [Keypair, string])[], prevote = 'D'): Round {
  const round = new Round({ round: 3n, setId: SET, voters: VOTERS, base: CHAIN.ref('0'), tree: CHAIN, verify });
  for (const pair of PAIRS) {
    const target = CHAIN.ref(prevote);
    const signature = pair.sign(voteMessage('prevote', target, 3n, SET));
    round.import({ stage: 'prevote', target, round: 3n, setId: SET, signature, id: pair.publicKey });
  }
  for (const [pair, block] of precommits) {
    const { precommit: target, signature, id } = precommit(pair, block);
    round.import({ stage: 'precommit', target, round: 3n, setId: SET, signature, id });
  }
  return round;
}

test('a supermajority on one block proves it, and needs no header', () => {
  const bytes = proof('B', [precommit(a, 'B'), precommit(b, 'B'), precommit(c, 'B')], []);
  assert.equal(faultOf(bytes), 'none');
  assert.equal(faultOf(bytes, { target: CHAIN.ref('B') }), 'none');
  assert.equal(faultOf(bytes, { target: CHAIN.ref('C') }), 'OtherTarget');
  assert.equal(faultOf(bytes, { setId: SET + 1n }), 'BadSignature', 'votes of one set prove nothing to another');
});

test('votes above the target count with the headers that lead to it', () => {
  const votes = [precommit(a, 'B'), precommit(b, 'D'), precommit(c, 'F')];
  assert.equal(faultOf(proof('B', votes, ['C', 'D', 'E', 'F'])), 'none');
  assert.equal(faultOf(proof('B', votes, ['D', 'F', 'E', 'C'])), 'none');
  assert.equal(faultOf(proof('B', votes, ['C', 'D', 'F'])), 'MissingAncestry');
  assert.equal(faultOf(proof('B', votes, ['B', 'C', 'D', 'E', 'F'])), 'UnusedAncestry');
  assert.equal(faultOf(proof('B', votes, ['C', 'C', 'D', 'E', 'F'])), 'UnusedAncestry');
  assert.equal(faultOf(proof('C', votes, ['C', 'D', 'E', 'F'])), 'BelowTarget');
});

test('too little weight, a voter twice, a stranger, a forged vote: each has its name', () => {
  const [onB, second, third] = [precommit(a, 'B'), precommit(b, 'B'), precommit(c, 'B')];
  assert.equal(faultOf(proof('B', [onB, second], [])), 'TooLittleWeight');
  assert.equal(faultOf(proof('B', [onB, second, onB], [])), 'DoubleVoter');
  const stranger = keypairFromSeed('ed25519', new Uint8Array(32).fill(99));
  assert.equal(faultOf(proof('B', [onB, second, third, precommit(stranger, 'B')], [])), 'UnknownVoter');
  assert.equal(faultOf(proof('B', [onB, second, { ...third, id: d.publicKey }], [])), 'BadSignature');
  assert.equal(faultOf(proof('B', [onB, second, precommit(c, 'B', 4n)], [])), 'BadSignature');
  assert.equal(faultOf(proof('B', [onB, second, precommit(c, 'E')], ['E'])), 'none');
  const low = { hash: CHAIN.ref('E').hash, number: CHAIN.ref('B').number };
  assert.equal(faultOf(proof('B', [onB, second, { ...third, precommit: low }], ['E'])), 'BelowTarget');
});

test('signatures are looked at last: junk costs no more than its bytes', () => {
  let checked = 0;
  const counting: Verify = (...all) => {
    checked++;
    return verify(...all);
  };
  const votes = [precommit(a, 'B'), precommit(b, 'D'), precommit(c, 'F')];
  assert.equal(faultOf(proof('B', votes, ['C', 'D', 'F']), { verify: counting }), 'MissingAncestry');
  assert.equal(checked, 0);
  assert.equal(faultOf(proof('B', votes, ['C', 'D', 'E', 'F']), { verify: counting }), 'none');
  assert.equal(checked, 3);
});

test('a round makes the proof that a verifier accepts', () => {
  const split = justify(
    roundOf([
      [a, 'B'],
      [b, 'D'],
      [c, 'C'],
    ]),
    CHAIN.header,
  );
  assert.deepEqual(split?.target, CHAIN.ref('B'));
  assert.equal(faultOf(must(split, 'a proof').bytes, { target: CHAIN.ref('B') }), 'none');
  assert.equal(
    justify(
      roundOf([
        [a, 'B'],
        [b, 'D'],
      ]),
      CHAIN.header,
    ),
    undefined,
  );
  assert.equal(
    justify(
      roundOf([
        [a, 'B'],
        [b, 'D'],
        [c, 'C'],
      ]),
      () => undefined,
    ),
    undefined,
    'headers are missing',
  );
});

test('where all voted above the GHOST, the lowest vote is proven: no header leads below it', () => {
  const made = must(
    justify(
      roundOf(
        [
          [a, 'C'],
          [b, 'D'],
          [c, 'C'],
        ],
        'B',
      ),
      CHAIN.header,
    ),
    'a proof',
  );
  assert.deepEqual(made.target, CHAIN.ref('C'));
  assert.equal(faultOf(made.bytes), 'none');
  assert.equal(GrandpaJustification.dec(made.bytes).votesAncestries.length, 1);
  const forked = must(
    justify(
      roundOf(
        [
          [a, 'D'],
          [b, 'F'],
          [c, 'E'],
        ],
        'B',
      ),
      CHAIN.header,
    ),
    'a proof',
  );
  assert.deepEqual(forked.target, CHAIN.ref('B'));
  assert.equal(faultOf(forked.bytes), 'none');
});

test('an equivocator is named once, by a vote that fits', () => {
  const made = must(
    justify(
      roundOf([
        [a, 'D'],
        [b, 'D'],
        [c, 'F'],
        [c, 'D'],
      ]),
      CHAIN.header,
    ),
    'a proof',
  );
  assert.deepEqual(made.target, CHAIN.ref('D'));
  assert.equal(faultOf(made.bytes), 'none');
});

test('no change of any byte of a proof goes unnoticed', () => {
  const made = must(
    justify(
      roundOf([
        [a, 'B'],
        [b, 'D'],
        [c, 'C'],
      ]),
      CHAIN.header,
    ),
    'a proof',
  ).bytes;
  fc.assert(
    fc.property(fc.nat(made.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = Uint8Array.from(made);
      bytes[at] = (bytes[at] as number) ^ change;
      assert.notEqual(faultOf(bytes, { target: CHAIN.ref('B') }), 'none', `byte ${at} ^ ${change}`);
    }),
    { numRuns: 200 },
  );
  for (const length of [0, 1, made.length - 1]) assert.equal(faultOf(made.subarray(0, length)), 'Malformed');
});

interface JustificationVector {
  readonly block_hash: string;
  readonly block_number: number;
  readonly set_id: number;
  readonly authorities: readonly string[];
  readonly justification: string;
}

testWithVectors(
  "Westend 512's justification proves its block to its authorities only, unchanged only",
  'gossamer/grandpa-justification-westend-512.json',
  (data) => {
    const vector = data as JustificationVector;
    const bytes = fromHex(vector.justification);
    const voters = must(VoterSet.of(vector.authorities.map((key) => [fromHex(key), 1n])), 'authorities');
    const target = { hash: fromHex(vector.block_hash), number: vector.block_number };
    const over = { voters, setId: BigInt(vector.set_id), target };
    assert.equal(faultOf(bytes, over), 'none');
    assert.equal(faultOf(bytes, { ...over, setId: 1n }), 'BadSignature');
    assert.equal(faultOf(bytes, { ...over, voters: VOTERS }), 'UnknownVoter');
    assert.equal(faultOf(bytes, { ...over, target: { ...target, number: 511 } }), 'OtherTarget');
    const justification = GrandpaJustification.dec(bytes);
    const { commit } = justification;
    const two = { ...justification, commit: { ...commit, precommits: commit.precommits.slice(1) } };
    assert.equal(faultOf(GrandpaJustification.enc(two), over), 'TooLittleWeight');
    const later = { ...justification, round: justification.round + 1n };
    assert.equal(faultOf(GrandpaJustification.enc(later), over), 'BadSignature');
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      assert.notEqual(faultOf(changed, over), 'none', `${at}: ${toHex(changed.subarray(at, at + 1))}`);
    }
  },
);
