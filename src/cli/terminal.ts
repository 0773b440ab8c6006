/** # Terminal: the only place that prints and that hears signals. Lines of a log are stamped. */

export interface Terminal {
  /** Whether a person watches: then progress may be drawn; otherwise plain lines. */
  readonly isInteractive: boolean;
  out(line: string): void;
  err(line: string): void;
  log(level: 'info' | 'warn', text: string): void;
  /** Resolves with the exit code when the process is asked to stop (SIGINT, SIGTERM): 0, as that is no fault. */
  untilStopped(): Promise<number>;
}

/** The process's own terminal. */
export function processTerminal(): Terminal {
  return {
    isInteractive: process.stdout.isTTY === true,
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    log: (level, text) => {
      const time = new Date().toISOString().slice(11, 23);
      process.stderr.write(`${time} ${level === 'warn' ? 'WARN ' : ''}${text}\n`);
    },
    untilStopped: () =>
      new Promise((resolve) => {
        const stop = (): void => resolve(0);
        // Asked twice (by the terminal and by who started us), it is still one stop, and a clean one.
        process.on('SIGINT', stop);
        process.on('SIGTERM', stop);
      }),
  };
}
