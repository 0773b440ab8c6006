/** # With parameters: a forward model with other numbers in its initialisers, taken from theta as its export names them. */
import { assert } from '../../../src/base/assert.ts';
import type { Bytes } from '../../../src/base/bytes.ts';
import type { Parameter } from '../../../src/compute/graph/admission.ts';
import type { OnnxModel } from '../../../src/compute/graph/onnx.ts';
import { exportSafetensors } from '../../../src/compute/models/export.ts';
import { readSafetensors } from '../../../src/compute/models/safetensors.ts';

/** The model with theta as its weights. */
export function withParameters(model: OnnxModel, parameters: readonly Parameter[], theta: Bytes): OnnxModel {
  const data = new Map(readSafetensors(exportSafetensors(parameters, theta)).map((one) => [one.name, one.data]));
  const initializers = model.initializers.map((old) => {
    const found = data.get(old.name);
    data.delete(old.name);
    return found === undefined ? old : { ...old, data: found };
  });
  assert(data.size === 0, `no initialiser ${[...data.keys()]}`);
  return { ...model, initializers };
}
