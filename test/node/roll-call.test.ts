/** # Roll call: a node shows the chain one vote of its own in each era, again if it was lost, and never without need. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { GadgetMessage } from '../../src/consensus/finality/message.ts';
import { RollCall } from '../../src/node/roll-call.ts';
import { headerHash } from '../../src/primitives/header.ts';
import { type GrandpaStage, voteMessage } from '../../src/primitives/justification.ts';
import { reader } from '../../src/runtime/access.ts';
import { GrandpaDeclared } from '../../src/runtime/pallets/grandpa.ts';
import { ERA, type Somebody, StakeChain, somebody, UNIT } from '../runtime/stake/stake-chain.ts';

const us = somebody('a validator');
const chainOf = () => new StakeChain({ keyed: [us], stakers: [[us, 100n * UNIT, 'Validator']] });

/** A node's view of a chain. */
const rollCallOf = (chain: StakeChain) =>
  new RollCall({
    runtime: chain.runtime,
    store: {
      get best() {
        return chain.at;
      },
      view: (hash) => (toHex(hash) === toHex(chain.at.hash) ? chain.tree : undefined),
    },
  });

let rounds = 0n;
/** What the gadget of somebody says about the best block. */
function said(chain: StakeChain, stage: GrandpaStage = 'precommit', by: Somebody = us): Bytes {
  const target = { hash: headerHash(chain.header), number: chain.number };
  const setId = reader(GrandpaDeclared, chain.tree).CurrentSetId.get();
  const round = ++rounds;
  const signature = by.grandpa.sign(voteMessage(stage, target, round, setId));
  const vote = { stage, target, round, setId, signature, id: by.keys.grandpa };
  return GadgetMessage.enc({ type: 'Vote', value: { repeat: 0, vote } });
}

const isHeard = (chain: StakeChain, era: number) => chain.staking.ErasActive.has(era, us.account);

test('precommits of a validator are shown, not its other votes, nor those of a key without a seat', () => {
  const chain = chainOf();
  chain.block();
  const roll = rollCallOf(chain);
  for (const stage of ['prevote', 'primaryPropose'] as const) assert.equal(roll.answer(said(chain, stage)), undefined);
  assert.equal(roll.answer(said(chain, 'precommit', somebody('a stranger'))), undefined);
  const proof = GadgetMessage.enc({ type: 'Proof', value: { setId: 0n, bytes: Uint8Array.of(1) } });
  assert.equal(roll.answer(proof), undefined);
  assert.ok(roll.answer(said(chain)) !== undefined);
});

test('a vote that got lost is shown again four blocks later, and at once in the next era', () => {
  const chain = chainOf();
  chain.block();
  const roll = rollCallOf(chain);
  const shownAt: number[] = [];
  while (chain.number < ERA + 2) {
    for (let i = 0; i < 3; i++) if (roll.answer(said(chain)) !== undefined) shownAt.push(chain.number);
    chain.block();
  }
  assert.deepEqual(shownAt, [1, 5, 9, ERA + 1]);
});

test('whatever is said and lost: what is shown is valid and needed, and what is shown and kept is heard', () => {
  const turn = fc.record({ votes: fc.nat(2), lost: fc.boolean() });
  fc.assert(
    fc.property(fc.array(turn, { minLength: ERA, maxLength: 2 * ERA + 4, size: 'max' }), (turns) => {
      const chain = chainOf();
      const roll = rollCallOf(chain);
      let last = { era: -1, number: 0 };
      for (const { votes, lost } of turns) {
        const kept: Bytes[] = [];
        const era = Math.floor(chain.number / ERA);
        for (let i = 0; i < votes; i++) {
          const extrinsic = roll.answer(said(chain));
          if (extrinsic === undefined) continue;
          assert.ok(!isHeard(chain, era));
          if (last.era === era) assert.ok(chain.number >= last.number + 4);
          last = { era, number: chain.number };
          kept.push(extrinsic);
        }
        const { outcomes } = chain.block(lost ? [] : kept);
        assert.ok(outcomes.every(({ applied }) => applied));
        if (kept.length > 0 && !lost) assert.ok(isHeard(chain, era));
      }
    }),
    { numRuns: 6 },
  );
});
