/**
 * The published two-step training on any kernels. As a program (`node published-training.ts`) it runs on the committed
 * module and prints the roots: the tests start it under other compilers of the engine.
 */
import { createHash } from 'node:crypto';
import type { Kernels } from '../../../src/compute/canonical/kernels.ts';
import { ofBits } from '../../../src/compute/canonical/scalar.ts';
import { stateRoot } from '../../../src/compute/canonical/state-root.ts';
import { instantiateKernels } from '../../../src/compute/canonical/wasm.ts';
import { trainingCase, wasmBytes } from './sources.ts';
import { type AdamW, type Model, Transformer } from './transformer.ts';

interface PublishedStep {
  readonly step: number;
  readonly loss: string;
  readonly stateRoot: string;
  readonly thetaSha256: string;
  readonly tensors: Readonly<Record<string, string>>;
}

/** The fields of the last case of engine.json. */
export interface Published {
  readonly model: Readonly<Record<'V' | 'T' | 'C' | 'L' | 'H' | 'B' | 'ffn', number>> & {
    readonly layerNormEps: string;
    readonly attentionScale: string;
  };
  readonly optimiser: Readonly<Record<'lr' | 'b1' | 'b2' | 'eps' | 'wd', string>>;
  readonly S0: string;
  readonly steps: readonly PublishedStep[];
}

const GENERATOR = 0x69370001;
const value = (bits: string): number => ofBits(Number.parseInt(bits, 16));

function modelOf({ model }: Published): Model {
  return {
    ...{ vocabulary: model.V, tokens: model.T, width: model.C, layers: model.L, heads: model.H, batch: model.B },
    ...{ ffn: model.ffn, eps: value(model.layerNormEps), attentionScale: value(model.attentionScale) },
  };
}

/** The 16-bit values of a key of the vectors' generator. */
function halves(kernels: Kernels, scratch: number, n: number, index: number): Float32Array {
  kernels.uniform16(scratch, n, GENERATOR, index, 0, 0);
  return kernels.f32.slice(scratch / 4, scratch / 4 + n).map((u) => u * 65_536);
}

/** Initial weights: (h - 32768) * 2^-20, and ones for the gains. */
function initialise(net: Transformer): void {
  let at = net.theta / 4;
  net.params.forEach(([name, n], i) => {
    const gain = /ln(1|2|f)g$/.test(name);
    const weights = gain ? new Float32Array(n).fill(1) : halves(net.kernels, net.gradient, n, i);
    net.kernels.f32.set(gain ? weights : weights.map((h) => (h - 32_768) * 2 ** -20), at);
    at += n;
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** What a run produced, in the words of the vectors. */
export interface Outcome {
  readonly S0: string;
  readonly steps: readonly { loss: string; stateRoot: string; tensors: Readonly<Record<string, string>> }[];
}

/** Runs both steps. */
export function train(kernels: Kernels, published: Published): Outcome {
  const net = new Transformer(kernels, modelOf(published));
  initialise(net);
  const S0 = hex(stateRoot(net.state()));
  const { lr, b1, b2, eps, wd } = published.optimiser;
  const optimiser: AdamW = { lr: value(lr), b1: value(b1), b2: value(b2), eps: value(eps), wd: value(wd) };
  const rows = published.model.B * published.model.T;
  const steps = published.steps.map(({ step }) => {
    kernels.u32.set(
      halves(kernels, net.loss, rows, 1000 + 2 * step).map((h) => h % 256),
      net.tokens / 4,
    );
    kernels.u32.set(
      halves(kernels, net.loss, rows, 1001 + 2 * step).map((h) => h % 256),
      net.labels / 4,
    );
    const tensors: Record<string, string> = {};
    net.step(step, [0x5eed0000 + step, 7], optimiser, (name, at, n) => {
      tensors[name] = createHash('sha256')
        .update(kernels.u8.subarray(at, at + 4 * n))
        .digest('hex');
    });
    const loss = (kernels.u32[net.loss / 4] as number).toString(16).padStart(8, '0');
    return { loss, stateRoot: hex(stateRoot(net.state())), tensors };
  });
  return { S0, steps };
}

if (process.argv[1] === import.meta.filename) {
  const { S0, steps } = train(instantiateKernels(wasmBytes(), 16), trainingCase() as Published);
  console.log(JSON.stringify([S0, ...steps.map((step) => step.stateRoot)]));
}
