import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, concat, littleEndian } from '../../src/base/bytes.ts';
import { lossLeaf, Transcript, transcriptRoot, verifyOperands, verifyState } from '../../src/compute/transcript.ts';
import { sha256 } from '../../src/crypto/hash.ts';

const root = (...at: number[]): Bytes => sha256(Uint8Array.from(at));

/** A transcript of `segments` segments, of which `steps` steps are done. */
function grown(shape: { steps: number; segmentSteps: number; nodes: number }, steps = shape.steps): Transcript {
  const transcript = new Transcript(shape);
  transcript.addState(root(0));
  for (let t = 1; t <= steps; t++) {
    transcript.addStep(
      t,
      Array.from({ length: shape.nodes }, (_, g) => [root(1, t, g), root(2, t, g)] as const),
    );
    if (t % shape.segmentSteps === 0) transcript.addState(root(0, t));
  }
  return transcript;
}

test('T is node(node(rS, rL), rG) over leaves that say what they are', () => {
  const shape = { steps: 2, segmentSteps: 1, nodes: 1 };
  const hash = (...parts: Bytes[]): Bytes => sha256(concat(...parts));
  const [leaf, node] = [Uint8Array.of(0), Uint8Array.of(1)];
  const states = [root(0), root(0, 1), root(0, 2)].map((s) => hash(leaf, s));
  const rS = hash(node, hash(node, states[0] as Bytes, states[1] as Bytes), states[2] as Bytes);
  const rL = hash(node, ...[1n, 2n].map((bits) => hash(leaf, littleEndian(bits, 4))));
  const rG = hash(node, ...[1, 2].map((t) => hash(leaf, root(1, t, 0), root(2, t, 0))));
  const transcript = grown(shape);
  assert.deepEqual(transcript.roots(), { states: rS, losses: rL, operands: rG });
  assert.deepEqual(transcript.root(), hash(node, hash(node, rS, rL), rG));
  assert.deepEqual(lossLeaf(0x3f800000), hash(leaf, Uint8Array.of(0, 0, 0x80, 0x3f)), 'a loss is its f32 bits');
});

test('every state and every pair of operands opens at its own place and at no other', () => {
  const shapes = fc.record({
    segments: fc.integer({ min: 1, max: 7 }),
    segmentSteps: fc.integer({ min: 1, max: 4 }),
    nodes: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(shapes, fc.nat(), fc.nat(), ({ segments, segmentSteps, nodes }, i, j) => {
      const shape = { steps: segments * segmentSteps, segmentSteps, nodes };
      const transcript = grown(shape);
      const { states, operands } = transcript.roots();
      const index = i % (segments + 1);
      const path = transcript.openState(index);
      const state = transcript.stateRoot(index);
      assert.ok(verifyState(shape, states, index, state, path));
      assert.ok(!verifyState(shape, states, (index + 1) % (segments + 1), state, path));
      assert.ok(!verifyState(shape, states, index, root(9), path));
      const at = { step: 1 + (i % shape.steps), node: j % nodes };
      const opened = transcript.openOperands(at.step, at.node);
      const pair = [root(1, at.step, at.node), root(2, at.step, at.node)] as const;
      assert.ok(verifyOperands(shape, operands, at, ...pair, opened));
      assert.ok(!verifyOperands(shape, operands, at, pair[1], pair[0], opened));
      assert.ok(!verifyOperands(shape, operands, { ...at, step: at.step + 1 }, ...pair, opened));
      assert.ok(!verifyOperands(shape, operands, { step: 0, node: at.node }, ...pair, opened));
    }),
  );
});

test('a transcript that was saved in mid-fragment ends as if it had never stopped', () => {
  const shape = { steps: 12, segmentSteps: 3, nodes: 2 };
  const resumed = Transcript.load(shape, grown(shape, 6).save());
  assert.equal(resumed.stepsDone, 6);
  assert.deepEqual(resumed.stateRoot(2), root(0, 6));
  for (let t = 7; t <= 12; t++) {
    resumed.addStep(
      t,
      [0, 1].map((g) => [root(1, t, g), root(2, t, g)] as const),
    );
    if (t % 3 === 0) resumed.addState(root(0, t));
  }
  assert.deepEqual(resumed.root(), grown(shape).root());
  assert.deepEqual(resumed.openOperands(2, 1), grown(shape).openOperands(2, 1));
  assert.deepEqual(transcriptRoot(resumed.roots()), resumed.root());
});
