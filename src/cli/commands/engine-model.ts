/** # engine model: the built-in forward models as files, to look at, to change, and to hand back to `compile`. */
import { writeFileSync } from 'node:fs';
import { fromHex } from '../../base/bytes.ts';
import type { OnnxModel } from '../../compute/graph/onnx.ts';
import { writeModel } from '../../compute/graph/onnx-write.ts';
import { type CharTransformer, charTransformer, DEV_TRANSFORMER } from '../../compute/models/char-transformer.ts';
import { initialWeights } from '../../compute/models/initial-weights.ts';
import { mlp } from '../../compute/models/mlp.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import type { EngineOutput } from './engine.ts';

const FLAGS = {
  output: { kind: 'value', short: 'o', value: 'FILE', help: 'where to write the model (required)' },
  seed: { kind: 'value', value: 'HEX', help: 'draw initial weights from 32 bytes (default: zeros)' },
  batch: { kind: 'value', value: 'N', help: 'records of a batch (default 8)' },
  tokens: { kind: 'value', value: 'N', help: 'transformer: tokens of a record (default 64)' },
  width: { kind: 'value', value: 'N', help: 'transformer: width (default 256); its heads are 64 wide' },
  layers: { kind: 'value', value: 'N', help: 'transformer: layers (default 2)' },
  widths: { kind: 'value', value: 'A,B,..', help: 'mlp: widths from input to output (default 64,256,16)' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

const HEAD_WIDTH = 64;

/** `maitoken engine model char-transformer|mlp --output model.onnx`. */
export async function modelCommand(argv: readonly string[], io: EngineOutput): Promise<number> {
  const { options, positionals } = parseFlags('maitoken engine model', argv, FLAGS, 1);
  if (options.help) {
    io.out(usage('maitoken engine model char-transformer|mlp', 'writes a forward model as ONNX', FLAGS));
    return 0;
  }
  if (options.output === undefined) throw new UsageError('maitoken engine model: give --output FILE');
  const batch = integer('batch', options.batch, DEV_TRANSFORMER.B, 1, 65_536);
  let model: (theta?: Uint8Array) => OnnxModel;
  if (positionals[0] === 'char-transformer') {
    const config = transformerOf(options, batch);
    model = (theta) => charTransformer(config, theta);
  } else if (positionals[0] === 'mlp') {
    const widths = widthsOf(options.widths ?? '64,256,16');
    model = (theta) => mlp({ widths, B: batch }, theta);
  } else throw new UsageError('maitoken engine model: give char-transformer or mlp');
  const file = writeModel(
    model(options.seed === undefined ? undefined : initialWeights(model(), seedOf(options.seed))),
  );
  writeFileSync(options.output, file);
  io.out(`${options.output}: ${file.length} bytes`);
  return 0;
}

function transformerOf(
  options: {
    readonly tokens?: string | undefined;
    readonly width?: string | undefined;
    readonly layers?: string | undefined;
  },
  batch: number,
): CharTransformer {
  const C = integer('width', options.width, DEV_TRANSFORMER.C, HEAD_WIDTH, 4_096);
  if (C % HEAD_WIDTH !== 0) throw new UsageError(`--width ${C}: give a multiple of ${HEAD_WIDTH}`);
  return {
    ...{ V: DEV_TRANSFORMER.V, C, heads: C / HEAD_WIDTH, ffn: 4 * C, B: batch },
    T: integer('tokens', options.tokens, DEV_TRANSFORMER.T, 1, 4_096),
    L: integer('layers', options.layers, DEV_TRANSFORMER.L, 1, 64),
  };
}

function widthsOf(text: string): number[] {
  const widths = text.split(',').map(Number);
  const valid =
    widths.length >= 2 && widths.length <= 64 && widths.every((n) => Number.isInteger(n) && n >= 1 && n <= 65_536);
  if (!valid) throw new UsageError(`--widths ${text}: give two or more integers from 1 to 65536`);
  return widths;
}

/** 32 bytes of hex. */
export function seedOf(text: string): Uint8Array {
  if (!/^(0x)?[0-9a-fA-F]{64}$/.test(text)) throw new UsageError(`--seed ${text}: give 32 bytes of hex`);
  return fromHex(text);
}
