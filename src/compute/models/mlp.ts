/** # MLP: layers of x w + b with Relu between them; the smallest model that trains. */
import type { Bytes } from '../../base/bytes.ts';
import type { OnnxModel } from '../graph/onnx.ts';
import { ModelWriter } from './model-writer.ts';

export interface Mlp {
  /** Width of the input, of each hidden layer, and of the output: at least two numbers. */
  readonly widths: readonly number[];
  /** Records of a batch. */
  readonly B: number;
}

/** The forward model: `x` f32 [B][first] -> `y` [B][last]. `theta`: its parameters, else zeros. */
export function mlp({ widths, B }: Mlp, theta?: Bytes): OnnxModel {
  const w = new ModelWriter('mlp', theta);
  const [first = 1] = widths;
  let h = w.input('x', 'f32', [B, first]);
  for (let i = 1; i < widths.length; i++) {
    const [from, to] = [widths[i - 1] as number, widths[i] as number];
    const product = w.op('MatMul', [h, w.parameter(`w${i}`, from, to)]);
    const last = i === widths.length - 1;
    h = w.op('Add', [product, w.parameter(`b${i}`, to)], {}, last ? 'y' : `h${i}`);
    if (!last) h = w.op('Relu', [h]);
  }
  return w.finish({ name: 'y', type: 'f32', dims: [B, widths.at(-1) as number] });
}
