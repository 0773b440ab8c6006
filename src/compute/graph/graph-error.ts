/** # Graph error: whatever is wrong with a model that somebody handed in is one of these codes, never a crash. */

/** Why a model, a step graph or a request to compile was refused; the sentence is what its owner can do about it. */
export const GRAPH_ERRORS = {
  MalformedProtobuf: 'the bytes are not a protobuf message of the ONNX schema',
  TooLarge: 'the file exceeds 64 MiB',
  TooManyNodes: 'the graph exceeds 20,000 nodes',
  BadIrVersion: 'the ONNX IR version is outside 3..13',
  BadOpset: 'the opset of the default domain is missing, doubled or outside 13..20',
  ForeignDomain: 'an operator domain other than ai.onnx is used',
  FunctionNotAllowed: 'a forward model may not define functions',
  TrainingInfo: 'training information is not read; hand in the forward model and a loss',
  ExternalData: 'weights must be inside the file, not external',
  SparseTensor: 'sparse tensors are not in version 1',
  Subgraph: 'control flow and subgraphs are not in version 1',
  Quantised: 'quantisation annotations are not in version 1',
  UnknownOperator: 'the operator is not on the list of docs/spec/engine.md',
  NotInVersion1: 'the operator or option is excluded by section 11 of the engine',
  BadAttribute: 'an attribute is missing, of the wrong type or out of range',
  BadName: 'a name is empty or longer than 512 bytes',
  DuplicateName: 'two values or parameters share a name',
  UndefinedName: 'a node reads a value that no earlier node, input or initialiser defines',
  UnsupportedType: 'tensors are float32, integers are int32 or int64, masks are bool',
  BadTensor: 'the data of a tensor does not match its type and dimensions',
  DynamicShape: 'every dimension must be a number; bind symbolic ones when compiling',
  ShapeTooLarge: 'a tensor has more than 2^31 elements, more than 6 axes or an axis below 1',
  ShapeMismatch: 'the shapes of the operands do not fit the operator',
  NotConstant: 'a shape, an axis or an index list must be a constant',
  CostTooHigh: 'the static cost model exceeds the limit of multiplications or memory',
  BadLoss: 'the loss does not fit the outputs of the model',
  BadOptimiser: 'the optimiser has an unknown kind or a constant out of range',
  NoGradient: 'the loss depends on no parameter through a differentiable operator',
  BadRecord: 'the record layout does not fill the inputs of the graph',
  NotAStepGraph: 'the file is not a step graph as this compiler writes it',
} as const;

export type GraphErrorCode = keyof typeof GRAPH_ERRORS;

/** A refusal: `code` from the table, the node's name where one is to blame, and what was found. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly code: GraphErrorCode;
  readonly node: string | undefined;
  readonly detail: string;

  constructor(code: GraphErrorCode, detail: string, node?: string) {
    super(`${code}${node === undefined ? '' : ` at ${node}`}: ${GRAPH_ERRORS[code]} (${detail})`);
    this.code = code;
    this.node = node;
    this.detail = detail;
  }
}

/** Throws GraphError unless `condition` holds. */
export function ensure(condition: unknown, code: GraphErrorCode, detail: string, node?: string): asserts condition {
  if (!condition) throw new GraphError(code, detail, node);
}

/** The refusal of an operator that a stranger named. */
export function refuseOperator(domain: string, name: string, at: string): GraphError {
  const excluded = Object.hasOwn(EXCLUDED, name) ? EXCLUDED[name] : undefined;
  if (domain === '' && excluded !== undefined) return new GraphError('NotInVersion1', `${name}: ${excluded}`, at);
  if (domain !== '') return new GraphError('ForeignDomain', `${domain}::${name}`, at);
  return new GraphError('UnknownOperator', name, at);
}

/** What section 11 excludes, and what can never be canonical, by ONNX name. */
const EXCLUDED: Readonly<Record<string, string>> = {
  Dropout: 'dropout; export the model in evaluation mode',
  Conv: 'convolution',
  ConvTranspose: 'convolution',
  BatchNormalization: 'batch normalisation',
  Loop: 'control flow',
  If: 'control flow',
  Scan: 'control flow',
  RandomNormal: 'random bits inside the graph',
  RandomNormalLike: 'random bits inside the graph',
  RandomUniform: 'random bits inside the graph',
  RandomUniformLike: 'random bits inside the graph',
  Multinomial: 'random bits inside the graph',
  Bernoulli: 'random bits inside the graph',
};
