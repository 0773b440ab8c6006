import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, equal } from '../../../src/base/bytes.ts';
import { max, PERBILL } from '../../../src/base/fixed.ts';
import { u64, u128 } from '../../../src/codec/index.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { reader } from '../../../src/runtime/access.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import * as economy from '../../../src/runtime/economy.ts';
import { Balances } from '../../../src/runtime/pallets/balances.ts';
import { RewardsDeclared } from '../../../src/runtime/pallets/rewards.ts';
import { System } from '../../../src/runtime/pallets/system.ts';
import { type Placed, type StorageItem, storageKey } from '../../../src/runtime/storage.ts';
import {
  ComputeChain,
  eventsOf,
  FRAGMENT_CU,
  type Habits,
  type Person,
  person,
  SPEC,
  smallJob,
  UNIT,
  word,
} from '../compute-chain.ts';

const { storage } = RewardsDeclared;
const eraBlocks = SPEC.eraBlocks;
const oneJob = { jobs: [smallJob(0)] };
/** Runs until the first block of an era, in which the one before is paid. */
const toEra = (chain: ComputeChain, era: number, habits: Habits = {}) =>
  chain.run(eraBlocks * era + 1 - chain.number, habits);
const accountOf = (chain: ComputeChain, who: Bytes) => reader(System.declared, chain.view).Account.get(who);

test('an account that only holds earns nothing', () => {
  const holder = person('a holder');
  const chain = new ComputeChain({ balances: [[holder.account, 1_000_000n * UNIT]] });
  toEra(chain, 4);
  assert.equal(chain.free(holder.account), 1_000_000n * UNIT);
  assert.deepEqual(chain.rewards.Earned.get(holder.account), { compute: 0n, author: 0n, check: 0n });
  assert.ok(chain.free(must(chain.authors[0], 'a miner').account) > 0n);
});

test('nothing is released in an era without accepted work', () => {
  const chain = new ComputeChain();
  const pool = chain.rewards.Pool.get();
  toEra(chain, 3, { claims: () => false });
  assert.equal(chain.rewards.Pool.get(), pool);
  const record = must(compute.eraRecord(chain.view, 2), 'a record');
  assert.deepEqual([record.work, record.utilisation, record.reff, record.paid_compute], [0n, 0n, 0n, 0n]);
});

test('an era pays by the formulas: release, utilisation, pots, shares and the price of checking', () => {
  const chain = new ComputeChain({ authors: 3 });
  toEra(chain, 2, { claims: (who) => who !== chain.authors[2] });
  const pool = chain.rewards.Pool.get();
  const averageBefore = chain.rewards.Average.get();
  chain.run(eraBlocks - 1, { claims: (who) => who !== chain.authors[2] });
  const reputations = new Map(chain.authors.map((who) => [who, chain.rewards.Reputation.get(who.account).perbill]));
  // What winners of blocks are paid leaves the pool as well: count it out.
  const poolBefore = chain.rewards.Pool.get();
  assert.ok(poolBefore <= pool);
  const before = compute.supplyAudit(chain.view);
  chain.run(1);
  const record = must(compute.eraRecord(chain.view, 2), 'a record');
  const works = chain.authors.map((who) => {
    const minted = [0, 1, 2].reduce((sum, era) => sum + chain.rewards.Minted.get(era, who.account), 0n);
    return minted / 24n;
  });
  const work = works.reduce((a, b) => a + b);
  assert.equal(record.work, work);
  const u = economy.utilisation(work, SPEC.rewards.minWorkCu, averageBefore);
  assert.equal(record.utilisation, u);
  // The author of the last block was paid out of the pool before the era was reckoned.
  const held = compute.supplyAudit(chain.view).held - before.held;
  const released = economy.release(poolBefore - held, SPEC.rewards.releaseFactor, SPEC.rewards.tail);
  assert.equal(record.release, released);
  const pots = economy.pots(released, u, SPEC.rewards.split);
  assert.deepEqual([record.train, record.authors, record.verify], [pots.train, pots.authors, pots.verify]);
  const scores = chain.authors.map((who, i) => (must(works[i], 'work') * must(reputations.get(who), 'r')) / PERBILL);
  const all = scores.reduce((a, b) => a + b);
  assert.equal(record.scores, all);
  chain.authors.forEach((who, i) => {
    const { work: w, score, eraCompute } = compute.explain(chain.view, chain.runtime.spec, who.account, 2);
    assert.deepEqual([w, score], [works[i], scores[i]]);
    assert.equal(eraCompute ?? 0n, economy.share(pots.train, must(scores[i], 'score'), all));
  });
  assert.equal(chain.free(must(chain.authors[2], 'the idle one').account), 0n);
  const checked = chain.checkers.map((who) => chain.rewards.Checked.get(2, who.account));
  const total = checked.reduce((a, b) => a + b);
  assert.equal(record.checked, total);
  const price = economy.checkPrice(pots.verify, total, pots.train + pots.authors, work);
  chain.checkers.forEach((who, i) => {
    const { eraCheck } = compute.explain(chain.view, chain.runtime.spec, who.account, 2);
    assert.equal(eraCheck ?? 0n, (must(checked[i], 'CU') * price) / PERBILL);
  });
  assert.ok(record.paid_compute <= pots.train && record.paid_check <= pots.verify);
});

test('a certificate is paid in equal parts in 24 eras', () => {
  const chain = new ComputeChain({ ...oneJob, authors: 1 }, false);
  const [author] = chain.authors as [Person];
  const { id } = must(chain.fragments(author)[0], 'a fragment');
  chain.block([chain.claim(author, id)]);
  const idle: Habits = { claims: () => false };
  // The round lacks its second fragment; late certificates would come in another era, so let it close by time.
  const works: bigint[] = [];
  chain.run(300, idle, () => chain.certificates.NextId.get() === 1n);
  const mintedIn = Math.floor((chain.number - 1) / eraBlocks);
  for (let era = mintedIn; era < mintedIn + 26; era++) {
    toEra(chain, era + 1, idle);
    works.push(must(compute.eraRecord(chain.view, era), 'a record').work);
  }
  assert.deepEqual(works, [...Array.from({ length: 24 }, () => FRAGMENT_CU / 24n), 0n, 0n]);
  const { compute: earned } = chain.rewards.Earned.get(author.account);
  assert.ok(earned > 0n);
  assert.deepEqual([...chain.rewards.Ledger.entries()], [], 'and what has streamed leaves nothing behind');
  assert.deepEqual([...chain.rewards.Minted.entries(mintedIn)], []);
});

test('a block’s author is paid by his reputation when the fragment is accepted and its wins are opened', () => {
  const chain = new ComputeChain(oneJob);
  toEra(chain, 2);
  const [author] = chain.authors as [Person];
  const perBlock = chain.rewards.AuthorsPot.get() / BigInt(eraBlocks);
  assert.ok(perBlock > 0n);
  const winner = must(chain.winOf(author), 'a win');
  chain.block(chain.work(), winner);
  const reputation = chain.rewards.Reputation.get(author.account).perbill;
  chain.block(chain.work());
  const [win] = chain.pow.Wins.get(winner.fragment).slice(-1);
  assert.deepEqual([win?.step, win?.node, win?.pay], [winner.step, winner.node, (perBlock * reputation) / PERBILL]);
  const wins = () => chain.pow.Wins.get(winner.fragment);
  const before = chain.rewards.Earned.get(author.account).author;
  let due = 0n;
  chain.run(40, {}, () => {
    const isAccepted = chain.jobs.Fragments.get(winner.fragment)?.status.type === 'Accepted';
    if (!isAccepted) due = wins().reduce((sum, w) => sum + w.pay, 0n);
    return isAccepted;
  });
  assert.ok(due > 0n);
  assert.ok(chain.rewards.Earned.get(author.account).author >= before + due);
  assert.ok(wins().every((w) => w.pay === 0n));
});

test('wins that are not opened in time forfeit their pay to the pool; the fragment itself is paid', () => {
  const chain = new ComputeChain(oneJob);
  toEra(chain, 2);
  const habits: Habits = { opensWins: false };
  const opened = () => chain.authors.map((who) => chain.rewards.Earned.get(who.account).author);
  // What was opened before is settled first.
  chain.run(12, habits);
  const before = opened();
  const events = chain.run(3 * eraBlocks, habits);
  const forfeited = eventsOf(events, 'Rewards', 'Forfeited').filter((e) => e.why === 'wins not opened');
  assert.ok(forfeited.length > 4);
  assert.ok(forfeited.every((e) => (e.amount as bigint) > 0n));
  assert.deepEqual(opened(), before);
  assert.ok(eventsOf(events, 'Certificates', 'Minted').length > 6);
  assert.ok(compute.supplyAudit(chain.view).exact);
});

test('wins with other operands than the transcript’s cannot be opened', () => {
  const chain = new ComputeChain(oneJob);
  const [author] = chain.authors as [Person];
  const win = must(chain.winOf(author), 'a win');
  chain.block(chain.work(), { ...win, forged: true });
  chain.run(14, { opensWins: false, receipts: () => false });
  const [duty] = compute.workFor(chain.view, author.account).openWins;
  assert.ok(duty && equal(duty.fragment, win.fragment));
  const { outcomes } = chain.block([chain.openWins(author, duty.fragment, duty.wins)]);
  assert.equal(outcomes[0]?.applied, false);
});

test('a rejected fragment’s won blocks earn nothing', () => {
  const chain = new ComputeChain(oneJob);
  toEra(chain, 2);
  const author = (): bigint => chain.authors.reduce((sum, w) => sum + chain.rewards.Earned.get(w.account).author, 0n);
  // The checker of the first drawn segment finds something else, the others have not answered yet.
  const habits: Habits = { verdicts: (_, duty) => (duty.first ? false : undefined) };
  chain.run(12, habits);
  const before = author();
  const events = chain.run(2 * eraBlocks, habits);
  const rejected = eventsOf(events, 'Jobs', 'Rejected').length;
  const lost = eventsOf(events, 'Rewards', 'Forfeited').filter((e) => e.why === 'fragment rejected');
  assert.ok(rejected > 2 && lost.length > 2 && lost.length <= rejected);
  assert.equal(author(), before);
  assert.ok(compute.supplyAudit(chain.view).exact);
});

test('pay too small to open an account waits until it is enough, and is shown meanwhile', () => {
  const existentialDeposit = 100_000n * UNIT;
  const chain = new ComputeChain({ spec: { existentialDeposit }, pool: 1_000_000n * UNIT }, false);
  const [author] = chain.authors as [Person];
  toEra(chain, 1);
  const pending = must(chain.rewards.Pending.get(author.account), 'something pending');
  assert.ok(pending > 0n && pending < existentialDeposit);
  assert.equal(chain.free(author.account), 0n);
  assert.equal(compute.explain(chain.view, chain.runtime.spec, author.account, 0).pending, pending);
  chain.run(800, {}, () => chain.free(author.account) > 0n);
  assert.ok(chain.free(author.account) >= existentialDeposit);
  assert.equal(chain.rewards.Pending.get(author.account), undefined);
  const { compute: a, author: b, check: c } = chain.rewards.Earned.get(author.account);
  assert.equal(chain.free(author.account), a + b + c);
});

test('what is earned stays locked as a bond, until that is worth eight reference fragments', () => {
  const chain = new ComputeChain({}, false);
  toEra(chain, 2);
  const [author] = chain.authors as [Person];
  const earned = (): bigint => {
    const { compute: a, author: b, check: c } = chain.rewards.Earned.get(author.account);
    return a + b + c;
  };
  assert.equal(accountOf(chain, author.account).data.frozen, earned());
  // R: a reference fragment at the dearest price of the last 24 eras.
  const rho = (era: number): bigint => must(compute.eraRecord(chain.view, era), 'a record').rho;
  const highest = max(rho(0), rho(1));
  assert.equal(chain.rewards.BondPrice.get(), (FRAGMENT_CU * highest) / PERBILL);
  toEra(chain, 30);
  const bond = 8n * chain.rewards.BondPrice.get();
  const frozen = accountOf(chain, author.account).data.frozen;
  assert.equal(frozen, earned() < bond ? earned() : bond);
});

test('reputation halves toward its start in 30 days without work', () => {
  const start = economy.REPUTATION_START;
  assert.equal(economy.reputationAfterIdle(PERBILL, 0), PERBILL);
  assert.equal(economy.reputationAfterIdle(PERBILL, 720), start + (PERBILL - start) / 2n);
  assert.equal(economy.reputationAfterIdle(PERBILL, 1_440), start + (PERBILL - start) / 4n);
  assert.equal(economy.reputationAfterIdle(PERBILL, 360), start + ((PERBILL - start) * 3n) / 4n);
  assert.equal(economy.reputationAfterIdle(start, 10_000), start);
  assert.equal(economy.reputationAfterIdle(PERBILL, 2 ** 31), start);
  let before = PERBILL;
  for (let idle = 1; idle < 5_000; idle++) {
    const now = economy.reputationAfterIdle(PERBILL, idle);
    assert.ok(now <= before && now >= start);
    before = now;
  }
});

test('the accounts of an era are paid 64 a block, from a queue that loses nothing', () => {
  const chain = new ComputeChain();
  chain.run(eraBlocks - 1);
  const many = Array.from({ length: 150 }, (_, i) => blake2_256(word(i)));
  for (const who of many) chain.plant(storageKey(storage.Minted, [0, who]), u64.enc(240n));
  chain.run(1);
  const paid = (): number => many.filter((who) => chain.free(who) > 0n).length;
  assert.equal(paid(), 0);
  const counts: number[] = [];
  for (let i = 0; i < 4; i++) {
    chain.run(1);
    counts.push(many.filter((who) => chain.free(who) > 0n).length);
    assert.ok(compute.supplyAudit(chain.view).exact);
  }
  assert.ok(counts[0] !== undefined && counts[0] >= 60 && counts[0] <= 64);
  assert.deepEqual(counts.slice(2), [150, 150]);
  assert.equal(chain.rewards.DueTotal.get(), 0n);
});

test('a unit planted in any balance or holding is reported', () => {
  const holder = person('a holder');
  const chain = new ComputeChain({ balances: [[holder.account, UNIT]], spec: { existentialDeposit: UNIT } });
  chain.run(50);
  assert.ok(compute.supplyAudit(chain.view).exact);
  const clean = chain.mark();
  const one = (item: Placed<StorageItem>, keys: readonly unknown[] = []): void => {
    chain.goTo(clean);
    const key = storageKey(item, keys);
    const before = chain.view.get(key);
    chain.plant(key, u128.enc((before === undefined ? 0n : u128.dec(before)) + 1n));
    const where = `${item.pallet}.${item.name}`;
    assert.ok(!compute.supplyAudit(chain.view).exact, `${where} is audited`);
    // The rules notice as well: the next block, with checks, is a bug.
    assert.throws(() => chain.run(1), /invariant|sum to|vanished|planted|units/, `${where} is an invariant`);
  };
  for (const item of [storage.Pool, storage.Held, storage.Treasury, storage.PendingTotal, storage.DueTotal]) one(item);
  one(storage.Pending, [holder.account]);
  const { TotalIssuance, Burned, GenesisIssuance } = Balances.declared.storage;
  for (const item of [TotalIssuance, Burned, GenesisIssuance]) one(item);
  for (const field of ['free', 'reserved'] as const) {
    chain.goTo(clean);
    const info = accountOf(chain, holder.account);
    const data = { ...info.data, [field]: info.data[field] + 1n };
    chain.plantAccount(holder.account, { ...info, data });
    assert.ok(!compute.supplyAudit(chain.view).exact, field);
    assert.throws(() => chain.run(1), /sum to|vanished|bound account/);
  }
  chain.goTo(clean);
  chain.run(1);
  assert.ok(compute.supplyAudit(chain.view).exact);
});
