/**
 * # Flags: each option of a command declared once, with its help; an unknown or malformed one ends in one clear line.
 */
import { parseArgs } from 'node:util';

/** A fault of the command line or of the surroundings that the operator can mend: one line, exit code `code`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code: number;
  constructor(message: string, code = 2) {
    super(message);
    this.code = code;
  }
}

export interface Flag {
  readonly kind: 'flag' | 'value' | 'list';
  readonly short?: string;
  /** Shown in --help as the value's name, e.g. PORT. */
  readonly value?: string;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;
type Parsed<F extends Flags> = {
  readonly [K in keyof F]: F[K]['kind'] extends 'flag'
    ? boolean
    : F[K]['kind'] extends 'list'
      ? readonly string[]
      : string | undefined;
};

/** Parses argv by the table; positionals beyond `maxPositionals` are refused by name. */
export function parseFlags<F extends Flags>(
  command: string,
  argv: readonly string[],
  flags: F,
  maxPositionals = 0,
): { readonly options: Parsed<F>; readonly positionals: readonly string[] } {
  const options: Record<string, { type: 'boolean' | 'string'; multiple?: boolean; short?: string }> = {};
  for (const [name, flag] of Object.entries(flags)) {
    options[name] = {
      type: flag.kind === 'flag' ? 'boolean' : 'string',
      ...(flag.kind === 'list' ? { multiple: true } : {}),
      ...(flag.short ? { short: flag.short } : {}),
    };
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    const args = maxPositionals === 0 ? spread(argv, flags) : [...argv];
    parsed = parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const first = (error as Error).message.split('. ')[0] ?? 'bad options';
    throw new UsageError(`${command}: ${first}; see ${command} --help`);
  }
  if (parsed.positionals.length > maxPositionals) {
    throw new UsageError(
      `${command}: unexpected argument '${parsed.positionals[maxPositionals]}'; see ${command} --help`,
    );
  }
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) {
    values[name] = parsed.values[name] ?? (flag.kind === 'flag' ? false : flag.kind === 'list' ? [] : undefined);
  }
  return { options: values as Parsed<F>, positionals: parsed.positionals };
}

/** Substrate's lists take several values after one flag (`--bootnodes A B`): each gets a flag of its own. */
function spread(argv: readonly string[], flags: Flags): string[] {
  const out: string[] = [];
  let list: string | undefined;
  let values = 0;
  for (const word of argv) {
    if (word.startsWith('-')) {
      const isList = flags[word.slice(2)]?.kind === 'list';
      list = isList ? word : undefined;
      values = 0;
    } else if (list !== undefined && values++ > 0) {
      out.push(list);
    }
    out.push(word);
  }
  return out;
}

/** The text of --help. */
export function usage(command: string, summary: string, flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const short = flag.short ? `-${flag.short}, ` : '    ';
    return [`  ${short}--${name}${flag.value ? ` <${flag.value}>` : ''}`, flag.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [`${command}: ${summary}`, '', ...rows.map(([left, help]) => left.padEnd(width) + help)].join('\n');
}

/** An integer option within bounds, or the default when absent. */
export function integer(name: string, text: string | undefined, fallback: number, low: number, high: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new UsageError(`--${name} ${text}: give an integer from ${low} to ${high}`);
  }
  return value;
}
