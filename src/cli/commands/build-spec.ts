/** # build-spec: a chain spec as a file: human-readable or raw, as it ships or with its jobs computed anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { toHex } from '../../base/bytes.ts';
import { type ChainSpec, encodeSpec, runtimeSpec } from '../../node/chain-spec.ts';
import { genesisEntries } from '../../node/genesis.ts';
import { publicJobs } from '../../node/job-assets.ts';
import { referee } from '../../node/referee.ts';
import { SIGNATURES } from '../../runtime/host.ts';
import { PALLETS } from '../../runtime/pallets/index.ts';
import { createRuntime } from '../../runtime/runtime.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import { loadSpec } from '../spec-source.ts';
import type { Terminal } from '../terminal.ts';

const FLAGS = {
  dev: { kind: 'flag', help: 'the same as --chain dev' },
  chain: { kind: 'value', value: 'ID|FILE', help: 'dev, local, or a spec file (default local)' },
  raw: { kind: 'flag', help: 'the storage itself instead of what it is made from' },
  recompute: { kind: 'flag', help: 'compile the jobs and pack the corpus anew, as for a new version of the spec' },
  data: { kind: 'value', value: 'FILE', help: 'text to train on instead of the corpus that ships' },
  'disable-default-bootnode': { kind: 'flag', help: 'accepted: no bootnode is added by itself' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

/** `maitoken build-spec`. Prints the spec. */
export async function buildSpecCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken build-spec', argv, FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken build-spec', 'prints a chain spec', FLAGS));
    return 0;
  }
  const loaded = loadSpec(options.chain ?? (options.dev ? 'dev' : 'local'), options.data);
  const spec = options.recompute ? recomputed(loaded, options.data) : loaded;
  terminal.out(encodeSpec(options.raw ? rawForm(spec) : spec).trimEnd());
  return 0;
}

const EXPORT_FLAGS = {
  chain: FLAGS.chain,
  dev: FLAGS.dev,
  raw: FLAGS.raw,
  output: { kind: 'value', value: 'FILE', help: 'where to write it (default: standard output)' },
  help: FLAGS.help,
} as const;

/** `maitoken export-chain-spec`: what build-spec prints, as newer Substrate nodes ask for it. */
export async function exportChainSpecCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken export-chain-spec', argv, EXPORT_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken export-chain-spec', 'writes a chain spec', EXPORT_FLAGS));
    return 0;
  }
  const spec = loadSpec(options.chain ?? (options.dev ? 'dev' : 'local'));
  const text = encodeSpec(options.raw ? rawForm(spec) : spec);
  const { output } = options;
  if (output === undefined) {
    terminal.out(text.trimEnd());
    return 0;
  }
  try {
    writeFileSync(output, text);
  } catch (error) {
    throw new UsageError(`--output ${output}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
  return 0;
}

/** The spec with jobs and kernels as this source tree makes them. */
export function recomputed(spec: ChainSpec, data?: string): ChainSpec {
  if (!('runtimeGenesis' in spec.genesis)) return spec;
  const { patch } = spec.genesis.runtimeGenesis;
  const { profile } = spec.consensus;
  const count = patch.jobs.publicJobs.length;
  const jobs = { ...patch.jobs, publicJobs: publicJobs(data, profile).slice(0, count === 0 ? undefined : count) };
  return {
    ...spec,
    consensus: { ...spec.consensus, kernels: kernelsHash() },
    genesis: { runtimeGenesis: { patch: { ...patch, jobs } } },
  };
}

function rawForm(spec: ChainSpec): ChainSpec {
  const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(spec), host: { ...SIGNATURES, referee } });
  const entries = genesisEntries(spec, runtime).map(([key, value]) => [toHex(key), toHex(value)] as const);
  const top = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...spec, genesis: { raw: { top, childrenDefault: {} } } };
}

/** SHA-256 of the kernels as the tree pins it. */
function kernelsHash(): string {
  const pinned = readFileSync(new URL('../../compute/kernels/kernels.sha256', import.meta.url), 'utf8');
  return `0x${pinned.slice(0, 64)}`;
}
