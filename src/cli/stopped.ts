/** # Stopped: when a long-running command ends: by a signal or, if asked, when its parent is gone. */
import type { Terminal } from './terminal.ts';

/** Resolves when a signal comes or, if asked, when the parent is gone. */
export function stopped(terminal: Terminal, withParent: boolean): Promise<number> {
  if (!withParent) return terminal.untilStopped();
  const orphaned = new Promise<number>((resolve) => {
    process.stdin.on('end', () => resolve(0));
    process.stdin.on('error', () => resolve(0));
    process.stdin.resume();
  });
  return Promise.race([terminal.untilStopped(), orphaned]);
}
