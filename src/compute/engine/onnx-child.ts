/**
 * # ONNX child: the one process that ONNX Runtime runs in.
 *
 * Always true: it answers one request and ends; whatever the native code does, its parent can kill it.
 */
import * as ort from 'onnxruntime-node';
import type { RuntimeAnswer, RuntimeRequest, RuntimeTensor } from './onnx-messages.ts';

const NAMES = { f32: 'float32', i32: 'int32', i64: 'int64', bool: 'bool' } as const;

function toRuntime({ type, dims, data }: RuntimeTensor): ort.Tensor {
  return new ort.Tensor(NAMES[type], data, dims);
}

function fromRuntime(tensor: ort.Tensor): RuntimeTensor {
  const type = (['f32', 'i32', 'i64', 'bool'] as const).find((each) => NAMES[each] === tensor.type);
  if (type === undefined) throw new Error(`an output of type ${tensor.type}`);
  return { type, dims: tensor.dims, data: tensor.data as RuntimeTensor['data'] };
}

async function answer({ model, runs, threads }: RuntimeRequest): Promise<RuntimeAnswer> {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const outputs: Record<string, RuntimeTensor>[] = [];
  const ms: number[] = [];
  for (const run of runs) {
    const feeds = Object.fromEntries(Object.entries(run).map(([name, tensor]) => [name, toRuntime(tensor)]));
    const start = performance.now();
    const results = await session.run(feeds);
    ms.push(performance.now() - start);
    outputs.push(Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, fromRuntime(tensor)])));
  }
  return { type: 'done', outputs, ms };
}

process.once('message', (request: RuntimeRequest) => {
  answer(request)
    .catch((error: unknown): RuntimeAnswer => ({ type: 'failed', message: String(error) }))
    .then((message) => process.send?.(message, () => process.exit(0)));
});
