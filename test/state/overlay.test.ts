/** # An overlay behaves as a copied map would: nested transactions, ordered keys, prefix deletion. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, compare, startsWith, toHex } from '../../src/base/bytes.ts';
import { bytesOf, keyOf } from '../../src/state/key.ts';
import { Overlay } from '../../src/state/overlay.ts';
import { StateTree } from '../../src/state/tree.ts';

const key = fc.array(fc.constantFrom(1, 2, 0xff), { maxLength: 3 }).map((a) => Uint8Array.from(a));
const value = fc.uint8Array({ minLength: 1, maxLength: 3 });

type Step =
  | { type: 'put'; key: Bytes; value: Bytes }
  | { type: 'delete'; key: Bytes }
  | { type: 'deletePrefix'; key: Bytes; limit: number }
  | { type: 'begin' | 'commit' | 'rollback' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value }),
  fc.record({ type: fc.constant('delete' as const), key }),
  fc.record({ type: fc.constant('deletePrefix' as const), key, limit: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ type: fc.constantFrom('begin' as const, 'commit' as const, 'rollback' as const) }),
);

type Model = Map<string, Bytes>;

function keysOf(model: Model, prefix: Bytes, after: Bytes | undefined): Bytes[] {
  return [...model.keys()]
    .map(bytesOf)
    .filter((k) => startsWith(k, prefix) && (after === undefined || compare(k, after) > 0))
    .sort(compare);
}

/** Does a step to the overlay and to a stack of copied maps, whose last element is the current state. */
function perform(overlay: Overlay, stack: Model[], s: Step): void {
  const top = stack[stack.length - 1] as Model;
  if (s.type === 'put') {
    overlay.put(s.key, s.value);
    top.set(keyOf(s.key), s.value);
  } else if (s.type === 'delete') {
    overlay.delete(s.key);
    top.delete(keyOf(s.key));
  } else if (s.type === 'deletePrefix') {
    const all = keysOf(top, s.key, undefined);
    const gone = all.slice(0, s.limit);
    for (const k of gone) top.delete(keyOf(k));
    const expected = { deleted: gone.length, more: all.length > gone.length };
    assert.deepEqual(overlay.deletePrefix(s.key, s.limit), expected);
  } else if (s.type === 'begin') {
    overlay.begin();
    stack.push(new Map(top));
  } else if (stack.length > 1) {
    if (s.type === 'commit') {
      overlay.commit();
      stack.splice(stack.length - 2, 1);
    } else {
      overlay.rollback();
      stack.pop();
    }
  }
}

test('any sequence of writes and nested transactions reads like a stack of copied maps', () => {
  const base = fc.array(fc.tuple(key, value), { maxLength: 15 });
  const after = fc.option(key, { nil: undefined });
  fc.assert(
    fc.property(base, fc.array(step, { maxLength: 40 }), key, after, (entries, steps, prefix, bound) => {
      const tree = StateTree.from(entries);
      const overlay = new Overlay(tree);
      const stack: Model[] = [new Map([...tree.entries()].map(([k, v]) => [keyOf(k), v]))];
      for (const s of steps) {
        perform(overlay, stack, s);
        const now = stack[stack.length - 1] as Model;
        assert.deepEqual(overlay.keys(prefix, bound, 4), keysOf(now, prefix, bound).slice(0, 4));
        assert.deepEqual(overlay.get(prefix), now.get(keyOf(prefix)));
      }
      while (stack.length > 1) perform(overlay, stack, { type: 'commit' });
      const model = stack[0] as Model;
      const rebuilt = StateTree.from([...model].map(([k, v]): [Bytes, Bytes] => [bytesOf(k), v]));
      assert.equal(toHex(tree.with(overlay.changes()).root), toHex(rebuilt.root));
    }),
    { numRuns: 400 },
  );
});

test('reads reach the base once for each key, and are counted', () => {
  const overlay = new Overlay(StateTree.from([[Uint8Array.of(1), Uint8Array.of(9)]]));
  overlay.get(Uint8Array.of(1));
  overlay.get(Uint8Array.of(1));
  overlay.get(Uint8Array.of(2));
  overlay.get(Uint8Array.of(2));
  overlay.put(Uint8Array.of(3), Uint8Array.of(1));
  overlay.get(Uint8Array.of(3));
  assert.deepEqual(overlay.counts, { baseReads: 2, reads: 5, writes: 1 });
});

test('a transaction that was not opened cannot be closed', () => {
  const overlay = new Overlay(StateTree.empty());
  assert.throws(() => overlay.commit(), /commit without begin/);
  assert.throws(() => overlay.rollback(), /rollback without begin/);
});
