/** The published two-step training, compiled from the forward model and run through a plan on any kernels. */
import type { Kernels } from '../../../src/compute/canonical/kernels.ts';
import { PURPOSE } from '../../../src/compute/canonical/philox.ts';
import { ofBits } from '../../../src/compute/canonical/scalar.ts';
import { stateRoot } from '../../../src/compute/canonical/state-root.ts';
import { type Compiled, compile } from '../../../src/compute/graph/compile.ts';
import { elements } from '../../../src/compute/graph/onnx.ts';
import { charTransformer } from '../../../src/compute/models/char-transformer.ts';
import { StepExecutor } from '../../../src/compute/plan/executor.ts';
import { plainGemm } from '../../../src/compute/plan/gemm-backend.ts';
import { planStep } from '../../../src/compute/plan/planner.ts';
import { philox4x32 } from '../../../src/crypto/philox.ts';
import type { Published } from '../kernels/published-training.ts';

const GENERATOR = 0x69370001;
const value = (bits: string): number => ofBits(Number.parseInt(bits, 16));

/** The model of the vectors as this compiler sees it: records are tokens, then labels. */
export function publishedGraph({ model, optimiser }: Published): Compiled {
  const { V, T, C, L, B, ffn } = model;
  return compile(charTransformer({ V, T, C, L, heads: model.H, ffn, B, headBias: false }), {
    loss: 'cross-entropy',
    optimiser: {
      kind: 'adamw',
      b1: value(optimiser.b1),
      b2: value(optimiser.b2),
      eps: value(optimiser.eps),
      weightDecay: value(optimiser.wd),
    },
    record: {
      bytes: 2 * T,
      fields: [
        { input: 'tokens', type: 'u8', offset: 0 },
        { input: 'labels', type: 'u8', offset: T },
      ],
    },
  });
}

/** n 16-bit values of one key of the vectors' generator. */
function halves(n: number, index: number): number[] {
  const out: number[] = [];
  for (let block = 0; out.length < n; block++) {
    const words = philox4x32([GENERATOR, index], [block, 0, PURPOSE.registration, 0]);
    for (const word of words) out.push(word & 0xffff, word >>> 16);
  }
  return out.slice(0, n);
}

/** Initial parameters: (h - 32768) * 2^-20, and ones for the gains. */
function publishedTheta(compiled: Compiled): Uint8Array {
  const values = compiled.step.parameters.flatMap(({ name, dims }, i) => {
    const n = elements(dims);
    if (/ln(1|2|f)g$/.test(name)) return new Array<number>(n).fill(1);
    return halves(n, i).map((h) => (h - 32_768) * 2 ** -20);
  });
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** The batch of step s: its tokens and labels as records. */
function publishedBatch({ model: { B, T } }: Published, step: number): Uint8Array {
  const tokens = halves(B * T, 1000 + 2 * step);
  const labels = halves(B * T, 1001 + 2 * step);
  const records = Array.from({ length: B }, (_, r) => [
    ...tokens.slice(r * T, (r + 1) * T),
    ...labels.slice(r * T, (r + 1) * T),
  ]);
  return Uint8Array.from(records.flat().map((h) => h & 0xff));
}

/** A step seed whose first eight bytes are the vectors' key. */
function publishedSeed(step: number): Uint8Array {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, 0x5eed0000 + step, true);
  new DataView(seed.buffer).setUint32(4, 7, true);
  return seed;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Losses and roots of both steps. */
export function trainPublished(
  kernels: Kernels,
  published: Published,
): { readonly S0: string; readonly steps: readonly { readonly loss: string; readonly stateRoot: string }[] } {
  const compiled = publishedGraph(published);
  const executor = new StepExecutor(kernels, planStep(compiled.step), plainGemm(kernels));
  executor.load(publishedTheta(compiled));
  const S0 = hex(stateRoot([executor.state()]));
  const lrBits = Number.parseInt(published.optimiser.lr, 16);
  const steps = published.steps.map(({ step }) => {
    const { lossBits } = executor.run(step, publishedSeed(step), publishedBatch(published, step), lrBits);
    return { loss: lossBits.toString(16).padStart(8, '0'), stateRoot: hex(stateRoot([executor.state()])) };
  });
  return { S0, steps };
}
