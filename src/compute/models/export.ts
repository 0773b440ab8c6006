/**
 * # Export: trained parameters as files that other programs load.
 *
 * Always true: `model.onnx` is the provider's own model with other numbers in its initialisers; `model.safetensors`
 * holds the same tensors under the same names.
 */
import { assert, must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Parameter } from '../graph/admission.ts';
import { elements, type OnnxModel } from '../graph/onnx.ts';
import { type NamedTensor, writeSafetensors } from './safetensors.ts';

/** The tensors of theta by name. Views of `theta`. */
function tensorsOf(parameters: readonly Parameter[], theta: Bytes): NamedTensor[] {
  let at = 0;
  const tensors = parameters.map(({ name, dims }) => {
    const data = theta.subarray(at, at + 4 * elements(dims));
    at += data.length;
    return { name, dims, data };
  });
  assert(at === theta.length, 'theta holds exactly the parameters');
  return tensors;
}

/** The forward model with theta as its weights. */
export function withParameters(model: OnnxModel, parameters: readonly Parameter[], theta: Bytes): OnnxModel {
  const tensors = new Map(tensorsOf(parameters, theta).map((tensor) => [tensor.name, tensor]));
  const initializers = model.initializers.map((old) => {
    const tensor = tensors.get(old.name);
    return tensor === undefined ? old : { ...old, data: tensor.data };
  });
  for (const { name } of parameters)
    must(
      model.initializers.find((old) => old.name === name),
      `no initialiser ${name}`,
    );
  return { ...model, initializers };
}

/** theta as a safetensors file. */
export function exportSafetensors(parameters: readonly Parameter[], theta: Bytes): Bytes {
  return writeSafetensors(tensorsOf(parameters, theta));
}
