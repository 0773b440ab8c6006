/** # Run: the command line in this process, with what it printed. */
import { main } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command that ends by itself. */
export async function maitoken(...argv: string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal: Terminal = {
    isInteractive: false,
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    log: (level, text) => err.push(`${level} ${text}`),
    untilStopped: () => Promise.reject(new Error('this command does not end')),
  };
  const code = await main(argv, terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}
