/**
 * # ONNX writer: one model, one byte string.
 *
 * Always true: fields are written in ascending number, attributes in ascending name, tensors as raw data; reading what
 * was written gives the same model.
 */
import type { Bytes } from '../../base/bytes.ts';
import {
  ATTRIBUTE_TYPE,
  type Attribute,
  DATA_TYPE,
  type OnnxFunction,
  type OnnxModel,
  type OnnxNode,
  type TensorValue,
  type ValueInfo,
} from './onnx.ts';
import { ProtoWriter } from './protobuf.ts';

/** The bytes of a model. */
export function writeModel(model: OnnxModel): Bytes {
  const out = new ProtoWriter();
  out.int64(1, model.irVersion);
  out.string(2, model.producer);
  out.message(7, (graph) => {
    for (const node of model.nodes) graph.message(1, (inner) => writeNode(inner, node));
    graph.string(2, model.name);
    for (const tensor of model.initializers) graph.message(5, (inner) => writeTensor(inner, tensor));
    for (const input of model.inputs) graph.message(11, (inner) => writeValueInfo(inner, input));
    for (const output of model.outputs) graph.message(12, (inner) => writeValueInfo(inner, output));
  });
  for (const opset of model.opsets) out.message(8, (inner) => writeOpset(inner, opset));
  for (const key of Object.keys(model.metadata).sort()) {
    out.message(14, (inner) => {
      inner.string(1, key);
      inner.string(2, model.metadata[key] as string);
    });
  }
  for (const body of model.functions) out.message(25, (inner) => writeFunction(inner, body, model.opsets));
  return out.finish();
}

function writeNode(out: ProtoWriter, node: OnnxNode): void {
  for (const input of node.inputs) out.string(1, input);
  for (const output of node.outputs) out.string(2, output);
  out.string(3, node.name);
  out.string(4, node.op);
  for (const name of Object.keys(node.attributes).sort()) {
    out.message(5, (inner) => writeAttribute(inner, name, node.attributes[name] as Attribute));
  }
  if (node.domain !== '') out.string(7, node.domain);
}

function writeAttribute(out: ProtoWriter, name: string, attribute: Attribute): void {
  out.string(1, name);
  switch (attribute.type) {
    case 'float':
      out.float(2, attribute.value);
      break;
    case 'int':
      out.int64(3, attribute.value);
      break;
    case 'string':
      out.string(4, attribute.value);
      break;
    case 'tensor':
      out.message(5, (inner) => writeTensor(inner, attribute.value));
      break;
    case 'floats':
      out.floats(7, attribute.value);
      break;
    case 'ints':
      out.int64s(8, attribute.value);
      break;
    case 'strings':
      for (const value of attribute.value) out.string(9, value);
      break;
    case 'reference':
      out.int64(20, ATTRIBUTE_TYPE[attribute.to]);
      out.string(21, attribute.value);
      return;
  }
  out.int64(20, ATTRIBUTE_TYPE[attribute.type]);
}

function writeTensor(out: ProtoWriter, tensor: TensorValue): void {
  out.int64s(1, tensor.dims);
  out.int64(2, DATA_TYPE[tensor.type]);
  if (tensor.name !== '') out.string(8, tensor.name);
  out.bytes(9, tensor.data);
}

function writeValueInfo(out: ProtoWriter, value: ValueInfo): void {
  out.string(1, value.name);
  out.message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.int64(1, DATA_TYPE[value.type]);
      tensor.message(2, (shape) => {
        for (const dim of value.dims) {
          shape.message(1, (inner) => (typeof dim === 'number' ? inner.int64(1, dim) : inner.string(2, dim)));
        }
      });
    }),
  );
}

function writeOpset(out: ProtoWriter, opset: OnnxModel['opsets'][number]): void {
  out.string(1, opset.domain);
  out.int64(2, opset.version);
}

function writeFunction(out: ProtoWriter, body: OnnxFunction, opsets: OnnxModel['opsets']): void {
  out.string(1, body.name);
  for (const input of body.inputs) out.string(4, input);
  for (const output of body.outputs) out.string(5, output);
  for (const attribute of body.attributes) out.string(6, attribute);
  for (const node of body.nodes) out.message(7, (inner) => writeNode(inner, node));
  for (const opset of opsets) if (opset.domain === '') out.message(9, (inner) => writeOpset(inner, opset));
  out.string(10, body.domain);
}
