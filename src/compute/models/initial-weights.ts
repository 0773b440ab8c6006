/**
 * # Initial weights: drawn from a seed alone, so that a chain spec pins them by one root.
 *
 * Always true: matrices are uniform in [-a, a), gains of layer norms are 1, all other vectors are 0. Tensor number i
 * draws uniform16 of Philox purpose 5 under node i, element by element (ENGINE section 7).
 */
import { must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { philox4x32 } from '../../crypto/philox.ts';
import { type PhiloxKey, PURPOSE } from '../canonical/philox.ts';
import { admit } from '../graph/admission.ts';
import { elements, type OnnxModel } from '../graph/onnx.ts';
import { stepKey } from '../plan/executor.ts';

const f = Math.fround;
/** f32(0.0346): the standard deviation of a uniform variable on [-a, a) is then 0.02, GPT-2's. */
const RANGE = f(0.0346);

/** theta of a model: f32 little-endian, in the order of its parameters. `seed`: at least 8 bytes. */
export function initialWeights(model: OnnxModel, seed: Bytes): Bytes {
  const { parameters } = admit(model);
  const gains = new Set(model.nodes.flatMap(({ op, inputs }) => (op === 'LayerNormalization' ? [inputs[1]] : [])));
  const theta = new Float32Array(parameters.reduce((sum, { dims }) => sum + elements(dims), 0));
  const key = stepKey(seed);
  let at = 0;
  parameters.forEach(({ name, dims }, i) => {
    const tensor = theta.subarray(at, at + elements(dims));
    if (dims.length >= 2) draw(tensor, key, i);
    else if (gains.has(name)) tensor.fill(1);
    at += tensor.length;
  });
  return new Uint8Array(theta.buffer);
}

/** (u - 0.5) * 2 * a; the first two operations are exact. */
function draw(out: Float32Array, key: PhiloxKey, node: number): void {
  for (let e = 0; e < out.length; e += 8) {
    const words = philox4x32(key, [e / 8, node, PURPOSE.weights, 0]);
    for (let i = 0; i < 8 && e + i < out.length; i++) {
      const word = must(words[i >> 1], 'four words');
      const half = i % 2 === 0 ? word & 0xffff : word >>> 16;
      out[e + i] = f((half / 65_536 - 0.5) * 2 * RANGE);
    }
  }
}
