/** # Trainer thread: a trainer in a worker of its own, fed by the miner's messages and its template board. */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { installFastPaths } from '../crypto/native/install.ts';
import { FragmentStore } from './fragment-store.ts';
import type { EngineParts, JobEngine } from './job-engine.ts';
import { TemplateReader } from './template.ts';
import { Trainer } from './trainer.ts';
import type { ToTrainer } from './trainer-messages.ts';

/** Trains what the miner sends to this worker, with engines that `makeEngine` makes. */
export function serveTrainer(makeEngine: (parts: EngineParts) => JobEngine): void {
  const port = must(parentPort, 'this runs in a worker');
  const { board, dir } = workerData as { board: SharedArrayBuffer; dir: string };
  const trainer = new Trainer({
    store: new FragmentStore(dir),
    templates: new TemplateReader(board),
    tell: (message) => port.postMessage(message),
    makeEngine,
  });
  const ready = installFastPaths();
  port.on('message', (task: ToTrainer) => void ready.then(() => trainer.run(task)));
}
