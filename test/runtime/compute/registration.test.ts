import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, equal } from '../../../src/base/bytes.ts';
import { drawTickets } from '../../../src/miner/register.ts';
import { registerCall } from '../../../src/miner/work-call.ts';
import { multiSign } from '../../../src/primitives/account.ts';
import { reader } from '../../../src/runtime/access.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import * as economy from '../../../src/runtime/economy.ts';
import { authorMessage, registrationPreHash } from '../../../src/runtime/pallets/compute-pow.ts';
import { System } from '../../../src/runtime/pallets/system.ts';
import type { Referee } from '../../../src/runtime/referee.ts';
import { ComputeChain, eventsOf, FRAGMENT_CU, type Habits, type Person, person, smallJob } from '../compute-chain.ts';

const ANCHOR = 3;
const newcomer = person('a newcomer');
type Ticket = ReturnType<typeof drawTickets>[number];

/** A chain at block 5, and real work over its block 3: chains of equal options have equal blocks. */
const fresh = (options: ConstructorParameters<typeof ComputeChain>[0] = {}): ComputeChain => {
  const chain = new ComputeChain(options);
  chain.run(5);
  return chain;
};
const anchorOf = (chain: ComputeChain, anchor = ANCHOR): Bytes =>
  reader(System.declared, chain.view).BlockHash.get(anchor);
let proof: Ticket[] = [];
before(() => {
  const chain = fresh();
  const { difficulty, tickets } = compute.registrationTerms(chain.view, chain.runtime.spec);
  const preHash = registrationPreHash(chain.genesis, newcomer.account, anchorOf(chain));
  proof = drawTickets(newcomer.account, preHash, tickets, difficulty);
});

interface Said {
  readonly who?: Person;
  readonly proof?: readonly Ticket[];
  readonly anchor?: number;
  readonly naming?: Bytes;
  readonly genesis?: Bytes;
}

function register(chain: ComputeChain, said: Said = {}): Bytes {
  const { who = newcomer, anchor = ANCHOR, genesis = chain.genesis } = said;
  const naming = said.naming ?? authorMessage(chain.genesis, who.key.publicKey, anchorOf(chain, anchor));
  const account_signature = multiSign(who.wallet, naming);
  const args = { account: who.account, anchor, proof: said.proof ?? proof, account_signature };
  return registerCall(args, who.key, genesis);
}

const outcome = (chain: ComputeChain, call: Bytes): string => {
  const [judged] = chain.block([call]).outcomes;
  if (judged?.applied) return 'applied';
  return judged?.error.value.type ?? 'nothing';
};

test('an account that owns nothing becomes an author by work, trains and is paid', () => {
  const chain = fresh();
  const events = chain.block([register(chain)]).events;
  assert.equal(eventsOf(events, 'ComputePow', 'Registered').length, 1);
  const author = must(compute.authorOf(chain.view, newcomer.account), 'an author');
  assert.deepEqual(author.compute_key, newcomer.key.publicKey);
  assert.deepEqual([author.genesis, author.accepted, author.registered_at], [false, 0, 6]);
  assert.equal(
    author.capacity,
    economy.shownCapacity({
      priceMillionths: chain.pow.RegistrationPrice.get(),
      referenceCu: FRAGMENT_CU,
      eraBlocks: 20,
      blocks: 3,
    }),
  );
  chain.run(1);
  const given = chain.fragments(newcomer);
  assert.equal(given.length, 2, 'the next block gives him his fragments');
  chain.authors.push(newcomer);
  const own: Habits = { claims: () => true };
  const spare = must(given[0], 'a fragment');
  const claimed = chain.block([...chain.work(own), chain.claim(newcomer, spare.id)]);
  assert.ok(claimed.outcomes.every((o) => o.applied));
  chain.run(30);
  assert.equal(chain.jobs.Fragments.get(spare.id)?.drawn.length, 4, 'his first fragment is executed again in full');
  assert.equal(chain.jobs.Fragments.get(spare.id)?.status.type, 'Accepted');
  assert.ok(chain.free(newcomer.account) > 0n);
});

test('forged, repeated, missing or foreign tickets make nobody an author', () => {
  const chain = fresh();
  const [first, second, ...rest] = proof as [Ticket, Ticket, ...Ticket[]];
  const cases: [string, Said, string][] = [
    ['other places', { proof: proof.map((t) => ({ ...t, ti: (t.ti + 1) % 32 })) }, 'BadProof'],
    ['a place outside the product', { proof: [{ ...first, ti: 32 }, second, ...rest] }, 'BadProof'],
    ['a ticket twice', { proof: [first, first, ...rest] }, 'BadProof'],
    ['a ticket too few', { proof: proof.slice(1) }, 'BadProof'],
    ['another’s work', { who: person('a thief') }, 'BadProof'],
    ['work over another block', { anchor: 4 }, 'BadProof'],
    [
      'a signature over another key',
      { naming: authorMessage(chain.genesis, newcomer.account, anchorOf(chain)) },
      'BadProof',
    ],
    ['another chain', { genesis: newcomer.account }, 'BadProof'],
    ['a block to come', { anchor: 100, naming: newcomer.account }, 'AncientBirthBlock'],
  ];
  for (const [what, said, error] of cases) {
    const head = chain.mark();
    assert.equal(outcome(chain, register(chain, said)), error, what);
    chain.goTo(head);
  }
  assert.equal(outcome(chain, register(chain)), 'applied');
  assert.equal(outcome(chain, register(chain)), 'Stale', 'once');
});

test('work over a block that is more than 64 blocks old is too old', () => {
  const chain = fresh();
  chain.run(61);
  assert.equal(chain.number, ANCHOR + 63);
  const head = chain.mark();
  assert.equal(outcome(chain, register(chain)), 'applied');
  chain.goTo(head);
  chain.run(1);
  assert.equal(outcome(chain, register(chain)), 'AncientBirthBlock');
});

/** Chains on which any work is believed: for rules about many registrations. */
const trusting: Partial<Referee> = { registration: () => true };

test('a block takes at most 16 registrations, and the next one takes 16 more', () => {
  const chain = new ComputeChain({ referee: trusting });
  chain.run(5);
  const many = Array.from({ length: 20 }, (_, i) => register(chain, { who: person(`newcomer ${i}`) }));
  const { outcomes } = chain.block(many);
  assert.equal(outcomes.filter((o) => o.applied).length, 16);
  const last = outcomes.at(-1);
  assert.ok(last?.applied === false && last.kind === 'exhausted');
  // The pool judges the others on this state, and may keep them.
  assert.ok(chain.runtime.validate(chain.view, must(many[19], 'a call'), chain.at).ok);
  assert.ok(chain.block(many.slice(16)).outcomes.every((o) => o.applied));
  for (let i = 0; i < 16; i++) assert.equal(chain.fragments(person(`newcomer ${i}`)).length, 2);
});

test('a newcomer’s second missed deadline before his first accepted fragment ends his registration', () => {
  const chain = new ComputeChain({ referee: trusting, jobs: [smallJob(0)] }, false);
  chain.run(5);
  chain.block([register(chain)]);
  chain.run(1);
  let lapsed: number | undefined;
  const seen: number[] = [];
  while (lapsed === undefined && chain.number < 400) {
    // He claims garbage that he cannot reveal.
    const [next] = chain.fragments(newcomer).filter((f) => f.status.type === 'Assigned');
    const calls = next && chain.number % 40 === 0 ? [chain.claim(newcomer, next.id)] : [];
    const { events } = chain.block(calls);
    seen.push(compute.authorOf(chain.view, newcomer.account)?.timeouts ?? -1);
    if (eventsOf(events, 'ComputePow', 'Lapsed').length > 0) lapsed = chain.number;
  }
  assert.ok(lapsed !== undefined);
  assert.deepEqual([...new Set(seen)], [0, 1, -1]);
  assert.ok(
    chain.fragments(newcomer).every((f) => f.status.type !== 'Assigned'),
    'his fragments ended with it',
  );
  assert.equal(compute.sealAuthor(chain.view, newcomer.account, chain.runtime.spec), undefined);
  chain.run(10);
  assert.equal(outcome(chain, register(chain, { anchor: chain.number - 3 })), 'applied', 'he may register again');
});

test('a registration that shows nothing for 14 days of 24 eras lapses', () => {
  // No round ever opens: nobody has anything to miss.
  const jobs = [smallJob(0, { stagger: 10_000 })];
  const chain = new ComputeChain({ referee: trusting, jobs, spec: { eraBlocks: 2 } }, false);
  chain.run(5);
  chain.block([register(chain)]);
  const at = chain.number;
  let lapsed: number | undefined;
  while (lapsed === undefined && chain.number < 1_200) {
    if (eventsOf(chain.live({ claims: () => false }).events, 'ComputePow', 'Lapsed').length > 0) lapsed = chain.number;
  }
  assert.ok(lapsed !== undefined && lapsed - at > 14 * 24 * 2 && lapsed - at < 14 * 24 * 2 + 202);
  for (const author of chain.authors) assert.ok(compute.authorOf(chain.view, author.account), 'of the genesis: never');
});

test('the price of entry doubles under a rush and halves when nobody comes, within its bounds', () => {
  const chain = new ComputeChain({ referee: trusting, spec: { eraBlocks: 20 } }, false);
  const floor = chain.runtime.spec.registrationFloorMillionths;
  chain.run(5);
  for (let block = 0; block < 15; block++) {
    const rush = Array.from({ length: 16 }, (_, i) => register(chain, { who: person(`rush ${block} ${i}`) }));
    chain.block(rush);
  }
  chain.run(1);
  assert.equal(chain.number, 21);
  assert.equal(chain.pow.RegistrationPrice.get(), floor, '240 an era is the aim: the price stands');
  for (let block = 0; block < 19; block++) {
    chain.block(
      Array.from({ length: 16 }, (_, i) => register(chain, { who: person(`more ${block} ${i}`), anchor: 20 })),
    );
  }
  assert.equal(chain.pow.RegistrationPrice.get(), floor);
  chain.run(1);
  assert.equal(chain.pow.RegistrationPrice.get(), (floor * 304n * 1_000_000n) / 240n / 1_000_000n);
  chain.run(20);
  assert.equal(chain.pow.RegistrationPrice.get(), floor);
});

test('two registrations of one key are one author', () => {
  const chain = new ComputeChain({ referee: trusting });
  chain.run(5);
  const twin: Person = { ...person('a twin'), key: newcomer.key };
  const { outcomes } = chain.block([register(chain), register(chain, { who: twin })]);
  assert.deepEqual(
    outcomes.map((o) => o.applied),
    [true, false],
  );
  assert.ok(equal(must(chain.pow.KeyOwner.get(newcomer.key.publicKey), 'an owner'), newcomer.account));
});
