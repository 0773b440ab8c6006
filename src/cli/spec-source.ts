/** # Spec source: a chain spec by a name that ships or by file; `--data` replaces the text to train on. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ChainSpec, parseChainSpec } from '../node/chain-spec.ts';
import { withData } from '../node/job-assets.ts';
import { UsageError } from './flags.ts';

const SHIPPED = ['dev', 'local'];

/** The spec that `--chain` names. Throws ChainSpecError or UsageError. */
export function loadSpec(source: string, data?: string): ChainSpec {
  const spec = parseChainSpec(specText(source), source);
  return data === undefined ? spec : withData(spec, data);
}

/** The text of a spec by name or file. */
export function specText(source: string): string {
  const path = SHIPPED.includes(source)
    ? fileURLToPath(new URL(`../../genesis/${source}.json`, import.meta.url))
    : source;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--chain ${source}: cannot be read (${code}); give ${SHIPPED.join(', ')} or a spec file`);
  }
}
