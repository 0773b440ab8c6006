/**
 * # Economy machine: whatever miners, checkers, holders and newcomers do, in any order and on any branch, every unit is
 * accounted for and nobody is paid twice.
 *
 * Each run is one seed (fast-check prints the one that fails): 200 blocks of random deeds, all invariants after each.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, toHex } from '../../../src/base/bytes.ts';
import { u128 } from '../../../src/codec/index.ts';
import { registerCall } from '../../../src/miner/work-call.ts';
import { multiSign } from '../../../src/primitives/account.ts';
import { signExtrinsic } from '../../../src/primitives/extrinsic.ts';
import { reader } from '../../../src/runtime/access.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import { AGENDA_PER_BLOCK } from '../../../src/runtime/pallets/jobs/agenda.ts';
import { MAX_CHECKING, MAX_OPEN, MAX_RECENT } from '../../../src/runtime/pallets/jobs/state.ts';
import { RewardsDeclared } from '../../../src/runtime/pallets/rewards.ts';
import { System } from '../../../src/runtime/pallets/system.ts';
import { storageKey } from '../../../src/runtime/storage.ts';
import { dice } from '../../base/dice.ts';
import {
  type ChainBlock,
  ComputeChain,
  eventsOf,
  type Head,
  type Person,
  person,
  smallJob,
  training,
  UNIT,
  type Winner,
} from '../compute-chain.ts';

const BLOCKS = 200;
const RUNS = 3;
/** Seeds that are always run: a world of misses and lapses, and one in which nearly all work is accepted. */
const WORLDS = [3, 4];

/** Draws of one seed. */
class Luck {
  readonly below: (n: number) => number;

  constructor(seed: number) {
    this.below = dice(seed);
  }

  /** True in `percent` of a hundred cases. */
  now(percent: number): boolean {
    return this.below(100) < percent;
  }

  one<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.below(items.length)];
  }
}

/** One world of random deeds. */
class World {
  readonly chain: ComputeChain;
  readonly luck: Luck;
  readonly holders = [person('holder 0'), person('holder 1')];
  readonly marks: Head[] = [];
  /** How diligent everybody is in this world: percent of duties done in a block. */
  private readonly zeal: number;
  /** How often a miner opens what was drawn: where seldom, fragments expire. */
  private readonly candour: number;
  private newcomers = 0;

  constructor(seed: number) {
    this.luck = new Luck(seed);
    this.zeal = 20 + this.luck.below(80);
    this.candour = this.luck.one([2, 30, 90]) ?? 0;
    const jobs = [0, 1, 2].map((i) => smallJob(i, { fragments_per_round: 1 + this.luck.below(3), stagger: 4 * i }));
    this.chain = new ComputeChain({
      authors: 1 + this.luck.below(4),
      checkers: 1 + this.luck.below(4),
      jobs,
      balances: this.holders.map(({ account }) => [account, 1_000n * UNIT]),
      spec: { eraBlocks: 7, settleDepth: this.luck.below(6) },
      referee: { registration: () => true },
    });
  }

  block(): ChainBlock {
    const { luck, chain } = this;
    if (luck.now(3)) {
      const back = luck.one(this.marks.slice(-6));
      if (back) chain.goTo(back);
    }
    this.marks.push(chain.mark());
    const calls = [...this.miners(), ...this.checks(), ...this.merges(), ...this.transfers(), ...this.entries()];
    return chain.block(calls, this.winner());
  }

  private get people(): readonly Person[] {
    return [...this.chain.authors, ...this.chain.checkers];
  }

  private miners(): Bytes[] {
    const { chain, luck } = this;
    return chain.authors.flatMap((author) => {
      const { fragments, reveals, openWins } = compute.workFor(chain.view, author.account);
      const calls: Bytes[] = [];
      for (const f of fragments) {
        if (f.status.type === 'Assigned' && luck.now(this.zeal / 8)) calls.push(chain.claim(author, f.id));
        else if (luck.now(1)) calls.push(chain.claim(this.anyone(), f.id));
      }
      for (const { fragment, states } of reveals) {
        if (luck.now(this.candour)) calls.push(chain.reveal(author, fragment, states));
        else if (luck.now(10)) calls.push(chain.reveal(author, fragment, states.slice(1)));
      }
      for (const { fragment, wins } of openWins) {
        if (luck.now(this.zeal)) calls.push(chain.openWins(author, fragment, wins));
        else if (luck.now(10)) calls.push(chain.openWins(author, fragment, wins.slice(1)));
      }
      return calls;
    });
  }

  private checks(): Bytes[] {
    const { chain, luck } = this;
    return chain.checkers.flatMap((checker) =>
      compute.dutiesFor(chain.view, checker.account).segments.flatMap(({ fragment, segment, receiptAt }) => {
        const who = luck.now(3) ? this.anyone() : checker;
        if (!luck.now(this.zeal)) return [];
        if (receiptAt === undefined) return [chain.receipt(who, fragment.id, segment)];
        return [chain.verdict(who, fragment.id, segment, luck.now(90))];
      }),
    );
  }

  private merges(): Bytes[] {
    const { chain, luck } = this;
    return chain.checkers.flatMap((checker) =>
      compute
        .dutiesFor(chain.view, checker.account)
        .merges.filter(() => luck.now(this.zeal / 2))
        .map(({ job, r }) => {
          const loss = luck.now(5) ? 0x7fc00000 : 0x40000000 + luck.below(4) * 0x20000;
          return chain.merge(checker, job, r, loss, luck.now(80) ? 'model' : 'another');
        }),
    );
  }

  private transfers(): Bytes[] {
    const { chain, luck } = this;
    if (!luck.now(30)) return [];
    const from = must(luck.one([...this.holders, ...this.people]), 'somebody');
    const to = must(luck.one([...this.holders, ...this.people]), 'somebody');
    const nonce = reader(System.declared, chain.view).Account.get(from.account).nonce;
    const value = BigInt(luck.below(1_000_000)) * 1_000_000_000n;
    const type = luck.now(50) ? 'transfer_allow_death' : 'transfer_keep_alive';
    const call = { type: 'Balances', value: { type, value: { dest: { type: 'Id', value: to.account }, value } } };
    const implicit = { specVersion: 1, transactionVersion: 1, genesisHash: chain.genesis, birthHash: chain.genesis };
    const extra = { era: { type: 'Immortal' as const }, nonce, tip: BigInt(luck.below(1_000)) };
    return [signExtrinsic(chain.runtime.Call.enc(call), extra, implicit, from.wallet).bytes];
  }

  private entries(): Bytes[] {
    const { chain, luck } = this;
    if (!luck.now(4) || chain.number < 1) return [];
    const who = person(`newcomer ${this.newcomers++}`);
    const genesis = chain.genesis;
    const proof = Array.from({ length: 32 }, (_, i) => ({ attempt: i, ti: 0, tj: 0, s: 0 }));
    const anchor = Math.max(0, chain.number - luck.below(70));
    const account_signature = multiSign(who.wallet, chain.naming(who, anchor));
    chain.authors.push(who);
    return [registerCall({ account: who.account, anchor, proof, account_signature }, who.key, genesis)];
  }

  private anyone(): Person {
    return must(this.luck.one([...this.people, ...this.holders]), 'somebody');
  }

  /** Any win that consensus would let pass. */
  private winner(): Winner {
    const { chain, luck } = this;
    const wins = chain.authors
      .flatMap((author) => chain.fragments(author).map((f) => chain.winWith(author, f)))
      .filter((win) => win !== undefined);
    const winner = must(luck.one(wins), 'somebody may always author');
    return { ...winner, luck: luck.below(1_000), forged: luck.now(5) };
  }
}

/** What holds of every state that a chain can come to. */
function checkState({ chain }: World): void {
  const audit = compute.supplyAudit(chain.view);
  assert.ok(
    audit.exact,
    `block ${chain.number}: ${JSON.stringify(audit, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
  );
  const { jobs } = chain;
  for (const [who, open] of jobs.Open.entries()) {
    assert.ok(open.length > 0 && open.length <= MAX_OPEN);
    const recent = jobs.Recent.get(who).map((id) => jobs.Fragments.get(id)?.status.type);
    assert.ok(recent.length <= MAX_RECENT);
    const checking = recent.filter((s) => s === 'Claimed' || s === 'Drawn' || s === 'Revealed').length;
    assert.ok(checking <= MAX_CHECKING);
  }
  const agenda = [...jobs.Checks.keys(), ...jobs.Deadlines.keys()];
  assert.ok(agenda.length === [...jobs.Fragments.keys()].length, 'every fragment once');
  assert.ok(agenda.filter(([due]) => due <= chain.number).length <= AGENDA_PER_BLOCK, 'the agenda keeps up');
  assert.ok([...chain.pow.Beacon.keys()].length <= 1_025);
}

/** Pays and certificates of one block: none for a fragment that has one. */
function checkPaidOnce({ chain }: World, block: ChainBlock, before: ReadonlySet<string>): void {
  for (const { id } of eventsOf(block.events, 'Certificates', 'Minted')) {
    const { fragment, miner, output_root } = must(chain.certificates.Certificates.get(id as bigint), 'a certificate');
    assert.ok(!before.has(toHex(fragment)), 'a fragment is paid once');
    assert.deepEqual(chain.certificates.ByFragment.get(fragment), id);
    assert.deepEqual(chain.jobs.Fragments.get(fragment)?.status.type, 'Accepted');
    assert.deepEqual(output_root, training(fragment).stateRoot(4));
    assert.ok(miner.length === 32);
  }
}

test('whatever people do, every unit is accounted for, no fragment is paid twice, and nothing breaks', () => {
  const seen = { minted: 0, rejected: 0, expired: 0, ended: 0, forfeited: 0, eras: 0, lapsed: 0 };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (seed) => {
      const world = new World(seed);
      const { chain } = world;
      for (let i = 0; i < BLOCKS; i++) {
        // What the parent of this block has certificates for, whichever branch it is on.
        const paid = () => new Set([...chain.certificates.ByFragment.keys()].map(toHex));
        const known = paid();
        const number = chain.number;
        const block = world.block();
        // After a step back the parent is another one.
        checkPaidOnce(world, block, chain.number === number + 1 ? known : new Set());
        checkState(world);
        seen.minted += eventsOf(block.events, 'Certificates', 'Minted').length;
        seen.rejected += eventsOf(block.events, 'Jobs', 'Rejected').length;
        seen.expired += eventsOf(block.events, 'Jobs', 'Expired').length;
        seen.ended += eventsOf(block.events, 'Jobs', 'RoundEnded').length;
        seen.forfeited += eventsOf(block.events, 'Rewards', 'Forfeited').length;
        seen.eras += eventsOf(block.events, 'Rewards', 'EraPaid').length;
        seen.lapsed += eventsOf(block.events, 'ComputePow', 'Lapsed').length;
      }
      // One unit too many, anywhere: the audit says so.
      const { storage } = RewardsDeclared;
      const item = must(
        world.luck.one([storage.Pool, storage.Held, storage.PendingTotal, storage.DueTotal]),
        'an item',
      );
      const before = chain.view.get(storageKey(item));
      chain.plant(storageKey(item), u128.enc((before === undefined ? 0n : u128.dec(before)) + 1n));
      assert.ok(!compute.supplyAudit(chain.view).exact, `a unit planted in ${item.name}`);
    }),
    { numRuns: RUNS, endOnFailure: true, examples: WORLDS.map((seed) => [seed] as [number]) },
  );
  // A machine in which nothing happens proves nothing.
  for (const [what, count] of Object.entries(seen))
    assert.ok(what === 'lapsed' || count > 0, `no ${what} in ${RUNS} runs`);
});
