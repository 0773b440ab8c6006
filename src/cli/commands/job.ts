/**
 * # job: the trained model as files that other programs load, and a look at what it writes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Bytes, fromUtf8, utf8 } from '../../base/bytes.ts';
import { TextModel } from '../../compute/engine/text-model.ts';
import { admit } from '../../compute/graph/admission.ts';
import { writeModel } from '../../compute/graph/onnx-write.ts';
import { charTransformer, DEV_TRANSFORMER } from '../../compute/models/char-transformer.ts';
import { exportSafetensors } from '../../compute/models/export.ts';
import { BlobClient } from '../../miner/blob-client.ts';
import { RpcClient } from '../../miner/rpc-client.ts';
import type { JobJson } from '../../miner/wire.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { httpUrl } from './miner.ts';

const FLAGS = {
  node: { kind: 'value', value: 'URL', help: 'ws://host:port of a node (default ws://127.0.0.1:9944)' },
  job: { kind: 'value', value: 'N', help: 'index of the job (default 0)' },
  out: { kind: 'value', value: 'DIR', help: 'pull: where the files go (default runs/job-N)' },
  prompt: { kind: 'value', value: 'TEXT', help: 'sample: what the text begins with' },
  length: { kind: 'value', value: 'N', help: 'sample: bytes to write (default 200)' },
  temperature: { kind: 'value', value: 'X', help: 'sample: 0.1 is sure of itself, 1 is as trained (default 0.8)' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

/** `maitoken job status|pull|sample`. */
export async function jobCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken job', argv, FLAGS, 1);
  const action = positionals[0];
  if (options.help || action === undefined) {
    terminal.out(usage('maitoken job status|pull|sample', 'looks at training jobs', FLAGS));
    return action === undefined && !options.help ? 2 : 0;
  }
  const url = options.node ?? 'ws://127.0.0.1:9944';
  const link = await connect(url);
  try {
    const jobs = await link.call<JobJson[]>('compute_jobs');
    if (action === 'status') return status(jobs, terminal);
    const index = integer('job', options.job, 0, 0, 1_000);
    const job = jobs.find((known) => known.index === index);
    if (!job) throw new UsageError(`--job ${index}: the chain has jobs ${jobs.map((known) => known.index).join(', ')}`);
    const blobs = new BlobClient(httpUrl(url), '');
    const theta = await blobs.getHex(job.round.theta);
    if (action === 'pull') {
      const holdout = await blobs.getHex(job.holdout);
      return await pull(job, theta, holdout, resolve(options.out ?? join('runs', `job-${index}`)), terminal);
    }
    if (action === 'sample') {
      const length = integer('length', options.length, 200, 1, 100_000);
      return await sample(
        theta,
        { prompt: options.prompt ?? '\n', length, temperature: options.temperature },
        terminal,
      );
    }
    throw new UsageError(`maitoken job: no command '${action}'; there are status, pull, sample`);
  } finally {
    link.close();
  }
}

async function connect(url: string): Promise<RpcClient> {
  httpUrl(url);
  return new Promise((done, fail) => {
    const client: RpcClient = new RpcClient(url, (connected) => {
      if (connected) done(client);
      else {
        client.close();
        fail(new UsageError(`--node ${url}: no node answers there`, 3));
      }
    });
  });
}

function status(jobs: readonly JobJson[], terminal: Terminal): number {
  for (const { index, id, round, params } of jobs) {
    const loss = round.loss === null ? 'not merged yet' : `held-out loss ${round.loss.toFixed(4)} nats/byte`;
    terminal.out(`job ${index}  ${id}  ${params} parameters  round ${round.r} ${round.phase}  ${loss}`);
  }
  return 0;
}

async function pull(job: JobJson, theta: Bytes, holdout: Bytes, out: string, terminal: Terminal): Promise<number> {
  const model = charTransformer(DEV_TRANSFORMER, theta);
  const onnx = writeModel(model);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'model.onnx'), onnx);
  writeFileSync(join(out, 'model.safetensors'), exportSafetensors(admit(model, {}).parameters, theta));
  const { B, T, V } = DEV_TRANSFORMER;
  const loss = await (await TextModel.open(onnx, { B, T, V })).loss(holdout);
  const chain = job.round.loss;
  const state = { job: job.id, round: job.round.r, theta: job.round.theta, chainLoss: chain, onnxRuntimeLoss: loss };
  writeFileSync(join(out, 'trainer_state.json'), `${JSON.stringify(state, null, 2)}\n`);
  terminal.out(`${join(out, 'model.onnx')} and model.safetensors, after ${job.round.r} rounds`);
  terminal.out(`held-out loss: ${loss.toFixed(4)} in ONNX Runtime (fp32), ${chain?.toFixed(4) ?? '-'} on chain (i7)`);
  return 0;
}

interface Sampling {
  readonly prompt: string;
  readonly length: number;
  readonly temperature: string | undefined;
}

async function sample(theta: Bytes, { prompt, length, temperature }: Sampling, terminal: Terminal): Promise<number> {
  const heat = Number(temperature ?? 0.8);
  if (!(heat > 0 && heat <= 10)) throw new UsageError(`--temperature ${temperature}: a number above 0, at most 10`);
  const shape = { ...DEV_TRANSFORMER, B: 1 };
  const model = await TextModel.open(writeModel(charTransformer(shape, theta)), shape);
  const bytes = [...utf8(prompt)];
  for await (const byte of model.continue(utf8(prompt), length, heat, Math.random)) bytes.push(byte);
  terminal.out(readable(Uint8Array.from(bytes)));
  return 0;
}

/** Text where the bytes are UTF-8; otherwise what is not ASCII is shown as a dot. */
function readable(bytes: Bytes): string {
  try {
    return fromUtf8(bytes);
  } catch {
    // A young model writes broken sequences.
    return Array.from(bytes, (byte) =>
      byte === 10 || (byte >= 32 && byte < 127) ? String.fromCharCode(byte) : '·',
    ).join('');
  }
}
