/** # Progress: what an operator reads while blocks are fetched: how far, how fast, how long still. */

/** Between two lines. */
export const TELL_EVERY_MS = 5_000;

export interface ProgressView {
  best(): number;
  /** Height of the best peer, while the node is behind it. */
  target(): number | undefined;
  peers(): number;
}

/** The line after `ms` in which the chain grew from `before` to `best`. */
export function progressLine(before: number, best: number, target: number, ms: number, peers: number): string {
  const rate = ((best - before) * 1_000) / ms;
  const left = rate > 0 ? `${duration((target - best) / rate)} left` : 'waiting for blocks';
  return `syncing: #${best} of #${target}, ${rate.toFixed(1)} blocks/s, ${peers} peers, ${left}`;
}

/** Tells every few seconds while there is something to tell; returns how to end it. */
export function tellProgress(view: ProgressView, log: (text: string) => void): () => void {
  let before = view.best();
  const timer = setInterval(() => {
    const [best, target] = [view.best(), view.target()];
    if (target !== undefined) log(progressLine(before, best, target, TELL_EVERY_MS, view.peers()));
    before = best;
  }, TELL_EVERY_MS);
  return () => clearInterval(timer);
}

function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 120) return `${s} s`;
  const minutes = Math.ceil(s / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
