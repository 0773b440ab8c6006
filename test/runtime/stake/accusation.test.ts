/** # Accusation: a double vote is reported with the proof of its own set, also when that set has just ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { equal, toHex } from '../../../src/base/bytes.ts';
import { voteAccusation } from '../../../src/consensus/accusation.ts';
import type { Equivocation, SignedVote } from '../../../src/consensus/finality/round.ts';
import { voteMessage } from '../../../src/primitives/justification.ts';
import { reader } from '../../../src/runtime/access.ts';
import { GrandpaDeclared } from '../../../src/runtime/pallets/grandpa.ts';
import type { StateTree } from '../../../src/state/tree.ts';
import { type Somebody, StakeChain, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 4 }, (_, i) => somebody(`validator ${i}`));
const [leaver, stayer] = [must(V[1], 'a validator'), must(V[2], 'a validator')];

/** Two precommits of one round. */
function twice(by: Somebody, setId: bigint): Equivocation {
  const vote = (byte: number): SignedVote => {
    const target = { hash: new Uint8Array(32).fill(byte), number: 3 };
    const signature = by.grandpa.sign(voteMessage('precommit', target, 5n, setId));
    return { stage: 'precommit', target, round: 5n, setId, signature, id: by.keys.grandpa };
  };
  return { stage: 'precommit', round: 5n, setId, id: by.keys.grandpa, first: vote(1), second: vote(2) };
}

/** A chain in whose last final block the first set has ended, and what a node's store has of it. */
function endedSet(kept: number) {
  const stakers = V.map((who) => [who, 100n * UNIT, 'Validator'] as const);
  const chain = new StakeChain({ keyed: V, stakers });
  const states: StateTree[] = [chain.tree];
  const grow = (block: () => void) => {
    block();
    states.push(chain.tree);
  };
  grow(() => chain.does([leaver, 'Staking.chill', {}]));
  const grandpa = () => reader(GrandpaDeclared, chain.tree);
  while (grandpa().CurrentSetId.get() === 0n) grow(() => chain.block());
  assert.ok(
    !grandpa()
      .Authorities.get()
      .some(([key]) => equal(key, leaver.keys.grandpa)),
  );
  assert.ok(
    grandpa()
      .Authorities.get()
      .some(([key]) => equal(key, stayer.keys.grandpa)),
  );
  const hashOf = (number: number) => new Uint8Array(32).fill(number);
  const store = {
    settled: chain.at,
    canonical: (number: number) => (number === chain.number ? chain.at.hash : hashOf(number)),
    view: (hash: Uint8Array) => {
      const number = equal(hash, chain.at.hash) ? chain.number : (hash[0] as number);
      return number > chain.number - kept ? states[number] : undefined;
    },
  };
  return { chain, store };
}

for (const [who, what] of [
  [leaver, 'has no seat in the next set'],
  [stayer, 'has a seat in the next set, too'],
] as const) {
  test(`who voted twice in a set that has just ended, and ${what}, is reported and pays`, () => {
    const { chain, store } = endedSet(100);
    const report = must(voteAccusation(chain.runtime, store, twice(who, 0n)), 'a report');
    const validity = chain.runtime.validate(chain.tree, report, chain.at);
    assert.ok(validity.ok, validity.ok ? '' : validity.error.value.type);
    chain.block([report]);
    assert.ok((chain.staking.Ledger.get(who.account)?.total ?? 0n) < 100n * UNIT, toHex(who.account));
  });
}

test('nobody is accused where the states of the set are not kept, or the set is none that was', () => {
  const { chain, store } = endedSet(1);
  assert.equal(voteAccusation(chain.runtime, store, twice(stayer, 0n)), undefined);
  assert.equal(voteAccusation(chain.runtime, store, twice(stayer, 7n)), undefined);
});
