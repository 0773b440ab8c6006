/** # Whatever is appended, chosen, settled, taken back and lost in a crash: the store holds the chain that is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { keyOf } from '../../src/state/key.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import { assertHolds, assertUnknown, childOf, filled, genesisOf, type Truth } from './chains.ts';

type Step =
  | { type: 'append'; parent: number; salt: number }
  | { type: 'best' | 'settle'; pick: number }
  | { type: 'revert'; count: number }
  | { type: 'justify'; pick: number }
  | { type: 'flush' | 'reload' | 'crash' };

// Four thousand blocks with the plain hash would take ten seconds.
await installFastPaths();

const pick = fc.nat({ max: 1000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('append' as const), parent: fc.nat({ max: 5 }), salt: pick }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('best' as const, 'settle' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('revert' as const), count: fc.nat({ max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('justify' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('flush' as const, 'reload' as const, 'crash' as const) }) },
);

const WINDOW = 3;

/** The chain as plain lists: what the store must be equal to. */
interface Model {
  /** Settled blocks by height. */
  settled: Truth[];
  /** Blocks above, oldest first. */
  above: Truth[];
  dropped: Truth[];
  best: Truth;
  justified: Map<string, Bytes>;
}

function copyOf(model: Model): Model {
  const { settled, above, dropped, best, justified } = model;
  return { settled: [...settled], above: [...above], dropped: [...dropped], best, justified: new Map(justified) };
}

function foot(model: Model): Truth {
  return model.settled[model.settled.length - 1] as Truth;
}

/** The way from the settled block (exclusive) to a block. */
function lineTo(model: Model, block: Truth): Truth[] {
  const line: Truth[] = [];
  for (let at: Truth | undefined = block; at !== undefined && at !== foot(model); ) {
    line.unshift(at);
    const parent: Bytes = at.parent;
    at = [foot(model), ...model.above].find((b) => toHex(b.hash) === toHex(parent));
  }
  return line;
}

function perform(store: MemoryStore, model: Model, s: Step): void {
  const known = [foot(model), ...model.above];
  if (s.type === 'append') {
    const block = childOf(known[Math.max(0, known.length - 1 - s.parent)] as Truth, s.salt);
    const again = model.above.some((b) => toHex(b.hash) === toHex(block.hash));
    assert.equal(toHex(store.append(block).root), toHex(block.stateRoot));
    model.dropped = model.dropped.filter((b) => toHex(b.hash) !== toHex(block.hash));
    if (!again) model.above.push(block);
  } else if (s.type === 'best') {
    const to = known[s.pick % known.length] as Truth;
    const [old, now] = [lineTo(model, model.best), lineTo(model, to)];
    const route = store.setBest(to.hash);
    assert.deepEqual(
      route.retracted.map((b) => toHex(b.hash)),
      names(old.filter((b) => !now.includes(b)).reverse()),
    );
    assert.deepEqual(
      route.enacted.map((b) => toHex(b.hash)),
      names(now.filter((b) => !old.includes(b))),
    );
    model.best = to;
  } else if (s.type === 'settle') {
    const line = lineTo(model, model.best);
    const count = line.length === 0 ? 0 : s.pick % (line.length + 1);
    const way = line.slice(0, count);
    const result = store.settle((way[way.length - 1] ?? foot(model)).hash);
    assert.deepEqual(
      result.settled.map((b) => toHex(b.hash)),
      names(way),
    );
    model.settled.push(...way);
    const kept = model.above.filter((b) => !way.includes(b) && lineTo(model, b)[0]?.number === foot(model).number + 1);
    const gone = model.above.filter((b) => !way.includes(b) && !kept.includes(b));
    assert.deepEqual(new Set(result.dropped.map((b) => toHex(b.hash))), new Set(names(gone)));
    model.above = kept;
    model.dropped.push(...gone);
  } else if (s.type === 'revert') {
    const line = lineTo(model, model.best);
    const left = line.slice(0, Math.max(0, line.length - s.count));
    assert.equal(store.revert(s.count), line.length - left.length);
    model.best = left[left.length - 1] ?? foot(model);
    model.dropped.push(...model.above.filter((b) => !left.includes(b)));
    model.above = left;
  } else if (s.type === 'justify') {
    const block = known[s.pick % known.length] as Truth;
    store.putJustification(block.hash, filled(20, s.pick));
    model.justified.set(keyOf(block.hash), filled(20, s.pick));
  }
  for (const block of model.dropped) model.justified.delete(keyOf(block.hash));
}

function names(blocks: readonly Truth[]): string[] {
  return blocks.map((b) => toHex(b.hash));
}

function assertIs(store: MemoryStore, model: Model): void {
  assert.equal(toHex(store.best.hash), toHex(model.best.hash));
  assert.equal(toHex(store.settled.hash), toHex(foot(model).hash));
  const line = [...model.settled, ...lineTo(model, model.best)];
  assert.deepEqual(
    line.map((_, height) => toHex(store.canonical(height) ?? filled(1, 0))),
    names(line),
  );
  assert.equal(store.canonical(line.length), undefined);
  for (const block of model.above) assertHolds(store, block, true);
  for (const block of model.settled) assertHolds(store, block, block.number + WINDOW >= foot(model).number);
  for (const block of model.dropped) assertUnknown(store, block.hash);
  for (const block of [...model.settled, ...model.above]) {
    assert.deepEqual(store.justification(block.hash), model.justified.get(keyOf(block.hash)));
  }
  const parents = new Set(model.above.map((b) => toHex(b.parent)));
  const leaves = [foot(model), ...model.above].filter((b) => !parents.has(toHex(b.hash)));
  assert.deepEqual(
    store.leaves().map((b) => toHex(b.hash)),
    names(leaves),
  );
  for (const block of [foot(model), ...model.above]) {
    const children = model.above.filter((b) => toHex(b.parent) === toHex(block.hash));
    assert.deepEqual(store.children(block.hash).map(toHex), names(children));
  }
}

test('any sequence of imports, choices, settlements, reversals and crashes leaves the chain that it should', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { genesis, truth } = genesisOf(1);
      let store = MemoryStore.create(genesis, WINDOW);
      let model: Model = { settled: [truth], above: [], dropped: [], best: truth, justified: new Map() };
      let durable = { records: new Map(store.records), model: copyOf(model) };
      for (const s of steps) {
        if (s.type === 'crash') {
          store = MemoryStore.load(new Map(durable.records), WINDOW);
          model = copyOf(durable.model);
        } else if (s.type === 'flush' || s.type === 'reload') {
          await store.flush(false);
          durable = { records: new Map(store.records), model: copyOf(model) };
          if (s.type === 'reload') store = MemoryStore.load(new Map(store.records), WINDOW);
        } else perform(store, model, s);
      }
      assertIs(store, model);
      await store.verify();
      assertIs(MemoryStore.load(store.records, WINDOW), model);
    }),
    { numRuns: 150 },
  );
});

/** A chain of `length` small blocks, settled as it grows. */
function longChain(store: MemoryStore, root: Truth, length: number): Truth[] {
  const blocks = [root];
  for (let i = 1; i <= length; i++) {
    const block = childOf(blocks[i - 1] as Truth, i, 2);
    store.append(block);
    store.setBest(block.hash);
    if (i % 7 === 0) store.settle((blocks[i - 3] as Truth).hash);
    blocks.push(block);
  }
  return blocks;
}

test('an archive shows the state of every block back to genesis', async () => {
  const { genesis, truth } = genesisOf(2);
  const store = MemoryStore.create(genesis, 'archive');
  const blocks = longChain(store, truth, 300);
  await store.verify();
  for (const i of [0, 1, 63, 64, 65, 127, 128, 129, 151, 295, 296, 297, 300]) {
    assertHolds(MemoryStore.load(store.records, 'archive'), blocks[i] as Truth, true);
  }
});

test('four thousand blocks back is a handful of records, and without them the single ones lead there too', async () => {
  const { genesis, truth } = genesisOf(2);
  const store = MemoryStore.create(genesis, 'archive');
  const blocks = longChain(store, truth, 4200);
  await store.flush(false);
  const reads: string[] = [];
  const counted = new Map(store.records);
  const get = counted.get.bind(counted);
  counted.get = (key) => {
    if (/^[ru]/.test(key) && get(key) !== undefined) reads.push(key);
    return get(key);
  };
  assertHolds(MemoryStore.load(counted, 'archive'), blocks[40] as Truth, true);
  assert.ok(reads.length < 200, `${reads.length} records read`);
  for (const key of [...store.records.keys()]) if (key.startsWith('u')) store.records.delete(key);
  assertHolds(MemoryStore.load(store.records, 'archive'), blocks[40] as Truth, true);
  await assert.rejects(store.verify(), { code: 'CorruptDatabase' });
});

test('a block that does not continue its parent, or does not do what it says, is refused', () => {
  const { genesis, truth } = genesisOf(3);
  const store = MemoryStore.create(genesis);
  const good = childOf(truth, 5);
  const fault = (block: Truth): string => {
    try {
      store.append(block);
      return 'accepted';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };
  assert.equal(fault(childOf(good, 6)), 'UnknownBlock');
  assert.equal(fault({ ...good, number: 2 }), 'WrongBlock');
  assert.equal(fault({ ...good, hash: filled(32, 1) }), 'WrongBlock');
  assert.equal(fault({ ...good, stateRoot: filled(32, 1) }), 'WrongBlock');
  assert.equal(
    fault({ ...good, changes: new Map([...good.changes, [keyOf(filled(3, 3)), filled(3, 3)]]) }),
    'WrongStateRoot',
  );
  assert.equal(fault(good), 'accepted');
  assert.equal(fault(good), 'accepted');
  assert.equal(store.stats().unsettled, 1);
});

test('a state that the caller computed is taken over only if it came from these very changes', () => {
  const { genesis, truth } = genesisOf(4);
  const store = MemoryStore.create(genesis);
  const block = childOf(truth, 5);
  const tree = genesis.state.with(block.changes);
  assert.equal(store.append({ ...block, tree }), tree);
  const other = childOf(truth, 6);
  const forged = childOf(truth, 7);
  assert.throws(() => store.append({ ...other, changes: forged.changes, tree: genesis.state.with(other.changes) }), {
    code: 'WrongStateRoot',
  });
});

test('small records are kept, replaced and removed, and have a bound', async () => {
  const store = MemoryStore.create(genesisOf(5).genesis);
  store.putAux('votes', filled(100, 1));
  store.putAux('round', filled(10, 2));
  store.putAux('votes', filled(50, 3));
  store.putAux('round', undefined);
  await store.flush(true);
  const again = MemoryStore.load(store.records);
  assert.deepEqual(again.aux('votes'), filled(50, 3));
  assert.equal(again.aux('round'), undefined);
  assert.throws(() => again.putAux('big', new Uint8Array(2 ** 20 + 1)), { code: 'TooMuchAux' });
  for (let i = 0; i < 63; i++) again.putAux(`n${i}`, filled(1, i));
  assert.throws(() => again.putAux('one more', filled(1, 1)), { code: 'TooMuchAux' });
});
