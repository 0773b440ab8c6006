/** # Preimage and Scheduler: bytes by their hash, and calls in later blocks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { reader } from '../../src/runtime/access.ts';
import { linkCalls, type RuntimeCall, type RuntimeEvent } from '../../src/runtime/calls.ts';
import { Preimage } from '../../src/runtime/pallets/preimage.ts';
import { scheduler } from '../../src/runtime/pallets/scheduler.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { alice, bob, call, dave, names, UNIT } from './test-chain.ts';
import { asRoot, aTransfer, byAnyone, fieldsOf, id, WalletChain, whateverIsCalled } from './wallet-chain.ts';

const Scheduler = scheduler(linkCalls(CORE_PALLETS));

const content = (size: number) => new Uint8Array(size).fill(3);
const note = (bytes: Bytes) => call('Preimage', 'note_preimage', { bytes });
const by = (name: string, bytes: Bytes) => call('Preimage', name, { hash: blake2_256(bytes) });
const taskName = (fill: number) => new Uint8Array(32).fill(fill);
const give = call('Balances', 'force_transfer', { source: id(bob.accountId), dest: id(dave.accountId), value: UNIT });
const remark = (size: number) => call('System', 'remark', { remark: content(size) });
const fails = call('Balances', 'force_adjust_total_issuance', { direction: { type: 'Increase' }, delta: 1n });
const noted = (chain: WalletChain) => reader(Preimage, chain.tree).PreimageFor;

interface Plan {
  readonly when?: number;
  readonly after?: number;
  readonly id?: Bytes | undefined;
  readonly priority?: number;
  readonly maybe_periodic?: readonly [number, number] | undefined;
}

function schedule(of: RuntimeCall, { priority = 0, maybe_periodic, ...where }: Plan): RuntimeCall {
  const kind = where.id === undefined ? 'schedule' : 'schedule_named';
  const suffix = where.after === undefined ? '' : '_after';
  return asRoot(call('Scheduler', `${kind}${suffix}`, { ...where, maybe_periodic, priority, call: of }));
}

/** The blocks in which something happened, up to a block. */
function blocksWith(chain: WalletChain, event: string, until: number): number[] {
  const found: number[] = [];
  while (chain.header.number < until) {
    const { events, header } = chain.block();
    for (const one of names(events)) if (one === event) found.push(header.number);
  }
  return found;
}

function dispatched(events: readonly RuntimeEvent[]): (readonly [number, number])[] {
  return events
    .filter(({ value }) => value.type === 'Dispatched')
    .map(({ value }) => value.value.task as readonly [number, number]);
}

test('whoever notes bytes pays for them until he takes them back', () => {
  const chain = new WalletChain();
  const bytes = content(1_000);
  chain.does(alice, note(bytes));
  const status = reader(Preimage, chain.tree).RequestStatusFor.get(blake2_256(bytes));
  assert.ok(status?.type === 'Unrequested' && status.value.len === 1_000);
  const [owner, deposit] = status.value.ticket;
  assert.deepEqual(owner, alice.accountId);
  assert.equal(chain.reserved(alice.accountId), deposit);
  assert.deepEqual(noted(chain).get([blake2_256(bytes), 1_000]), bytes);
  assert.equal(chain.make(bob, note(bytes)).error, 'Preimage.AlreadyNoted');
  assert.equal(chain.make(bob, by('unnote_preimage', bytes)).error, 'Preimage.NotAuthorized');
  assert.ok(names(chain.does(alice, by('unnote_preimage', bytes))).includes('Preimage.Cleared'));
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.equal(chain.make(alice, by('unnote_preimage', bytes)).error, 'Preimage.NotNoted');
});

test('bytes that the chain asks for cost nothing and stay until it asks no more', () => {
  const chain = new WalletChain();
  const bytes = content(50);
  const key: [Bytes, number] = [blake2_256(bytes), 50];
  chain.does(alice, asRoot(by('request_preimage', bytes)));
  chain.does(alice, asRoot(by('request_preimage', bytes)));
  chain.does(bob, note(bytes));
  assert.equal(chain.reserved(bob.accountId), 0n);
  chain.does(alice, asRoot(by('unrequest_preimage', bytes)));
  assert.ok(noted(chain).has(key));
  chain.does(alice, asRoot(by('unrequest_preimage', bytes)));
  assert.equal(noted(chain).has(key), false);
  assert.equal(chain.make(alice, asRoot(by('unrequest_preimage', bytes))).error, 'Preimage.NotRequested');
  // Noted first, then asked for: whoever noted them may leave, the bytes stay.
  chain.does(bob, note(bytes));
  chain.does(alice, asRoot(by('request_preimage', bytes)));
  chain.does(bob, by('unnote_preimage', bytes));
  assert.equal(chain.reserved(bob.accountId), 0n);
  assert.ok(noted(chain).has(key));
  assert.equal(chain.make(bob, by('unnote_preimage', bytes)).error, 'Preimage.NotAuthorized');
});

test('a call is made in its block as root, and no account can schedule one', () => {
  const chain = new WalletChain();
  const before = chain.free(dave.accountId);
  const of = schedule(give, { when: 5 });
  assert.equal(chain.make(alice, of.value.value.call as RuntimeCall).error, 'BadOrigin');
  const events = chain.does(alice, of);
  assert.deepEqual(fieldsOf(events, 'Scheduler.Scheduled'), { when: 5, index: 0 });
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 8), [5]);
  assert.equal(chain.free(dave.accountId), before + UNIT);
  assert.equal([...reader(Scheduler, chain.tree).Agenda.keys()].length, 0);
  assert.equal(chain.make(alice, schedule(give, { when: 8 })).error, 'Scheduler.TargetBlockNumberInPast');
});

test('a call is made several times, and cancelled by place or by name', () => {
  const chain = new WalletChain();
  chain.does(alice, schedule(remark(1), { when: 3, maybe_periodic: [2, 3] }));
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 12), [3, 5, 7]);
  chain.does(alice, schedule(remark(1), { after: 1, id: taskName(1), maybe_periodic: [3, 9] }));
  assert.equal(chain.make(alice, schedule(give, { when: 99, id: taskName(1) })).error, 'Scheduler.FailedToSchedule');
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 19), [15, 18]);
  chain.does(alice, asRoot(call('Scheduler', 'cancel_named', { id: taskName(1) })));
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 24), []);
  chain.does(alice, schedule(give, { when: 30 }));
  const cancel = asRoot(call('Scheduler', 'cancel', { when: 30, index: 0 }));
  chain.does(alice, cancel);
  assert.equal(chain.make(alice, cancel).error, 'Scheduler.NotFound');
  assert.equal([...reader(Scheduler, chain.tree).Lookup.keys()].length, 0);
});

test('a long call is kept as bytes that nobody pays for, and they go when it was made', () => {
  const chain = new WalletChain();
  const long = remark(500);
  const encoded = chain.runtime.Call.enc(long);
  chain.does(alice, schedule(long, { when: 4 }));
  assert.deepEqual(noted(chain).get([blake2_256(encoded), encoded.length]), encoded);
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 5), [4]);
  assert.equal([...noted(chain).keys()].length, 0);
  // Root asks for the bytes no more: the call is dropped, and the chain goes on.
  chain.does(alice, schedule(long, { when: 9 }));
  chain.does(alice, asRoot(by('unrequest_preimage', encoded)));
  assert.deepEqual(blocksWith(chain, 'Scheduler.CallUnavailable', 11), [9]);
});

test('a call that fails is tried again as often as was said', () => {
  const chain = new WalletChain();
  chain.does(alice, schedule(fails, { when: 4 }));
  chain.does(alice, asRoot(call('Scheduler', 'set_retry', { task: [4, 0], retries: 2, period: 3 })));
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 20), [4, 7, 10]);
  assert.equal([...reader(Scheduler, chain.tree).Retries.keys()].length, 0);
  chain.does(alice, schedule(fails, { when: 25, id: taskName(2) }));
  chain.does(alice, asRoot(call('Scheduler', 'set_retry_named', { id: taskName(2), retries: 5, period: 1 })));
  chain.does(alice, asRoot(call('Scheduler', 'cancel_retry_named', { id: taskName(2) })));
  assert.deepEqual(blocksWith(chain, 'Scheduler.Dispatched', 30), [25]);
  const none = asRoot(call('Scheduler', 'cancel_retry', { task: [25, 0] }));
  assert.equal(chain.make(alice, none).error, 'Scheduler.NotFound');
});

test('an agenda holds 50 calls, made in the order of their priority', () => {
  const chain = new WalletChain();
  const many = Array.from({ length: 50 }, (_, i) => schedule(remark(1), { when: 3, priority: 49 - i }));
  chain.does(alice, call('Utility', 'batch_all', { calls: many }));
  assert.equal(chain.make(alice, schedule(remark(1), { when: 3 })).error, 'Exhausted');
  // That was block 2; the agenda is due in the next one.
  const { events } = chain.block();
  assert.deepEqual(
    dispatched(events).map(([, index]) => index),
    Array.from({ length: 50 }, (_, i) => 49 - i),
  );
});

test('calls beyond a block’s share of weight wait for the next ones; what no block could hold is dropped', () => {
  const chain = new WalletChain({ spec: { blockWeightPs: 40_000_000_000n } });
  const heavy = (ref_time: bigint) =>
    call('Utility', 'with_weight', { call: remark(1), weight: { ref_time, proof_size: 0n } });
  const tasks = [9_000_000_000n, 8_000_000_000n, 19_990_000_000n, 7_000_000_000n].map(heavy);
  for (const [i, of] of tasks.entries()) chain.does(alice, schedule(of, { when: 9, priority: i }));
  const seen: [number, string][] = [];
  while (chain.header.number < 14) {
    const { events, header } = chain.block();
    for (const one of names(events)) if (one.startsWith('Scheduler')) seen.push([header.number, one]);
  }
  assert.deepEqual(seen, [
    [9, 'Scheduler.Dispatched'],
    [9, 'Scheduler.Dispatched'],
    [9, 'Scheduler.PermanentlyOverweight'],
    [9, 'Scheduler.AgendaIncomplete'],
    [10, 'Scheduler.Dispatched'],
  ]);
  assert.equal(reader(Scheduler, chain.tree).IncompleteSince.get(), undefined);
});

test('a call that cancels another one of its block leaves the rest to be made', () => {
  const chain = new WalletChain();
  const cancel = (index: number) => call('Scheduler', 'cancel', { when: 4, index });
  const plans = [cancel(1), remark(200), cancel(2)].map((of) => schedule(of, { when: 4 }));
  chain.does(alice, call('Utility', 'batch_all', { calls: plans }));
  chain.block();
  chain.block();
  const { events, header } = chain.block();
  assert.equal(header.number, 4);
  assert.deepEqual(dispatched(events), [
    [4, 0],
    [4, 2],
  ]);
  assert.equal([...noted(chain).keys()].length, 0);
});

test('whatever is noted, asked for, scheduled and cancelled, deposits and supply stay exact', () => {
  const bytes = fc.constantFrom(content(10), content(300));
  const when = fc.nat(9);
  const named = fc.constantFrom(taskName(1), taskName(2));
  const of = fc.oneof(fc.constantFrom(fails, give), fc.constantFrom(1, 300).map(remark));
  const plan = fc
    .record({
      of,
      when,
      id: fc.option(named, { nil: undefined }),
      priority: fc.nat(3),
      maybe_periodic: fc.constantFrom(undefined, [1, 3] as const, [2, 2] as const),
    })
    .map(({ of: inner, ...rest }) => schedule(inner, rest));
  const asking = fc.constantFrom('request_preimage', 'unrequest_preimage', 'unnote_preimage');
  const place = fc.tuple(when, fc.nat(2));
  const calls = fc.oneof(
    aTransfer,
    bytes.map(note),
    bytes.map((one) => by('unnote_preimage', one)),
    fc.tuple(asking, bytes).map(([what, one]) => asRoot(by(what, one))),
    plan,
    plan,
    place.map(([at, index]) => asRoot(call('Scheduler', 'cancel', { when: at, index }))),
    place.map((task) => asRoot(call('Scheduler', 'set_retry', { task, retries: 2, period: 1 }))),
    named.map((one) => asRoot(call('Scheduler', 'cancel_named', { id: one }))),
  );
  whateverIsCalled(byAnyone(calls));
});
