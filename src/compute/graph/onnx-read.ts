/**
 * # ONNX reader: bytes of a stranger become a model, or one named refusal.
 *
 * Always true: nothing is allocated beyond a small multiple of the file's size; external data, sparse tensors,
 * subgraphs, training information and foreign element types never leave this file. Nesting is fixed by the schema,
 * so no input makes it recurse.
 */
import { type Bytes, utf8 } from '../../base/bytes.ts';
import { ensure, GraphError } from './graph-error.ts';
import {
  ATTRIBUTE_TYPE,
  type Attribute,
  DATA_TYPE,
  ELEMENT_BYTES,
  type ElementType,
  elements,
  MAX_AXES,
  MAX_ELEMENTS,
  MAX_MODEL_BYTES,
  MAX_NAME_BYTES,
  MAX_NODES,
  type OnnxFunction,
  type OnnxModel,
  type OnnxNode,
  type TensorValue,
  type ValueInfo,
} from './onnx.ts';
import { DELIMITED, ProtoReader } from './protobuf.ts';

const MAX_INT64 = 2n ** 63n - 1n;

/** The model that `bytes` spell. Throws GraphError. */
export function readModel(bytes: Bytes): OnnxModel {
  ensure(bytes.length <= MAX_MODEL_BYTES, 'TooLarge', `${bytes.length} bytes`);
  const reader = new ProtoReader(bytes);
  const opsets: { domain: string; version: number }[] = [];
  const functions: OnnxFunction[] = [];
  const metadata: Record<string, string> = Object.create(null);
  let irVersion = 0;
  let producer = '';
  let graph: GraphParts | undefined;
  while (reader.next()) {
    if (reader.field === 1) irVersion = reader.int64();
    else if (reader.field === 2) producer = reader.string();
    else if (reader.field === 7) {
      ensure(graph === undefined, 'MalformedProtobuf', 'two graphs');
      graph = readGraph(reader.message());
    } else if (reader.field === 8) opsets.push(readOpset(reader.message()));
    else if (reader.field === 14) readMetadata(reader.message(), metadata);
    else if (reader.field === 20) throw new GraphError('TrainingInfo', 'field training_info');
    else if (reader.field === 25) functions.push(readFunction(reader.message()));
    else reader.skip();
  }
  ensure(graph !== undefined, 'MalformedProtobuf', 'no graph');
  ensure(irVersion >= 3 && irVersion <= 13, 'BadIrVersion', `${irVersion}`);
  return { irVersion, opsets, producer, functions, metadata, ...graph };
}

interface GraphParts {
  readonly name: string;
  readonly nodes: OnnxNode[];
  readonly initializers: TensorValue[];
  readonly inputs: ValueInfo[];
  readonly outputs: ValueInfo[];
}

function readGraph(reader: ProtoReader): GraphParts {
  const nodes: OnnxNode[] = [];
  const initializers: TensorValue[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  let name = '';
  while (reader.next()) {
    if (reader.field === 1) pushNode(nodes, reader);
    else if (reader.field === 2) name = reader.string();
    else if (reader.field === 5) initializers.push(readTensor(reader.message()));
    else if (reader.field === 11) inputs.push(readValueInfo(reader.message()));
    else if (reader.field === 12) outputs.push(readValueInfo(reader.message()));
    else if (reader.field === 14) throw new GraphError('Quantised', 'field quantization_annotation');
    else if (reader.field === 15) throw new GraphError('SparseTensor', 'field sparse_initializer');
    // value_info (13) is skipped: shapes are inferred here, never believed.
    else reader.skip();
  }
  return { name, nodes, initializers, inputs, outputs };
}

function pushNode(nodes: OnnxNode[], reader: ProtoReader): void {
  ensure(nodes.length < MAX_NODES, 'TooManyNodes', `more than ${MAX_NODES}`);
  nodes.push(readNode(reader.message()));
}

function readNode(reader: ProtoReader): OnnxNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: Record<string, Attribute> = Object.create(null);
  let name = '';
  let op = '';
  let domain = '';
  while (reader.next()) {
    if (reader.field === 1) inputs.push(optionalName(reader.string()));
    else if (reader.field === 2) outputs.push(optionalName(reader.string()));
    else if (reader.field === 3) name = optionalName(reader.string());
    else if (reader.field === 4) op = optionalName(reader.string());
    else if (reader.field === 5) {
      const [key, value] = readAttribute(reader.message());
      ensure(!(key in attributes), 'DuplicateName', `attribute ${key}`, name);
      attributes[key] = value;
    } else if (reader.field === 7) domain = normalDomain(reader.string());
    else if (reader.field === 8) ensure(reader.string() === '', 'UnknownOperator', 'an overload is named', name);
    else reader.skip();
  }
  return { name: name === '' ? (outputs[0] ?? op) : name, op, domain, inputs, outputs, attributes };
}

/** The fields of AttributeProto that carry a value. */
interface RawAttribute {
  type: number;
  reference: string;
  f: number;
  i: number;
  s: string;
  t: TensorValue | undefined;
  floats: number[];
  ints: number[];
  strings: string[];
}

function readAttribute(reader: ProtoReader): [string, Attribute] {
  const raw: RawAttribute = {
    type: 0,
    reference: '',
    f: 0,
    i: 0,
    s: '',
    t: undefined,
    floats: [],
    ints: [],
    strings: [],
  };
  let name = '';
  while (reader.next()) {
    if (reader.field === 1) name = requiredName(reader.string(), 'attribute');
    else if (reader.field === 2) raw.f = reader.float();
    else if (reader.field === 3) raw.i = reader.int64();
    else if (reader.field === 4) raw.s = reader.string();
    else if (reader.field === 5) raw.t = readTensor(reader.message());
    else if (reader.field === 6 || reader.field === 11) throw new GraphError('Subgraph', `attribute ${name}`);
    else if (reader.field === 7) readFloats(reader, raw.floats);
    else if (reader.field === 8) readInts(reader, raw.ints);
    else if (reader.field === 9) raw.strings.push(reader.string());
    else if (reader.field === 20) raw.type = reader.int64();
    else if (reader.field === 21) raw.reference = reader.string();
    else if (reader.field === 22 || reader.field === 23) throw new GraphError('SparseTensor', `attribute ${name}`);
    else reader.skip();
  }
  return [requiredName(name, 'attribute'), attributeOf(name, raw)];
}

function attributeOf(name: string, raw: RawAttribute): Attribute {
  if (raw.reference !== '') {
    const to = (['float', 'int', 'ints'] as const).find((type) => ATTRIBUTE_TYPE[type] === raw.type);
    ensure(to !== undefined, 'BadAttribute', `reference ${name} of type ${raw.type}`);
    return { type: 'reference', to, value: raw.reference };
  }
  if (raw.type === ATTRIBUTE_TYPE.float) return { type: 'float', value: raw.f };
  if (raw.type === ATTRIBUTE_TYPE.int) return { type: 'int', value: raw.i };
  if (raw.type === ATTRIBUTE_TYPE.string) return { type: 'string', value: raw.s };
  if (raw.type === ATTRIBUTE_TYPE.tensor && raw.t !== undefined) return { type: 'tensor', value: raw.t };
  if (raw.type === ATTRIBUTE_TYPE.floats) return { type: 'floats', value: raw.floats };
  if (raw.type === ATTRIBUTE_TYPE.ints) return { type: 'ints', value: raw.ints };
  if (raw.type === ATTRIBUTE_TYPE.strings) return { type: 'strings', value: raw.strings };
  throw new GraphError('BadAttribute', `attribute ${name} of type ${raw.type}`);
}

/** The fields of TensorProto that carry data; at most one is filled. */
interface RawTensor {
  type: number;
  raw: Bytes | undefined;
  floats: number[];
  int32s: number[];
  int64s: number[];
}

function readTensor(reader: ProtoReader): TensorValue {
  const dims: number[] = [];
  const data: RawTensor = { type: 0, raw: undefined, floats: [], int32s: [], int64s: [] };
  let name = '';
  while (reader.next()) {
    if (reader.field === 1) readInts(reader, dims, MAX_AXES);
    else if (reader.field === 2) data.type = reader.int64();
    else if (reader.field === 3) throw new GraphError('BadTensor', 'a segmented tensor', name);
    else if (reader.field === 4) readFloats(reader, data.floats);
    else if (reader.field === 5) readInts(reader, data.int32s);
    else if (reader.field === 7) readInts(reader, data.int64s);
    else if (reader.field === 8) name = optionalName(reader.string());
    else if (reader.field === 9) data.raw = reader.bytes();
    else if (reader.field === 13) throw new GraphError('ExternalData', 'field external_data', name);
    else if (reader.field === 14) ensure(reader.int64() === 0, 'ExternalData', 'field data_location', name);
    else reader.skip();
  }
  const type = elementType(data.type, name);
  checkDims(dims, name, 0);
  return { name, type, dims, data: tensorData(name, type, elements(dims), data) };
}

function tensorData(name: string, type: ElementType, count: number, data: RawTensor): Bytes {
  const size = ELEMENT_BYTES[type];
  if (data.raw !== undefined) {
    ensure(data.raw.length === count * size, 'BadTensor', `${data.raw.length} bytes for ${count} ${type}`, name);
    if (type === 'bool')
      ensure(
        data.raw.every((byte) => byte <= 1),
        'BadTensor',
        'a bool other than 0 or 1',
        name,
      );
    return data.raw;
  }
  const list = type === 'f32' ? data.floats : type === 'i64' ? data.int64s : data.int32s;
  ensure(list.length === count, 'BadTensor', `${list.length} values for ${count} ${type}`, name);
  const out = new Uint8Array(count * size);
  const view = new DataView(out.buffer);
  list.forEach((value, i) => {
    if (type === 'f32') view.setFloat32(4 * i, value, true);
    else if (type === 'i64') view.setBigInt64(8 * i, value >= 2 ** 63 ? MAX_INT64 : BigInt(value), true);
    else if (type === 'i32') view.setInt32(4 * i, value, true);
    else {
      ensure(value === 0 || value === 1, 'BadTensor', 'a bool other than 0 or 1', name);
      out[i] = value;
    }
  });
  return out;
}

function readValueInfo(reader: ProtoReader): ValueInfo {
  let name = '';
  let type: { type: ElementType; dims: (number | string)[] } | undefined;
  while (reader.next()) {
    if (reader.field === 1) name = requiredName(reader.string(), 'input or output');
    else if (reader.field === 2) type = readType(reader.message(), name);
    else reader.skip();
  }
  ensure(name !== '', 'BadName', 'an input or output without a name');
  ensure(type !== undefined, 'UnsupportedType', 'no tensor type', name);
  return { name, ...type };
}

function readType(reader: ProtoReader, name: string): { type: ElementType; dims: (number | string)[] } {
  let out: { type: ElementType; dims: (number | string)[] } | undefined;
  while (reader.next()) {
    if (reader.field === 1) out = readTensorType(reader.message(), name);
    else if (reader.field === 8) throw new GraphError('SparseTensor', 'a sparse input or output', name);
    else if (reader.field === 6) reader.skip();
    else throw new GraphError('UnsupportedType', 'not a tensor', name);
  }
  ensure(out !== undefined, 'UnsupportedType', 'no tensor type', name);
  return out;
}

function readTensorType(reader: ProtoReader, name: string): { type: ElementType; dims: (number | string)[] } {
  let code = 0;
  let dims: (number | string)[] | undefined;
  while (reader.next()) {
    if (reader.field === 1) code = reader.int64();
    else if (reader.field === 2) dims = readShape(reader.message(), name);
    else reader.skip();
  }
  const type = elementType(code, name);
  ensure(dims !== undefined, 'DynamicShape', 'no shape is declared', name);
  return { type, dims };
}

function readShape(reader: ProtoReader, name: string): (number | string)[] {
  const dims: (number | string)[] = [];
  while (reader.next()) {
    if (reader.field !== 1) reader.skip();
    else {
      ensure(dims.length < MAX_AXES, 'ShapeTooLarge', `more than ${MAX_AXES} axes`, name);
      dims.push(readDimension(reader.message()));
    }
  }
  checkDims(
    dims.filter((dim) => typeof dim === 'number'),
    name,
    1,
  );
  return dims;
}

function readDimension(reader: ProtoReader): number | string {
  let dim: number | string = '';
  while (reader.next()) {
    if (reader.field === 1) dim = reader.int64();
    else if (reader.field === 2) dim = reader.string();
    else reader.skip();
  }
  return dim;
}

function readOpset(reader: ProtoReader): { domain: string; version: number } {
  let domain = '';
  let version = 0;
  while (reader.next()) {
    if (reader.field === 1) domain = normalDomain(reader.string());
    else if (reader.field === 2) version = reader.int64();
    else reader.skip();
  }
  return { domain, version };
}

function readMetadata(reader: ProtoReader, into: Record<string, string>): void {
  let key = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string();
    else reader.skip();
  }
  ensure(!(key in into), 'DuplicateName', `metadata ${key}`);
  into[key] = value;
}

function readFunction(reader: ProtoReader): OnnxFunction {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: string[] = [];
  const nodes: OnnxNode[] = [];
  let name = '';
  let domain = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 4) inputs.push(reader.string());
    else if (reader.field === 5) outputs.push(reader.string());
    else if (reader.field === 6) attributes.push(reader.string());
    else if (reader.field === 7) pushNode(nodes, reader);
    else if (reader.field === 10) domain = reader.string();
    else reader.skip();
  }
  return { name, domain, inputs, outputs, attributes, nodes };
}

function readInts(reader: ProtoReader, into: number[], most = Number.POSITIVE_INFINITY): void {
  if (reader.wire !== DELIMITED) into.push(reader.int64());
  else {
    const packed = reader.message();
    while (packed.more) {
      ensure(into.length <= most, 'ShapeTooLarge', `more than ${most} axes`);
      into.push(packed.bareInt64());
    }
  }
  ensure(into.length <= most, 'ShapeTooLarge', `more than ${most} axes`);
}

function readFloats(reader: ProtoReader, into: number[]): void {
  if (reader.wire !== DELIMITED) {
    into.push(reader.float());
    return;
  }
  const packed = reader.message();
  while (packed.more) into.push(packed.bareFloat());
}

function elementType(code: number, name: string): ElementType {
  const type = (Object.keys(DATA_TYPE) as ElementType[]).find((key) => DATA_TYPE[key] === code);
  ensure(type !== undefined, 'UnsupportedType', `element type ${code}`, name);
  return type;
}

/** Refuses negative axes, axes below `least` and more than 2^31 elements; the product of few bounded axes is exact. */
export function checkDims(dims: readonly number[], name: string, least: number): void {
  ensure(dims.length <= MAX_AXES, 'ShapeTooLarge', `more than ${MAX_AXES} axes`, name);
  let product = 1;
  for (const dim of dims) {
    ensure(Number.isSafeInteger(dim) && dim >= least, 'ShapeTooLarge', `axis ${dim}`, name);
    product *= dim;
    ensure(product <= MAX_ELEMENTS, 'ShapeTooLarge', `dimensions ${dims.join('x')}`, name);
  }
}

function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function optionalName(name: string): string {
  ensure(name.length <= MAX_NAME_BYTES && utf8(name).length <= MAX_NAME_BYTES, 'BadName', `${name.slice(0, 40)}...`);
  return name;
}

function requiredName(name: string, what: string): string {
  ensure(name !== '', 'BadName', `${what} without a name`);
  return optionalName(name);
}
