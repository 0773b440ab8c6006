/** # Trainer worker: what a miner's training thread runs. */
import { JobEngine } from './job-engine.ts';
import { serveTrainer } from './trainer-thread.ts';

serveTrainer((parts) => new JobEngine(parts));
