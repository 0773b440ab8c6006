/** Many small models as one, so that one ONNX Runtime process answers for all of them. */
import type { OnnxModel } from '../../../src/compute/graph/onnx.ts';

/** The models side by side; names of model i begin with `i/`. */
export function mergeModels(models: readonly OnnxModel[]): OnnxModel {
  const renamed = models.map((model, i) => {
    const rename = (name: string): string => (name === '' ? '' : `${i}/${name}`);
    return {
      nodes: model.nodes.map((node) => ({
        ...node,
        name: rename(node.name),
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map(rename),
      })),
      initializers: model.initializers.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
      inputs: model.inputs.map((input) => ({ ...input, name: rename(input.name) })),
      outputs: model.outputs.map((output) => ({ ...output, name: rename(output.name) })),
    };
  });
  return {
    ...(models[0] as OnnxModel),
    name: 'merged',
    nodes: renamed.flatMap(({ nodes }) => nodes),
    initializers: renamed.flatMap(({ initializers }) => initializers),
    inputs: renamed.flatMap(({ inputs }) => inputs),
    outputs: renamed.flatMap(({ outputs }) => outputs),
  };
}

/** The sum of a model's scalar outputs as its one output. */
export function sumOfOutputs(model: OnnxModel): OnnxModel {
  const [first, ...others] = model.outputs.map(({ name }) => name) as [string, ...string[]];
  let total = first;
  const nodes = others.map((name, i) => {
    const output = `total/${i}`;
    const node = { name: output, op: 'Add', domain: '', inputs: [total, name], outputs: [output], attributes: {} };
    total = output;
    return node;
  });
  return { ...model, nodes: [...model.nodes, ...nodes], outputs: [{ name: total, type: 'f32', dims: [] }] };
}
