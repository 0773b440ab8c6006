/** # Author: templates while somebody mines, blocks only of what he finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, equal } from '../../src/base/bytes.ts';
import {
  Author,
  type AuthorEffect,
  MAX_TEMPLATES,
  REFRESH_MS,
  SOON_MS,
  type Template,
} from '../../src/consensus/author.ts';
import type { ReceivedBlock } from '../../src/consensus/import.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { itemsOf } from '../../src/primitives/digest.ts';
import type { StateTree } from '../../src/state/tree.ts';
import { consensusRules, GENESIS, MINERS, Node, note, noteIn, PEER, refusalOf, START, submissionFor } from './world.ts';

const [alice, bob] = MINERS;

/** A node with an author on top, and a pool that is a list. */
function authoring() {
  const node = new Node();
  const ready: { hash: Bytes; bytes: Bytes }[] = [];
  const author = new Author({ rules: consensusRules, store: node.store, ready: () => [...ready] });
  const add = (bytes: Bytes): void => void ready.push({ hash: blake2_256(bytes), bytes });
  return { node, author, ready, add };
}

function templateOf(effects: readonly AuthorEffect[]): Template {
  const found = effects.find((effect) => effect.type === 'template');
  assert.ok(found !== undefined, 'a template');
  return found.template;
}

function errorOf(effects: readonly AuthorEffect[]) {
  const answer = effects.find((effect) => effect.type === 'answer');
  assert.ok(answer !== undefined);
  return 'error' in answer.outcome ? answer.outcome.error : undefined;
}

test('without miners there is no template, with them one at once, each second, and on a new head', () => {
  const { node, author } = authoring();
  for (let s = 0; s < 100; s++) assert.deepEqual(author.step(START + s * 1000, { type: 'tick' }), []);
  assert.deepEqual(author.step(START, { type: 'head' }), []);
  assert.equal(author.wakeAt(), undefined);
  const first = templateOf(author.step(START, { type: 'miners', count: 2 }));
  assert.equal(author.wakeAt(), START + REFRESH_MS);
  assert.deepEqual(author.step(START + 999, { type: 'tick' }), []);
  const [second] = author.step(START + 1000, { type: 'tick' });
  assert.ok(second?.type === 'template' && !second.replaces && second.template.id === first.id + 1);
  node.grow(1);
  const [third] = author.step(START + 1001, { type: 'head' });
  assert.ok(third?.type === 'template' && third.replaces && third.template.header.number === 2);
  assert.deepEqual(author.step(START + 5000, { type: 'miners', count: 0 }), []);
  assert.equal(author.template(), undefined);
});

test('an extrinsic is in a template soon, a flood of them makes no flood of templates', () => {
  const { author, add } = authoring();
  author.step(START, { type: 'miners', count: 1 });
  add(note(1, 'a claim'));
  assert.deepEqual(author.step(START + 10, { type: 'ready' }), []);
  assert.equal(author.wakeAt(), START + SOON_MS);
  const soon = templateOf(author.step(START + SOON_MS, { type: 'tick' }));
  assert.equal(soon.extrinsics.length, 2);
  assert.equal(author.wakeAt(), START + SOON_MS + REFRESH_MS);
  author.step(START + 900, { type: 'ready' });
  assert.equal(author.wakeAt(), START + 900);
  for (let i = 0; i < 70; i++) add(note(2 + i, 'flood'));
  let built = 0;
  for (let at = START + 900; at < START + 5_900; at += 10) {
    built += author.step(at, { type: 'ready' }).length + author.step(at, { type: 'tick' }).length;
  }
  assert.ok(built <= 6, `${built} templates in five seconds`);
});

test('however long one waits, nothing but a ticket makes a block', () => {
  const { node, author } = authoring();
  author.step(START, { type: 'miners', count: 1 });
  for (let s = 1; s <= 3_600; s += 10) {
    const effects = author.step(START + s * 1000, { type: 'tick' });
    assert.ok(effects.every(({ type }) => type === 'template'));
  }
  assert.ok(equal(node.store.best.hash, GENESIS));
});

test('one template serves every miner: what each finds on it becomes a block with the same state', () => {
  const { node, author, add } = authoring();
  add(note(1, 'from the pool'));
  const template = templateOf(author.step(START, { type: 'miners', count: 2 }));
  assert.equal(itemsOf(template.header.digest, 'PreRuntime', 'pow_').length, 0);
  const blocks = [alice, bob].map((miner, request) => {
    const effects = author.step(START, { type: 'submit', request, submission: submissionFor(template, miner) });
    assert.equal(errorOf(effects), undefined);
    const made = effects.find((effect) => effect.type === 'block');
    assert.ok(made !== undefined);
    return made.block;
  });
  for (const block of blocks) assert.equal(refusalOf(node.give(block)), undefined);
  const [one, other] = node.store.children(GENESIS);
  assert.ok(one !== undefined && other !== undefined && !equal(one, other));
  assert.deepEqual(node.store.view(one)?.root, node.store.view(other)?.root);
  assert.equal(noteIn(node.store.view(node.store.best.hash) as never, 1), 'from the pool');
});

test('a stale template, an unknown one and a bad ticket are told apart', () => {
  const { node, author } = authoring();
  const template = templateOf(author.step(START, { type: 'miners', count: 1 }));
  const good = submissionFor(template, alice);
  const submit = (submission: typeof good) => errorOf(author.step(START, { type: 'submit', request: 1, submission }));
  assert.deepEqual(submit({ ...good, templateId: 99 }), { code: 'UnknownTemplate', best: node.store.best });
  assert.deepEqual(submit({ ...good, seal: { ...good.seal, ti: 4 } }), {
    code: 'BadTicket',
    error: { code: 'WrongTile', data: undefined },
  });
  const stolen = submit({ ...good, preRuntime: { ...good.preRuntime, author: bob.account, fragment: bob.fragment } });
  assert.ok(stolen?.code === 'BadTicket' && stolen.error.code === 'BadSignature');
  const garbage = submit({ ...good, opening: new Uint8Array(9) });
  assert.ok(garbage?.code === 'BadTicket' && garbage.error.code === 'WrongOpening');
  node.grow(1);
  assert.deepEqual(submit(good), { code: 'StaleTemplate', best: node.store.best });
});

test('sixteen templates are kept, the seventeenth drives out the first', () => {
  const { author } = authoring();
  const first = templateOf(author.step(START, { type: 'miners', count: 1 }));
  const submission = submissionFor(first, alice);
  for (let i = 1; i < MAX_TEMPLATES; i++) author.step(START + i * 1000, { type: 'tick' });
  const late = author.step(START + 16_000 - 1, { type: 'submit', request: 1, submission });
  assert.equal(errorOf(late), undefined);
  author.step(START + MAX_TEMPLATES * 1000, { type: 'tick' });
  const gone = author.step(START + 17_000, { type: 'submit', request: 2, submission });
  assert.equal(errorOf(gone)?.code, 'UnknownTemplate');
});

test('what the chain refuses is left out of the template and named; an empty block can always be built', () => {
  const { node, author, add, ready } = authoring();
  node.grow(1, undefined, { extrinsics: [note(1)] });
  add(note(1, 'twice'));
  add(Uint8Array.of(1, 2));
  add(note(2));
  const effects = author.step(node.now, { type: 'miners', count: 1 });
  assert.equal(templateOf(effects).extrinsics.length, 2);
  const invalid = effects.find((effect) => effect.type === 'invalid');
  assert.deepEqual(invalid?.hashes, [ready[0]?.hash, ready[1]?.hash]);
});

test('a clock behind the parent still gives a template: one millisecond after it', () => {
  const { node, author } = authoring();
  node.grow(1);
  const template = templateOf(author.step(START - 60_000, { type: 'miners', count: 1 }));
  assert.equal(template.timestamp, START + 3_001);
});

/** An author with so many notes that a template takes several steps, and one step of it done. */
function busy() {
  const all = authoring();
  for (let id = 100; id < 200; id++) all.add(note(id));
  const first = all.author.step(all.node.now, { type: 'miners', count: 1 });
  assert.deepEqual(first, []);
  assert.equal(all.author.wakeAt(), 0);
  const rest = (): AuthorEffect[] => {
    const out: AuthorEffect[] = [];
    while (all.author.wakeAt() === 0) out.push(...all.author.step(all.node.now, { type: 'tick' }));
    return out;
  };
  return { ...all, rest };
}

test('a long template takes several steps, holds what was ready when it began, and is sealed like any other', () => {
  const { node, author, ready, rest } = busy();
  ready.length = 0;
  const template = templateOf(rest());
  assert.equal(template.extrinsics.length, 101);
  assert.equal(author.wakeAt(), node.now + REFRESH_MS);
  const sealed = author.step(node.now, { type: 'submit', request: 1, submission: submissionFor(template, alice) });
  assert.equal(errorOf(sealed), undefined);
});

test('a template in work is given up for a new head, and for nobody who mines', () => {
  const { node, author, rest } = busy();
  node.grow(1, undefined, { miner: bob });
  const effects = [...author.step(node.now, { type: 'head' }), ...rest()];
  assert.equal(effects.filter(({ type }) => type === 'template').length, 1);
  assert.deepEqual(templateOf(effects).parent.hash, node.store.best.hash);
  author.step(node.now + REFRESH_MS, { type: 'tick' });
  assert.equal(author.wakeAt(), 0);
  assert.deepEqual(author.step(node.now, { type: 'miners', count: 0 }), []);
  assert.equal(author.wakeAt(), undefined);
});

test('a block of ours is not executed again, has the state that everybody else finds, and must be what was built', () => {
  let executed = 0;
  const rules: typeof consensusRules = {
    ...consensusRules,
    runtime: {
      ...consensusRules.runtime,
      executing: (...args) => {
        executed++;
        return consensusRules.runtime.executing(...args);
      },
    },
  };
  const node = new Node({ rules });
  const author = new Author({ rules, store: node.store, ready: () => [{ hash: new Uint8Array(), bytes: note(1) }] });
  const found = (): ReceivedBlock => {
    const template = templateOf(author.step(node.now, { type: 'head' }));
    const submission = submissionFor(template, alice);
    const effects = author.step(node.now, { type: 'submit', request: 1, submission });
    const block = effects.find((effect) => effect.type === 'block');
    assert.ok(block !== undefined);
    return block.block;
  };
  author.step(node.now, { type: 'miners', count: 1 });
  const first = found();
  assert.ok(first.origin.type === 'own' && first.origin.execution !== undefined);
  const other = new Node();
  for (const [who, origin] of [[node, first.origin] as const, [other, PEER] as const]) {
    who.now = node.now + 60_000;
    assert.equal(refusalOf(who.give({ ...first, origin })), undefined);
  }
  assert.equal(executed, 0);
  const { best } = node.store;
  assert.equal(noteIn(node.store.view(best.hash) as StateTree, 1), 'hello');
  assert.deepEqual(node.store.view(best.hash)?.root, other.store.view(best.hash)?.root);
  assert.deepEqual(
    [...(node.store.view(best.hash)?.entries() ?? [])],
    [...(other.store.view(best.hash)?.entries() ?? [])],
  );
  // What was changed by another block leads elsewhere: then the block is executed.
  const second = found();
  assert.equal(refusalOf(node.give({ ...second, origin: first.origin })), undefined);
  assert.equal(executed, 1);
  assert.equal(node.store.best.number, 2);
});
