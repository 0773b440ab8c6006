/**
 * # Text model: a byte-level language model in ONNX Runtime, for looking at what was trained.
 *
 * Always true: it runs models of our own export only, in this process; nothing of it decides anything. Models of
 * others run in a child process (onnx-runtime.ts).
 */
import * as ort from 'onnxruntime-node';
import type { Bytes } from '../../base/bytes.ts';

/** Sizes of the exported model: `tokens` int64 [B][T] -> `logits` f32 [B][T][V]. */
export interface TextShape {
  readonly B: number;
  readonly T: number;
  readonly V: number;
}

export class TextModel {
  readonly #session: ort.InferenceSession;
  readonly #shape: TextShape;

  private constructor(session: ort.InferenceSession, shape: TextShape) {
    this.#session = session;
    this.#shape = shape;
  }

  /** Loads the bytes of a model.onnx. Rejects when ONNX Runtime refuses them. */
  static async open(model: Bytes, shape: TextShape): Promise<TextModel> {
    const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'], logSeverityLevel: 3 });
    return new TextModel(session, shape);
  }

  /** Mean cross-entropy in nats per byte over records of T + 1 bytes, as many as fill whole batches. */
  async loss(records: Bytes): Promise<number> {
    const { B, T, V } = this.#shape;
    const size = T + 1;
    const batches = Math.floor(records.length / (size * B));
    let sum = 0;
    for (let batch = 0; batch < batches; batch++) {
      const rows = Array.from({ length: B }, (_, i) =>
        records.subarray((batch * B + i) * size, (batch * B + i + 1) * size),
      );
      const logits = await this.#run(rows.map((row) => row.subarray(0, T)));
      rows.forEach((row, b) => {
        for (let t = 0; t < T; t++) sum += surprise(logits, (b * T + t) * V, V, row[t + 1] as number);
      });
    }
    return sum / (batches * B * T);
  }

  /** Writes on from a prompt, byte by byte; `random` gives numbers in [0, 1). */
  async *continue(prompt: Bytes, count: number, temperature: number, random: () => number): AsyncGenerator<number> {
    const { T, V } = this.#shape;
    const text = [...prompt];
    for (let i = 0; i < count; i++) {
      const window = Uint8Array.from(text.slice(-T));
      const logits = await this.#run([window]);
      const at = (window.length - 1) * V;
      const next = draw(logits.subarray(at, at + V), temperature, random());
      text.push(next);
      yield next;
    }
  }

  async #run(rows: readonly Bytes[]): Promise<Float32Array> {
    const { B, T } = this.#shape;
    const tokens = new BigInt64Array(B * T);
    rows.forEach((row, b) => {
      row.forEach((token, t) => {
        tokens[b * T + t] = BigInt(token);
      });
    });
    const { logits } = await this.#session.run({ tokens: new ort.Tensor('int64', tokens, [B, T]) });
    return logits?.data as Float32Array;
  }
}

function surprise(logits: Float32Array, at: number, classes: number, label: number): number {
  const row = logits.subarray(at, at + classes);
  const top = row.reduce((a, b) => Math.max(a, b));
  const mass = row.reduce((sum, x) => sum + Math.exp(x - top), 0);
  return Math.log(mass) - ((row[label] as number) - top);
}

function draw(logits: Float32Array, temperature: number, u: number): number {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const weights = Array.from(logits, (x) => Math.exp((x - top) / temperature));
  let rest = u * weights.reduce((a, b) => a + b);
  for (let i = 0; i < weights.length; i++) {
    rest -= weights[i] as number;
    if (rest <= 0) return i;
  }
  return weights.length - 1;
}
