/**
 * # Log filter: which lines of a node are printed: `--log warn`, `--log rpc=off,peer=warn`.
 *
 * Always true: the target of a line is the word before its first colon or space (`rpc: …`, `peer 12D3…: …`), in lower
 * case; the last rule that names it decides, then the rule without a target, then `info`.
 */
import { UsageError } from './flags.ts';
import type { Terminal } from './terminal.ts';

/** Substrate's finer levels are taken for info: there is nothing finer here. */
const LEVELS = { off: 0, error: 1, warn: 2, info: 3, debug: 3, trace: 3 } as const;
type Level = keyof typeof LEVELS;
const RANK = { warn: LEVELS.warn, info: LEVELS.info } as const;

export type LogFilter = (level: 'info' | 'warn', text: string) => void;

/** The log of a node; `detailed` adds process, level and target to each line. Throws UsageError for a bad rule. */
export function logFilter(terminal: Terminal, rules: readonly string[], detailed: boolean): LogFilter {
  const levels = new Map<string, Level>();
  for (const rule of rules.flatMap((text) => text.split(',')).filter((text) => text !== '')) {
    const [target, level] = rule.includes('=') ? (rule.split('=', 2) as [string, string]) : ['', rule];
    if (!(level in LEVELS))
      throw new UsageError(`--log ${rule}: the level is one of ${Object.keys(LEVELS).join(', ')}`);
    levels.set(target.toLowerCase(), level as Level);
  }
  return (level, text) => {
    const target = /^[a-z0-9]+/i.exec(text)?.[0].toLowerCase() ?? '';
    const allowed = LEVELS[levels.get(target) ?? levels.get('') ?? 'info'];
    if (RANK[level] > allowed) return;
    terminal.log(level, detailed ? `[${process.pid} ${level} ${target}] ${text}` : text);
  };
}
