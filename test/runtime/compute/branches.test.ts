import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { equal } from '../../../src/base/bytes.ts';
import { type ChainSpec, runtimeSpec } from '../../../src/node/chain-spec.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import { ComputeChain, type Person, smallJob, TRAINING_BLOCKS } from '../compute-chain.ts';

test('the state of a block does not depend on who won it, nor with which ticket', () => {
  const chain = new ComputeChain();
  chain.run(TRAINING_BLOCKS - 1);
  const head = chain.mark();
  const work = chain.work();
  const wins = chain.authors.flatMap((author) => {
    const winner = must(chain.winOf(author), 'a win');
    return [0, 1].map((luck) => ({ ...winner, luck }));
  });
  const branches = wins.map((winner) => {
    chain.goTo(head);
    chain.block(work, winner);
    const now = chain.mark();
    return { root: now.tree.root, after: chain.block([]).tree.root };
  });
  for (const { root } of branches) assert.deepEqual(root, branches[0]?.root);
  // The next block records the winner and his ticket.
  const later = new Set(branches.map(({ after }) => after.join()));
  assert.equal(later.size, branches.length);
});

test('what a lost branch recorded is lost with it: wins, claims, draws, beacon and pay', () => {
  const chain = new ComputeChain({ jobs: [smallJob(0)] });
  const [author, other] = chain.authors as [Person, Person];
  chain.run(TRAINING_BLOCKS - 1);
  const fork = chain.mark();
  const real = must(
    chain.fragments(author).find((f) => !f.overflow),
    'a real fragment',
  );
  // On one branch the author wins three blocks, claims, reveals and is accepted.
  chain.block([chain.claim(author, real.id)], must(chain.winOf(author), 'a win'));
  chain.run(12);
  assert.equal(chain.jobs.Fragments.get(real.id)?.status.type, 'Accepted');
  assert.ok(chain.pow.Wins.get(real.id).length > 0);
  const lost = chain.mark();
  // On the other he is silent, and the other author wins everything.
  chain.goTo(fork);
  chain.run(14, { claims: (who) => who === other, winner: other });
  const fragment = must(chain.jobs.Fragments.get(real.id), 'the fragment itself is on both branches');
  assert.equal(fragment.status.type, 'Assigned');
  assert.deepEqual([fragment.randomness, fragment.theta, fragment.k], [real.randomness, real.theta, real.k]);
  assert.ok(chain.pow.Wins.get(real.id).every((win) => win.height < fork.header.number));
  assert.notDeepEqual(chain.pow.Beacon.get(fork.header.number + 1), undefined);
  // The claim of the lost branch is still good here, and is drawn from this branch's beacon.
  const { outcomes } = chain.block([chain.claim(author, real.id)]);
  assert.ok(outcomes[0]?.applied);
  const claimedAt = chain.number;
  chain.run(12);
  assert.equal(chain.jobs.Fragments.get(real.id)?.status.type, 'Accepted');
  assert.equal(chain.jobs.Fragments.get(real.id)?.claim?.at, claimedAt);
  const won = chain.mark();
  // Two branches from one state never touch each other.
  chain.goTo(lost);
  assert.equal(chain.jobs.Fragments.get(real.id)?.claim?.at, fork.header.number + 1);
  assert.ok(!equal(lost.tree.root, won.tree.root));
  for (const head of [lost, won]) assert.ok(compute.supplyAudit(head.tree).exact);
});

test('a fragment keeps its id, data and weights on every branch, once its round is settled', () => {
  const chain = new ComputeChain({ jobs: [smallJob(0, { stagger: 10 })] });
  chain.run(6);
  const fork = chain.mark();
  const [first, second] = chain.authors as [Person, Person];
  const ids = [first, second].map((winner) => {
    chain.goTo(fork);
    chain.run(4, { winner });
    return chain.authors
      .flatMap((who) => chain.fragments(who).filter((f) => !f.overflow))
      .map(({ id }) => id.join())
      .toSorted();
  });
  // Round 0 opens at block 10 from the beacon of block 6, which both branches share.
  assert.equal(ids[0]?.length, 2);
  assert.deepEqual(ids[0], ids[1]);
});

test('the node’s own finality setting reaches no rule of the chain', () => {
  const spec = {
    specVersion: 1,
    properties: { ss58Format: 42, tokenDecimals: 12, tokenSymbol: 'MAI' },
    consensus: {
      authoring: 'computePow',
      finality: 'depth',
      finalityDepth: 4,
      settleDepth: 4,
      blockTimeMs: 3_000,
      eraBlocks: 20,
      initialDifficulty: 60_000_000_000n,
      profile: 0,
    },
    economy: { fees: {}, splitPerbill: {} },
  } as unknown as ChainSpec;
  const other = { ...spec, consensus: { ...spec.consensus, finality: 'grandpa', finalityDepth: 64 } } as ChainSpec;
  assert.deepEqual(runtimeSpec(other), runtimeSpec(spec));
  // Nothing else of a node enters an execution: equal specs, equal blocks.
  const [a, b] = [new ComputeChain(), new ComputeChain({}, false)];
  for (const chain of [a, b]) chain.run(45);
  assert.deepEqual(a.view.root, b.view.root);
});
