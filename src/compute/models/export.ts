/** # Export: trained parameters as a file that other programs load: the tensors of theta under the model's names. */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Parameter } from '../graph/admission.ts';
import { elements } from '../graph/onnx.ts';
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

/** theta as a safetensors file. */
export function exportSafetensors(parameters: readonly Parameter[], theta: Bytes): Bytes {
  return writeSafetensors(tensorsOf(parameters, theta));
}
