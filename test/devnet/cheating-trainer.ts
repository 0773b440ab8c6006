/**
 * # Cheating trainer: a training thread whose fragments are each false in one way.
 *
 * Always true: what it commits to hashes together; only re-execution can tell. Each fragment is announced on stdout as
 * `cheat {job, r, k, cheat}`.
 */
import type { Bytes } from '../../src/base/bytes.ts';
import { toHex } from '../../src/base/bytes.ts';
import { JobEngine, type StepListener, type StepResult } from '../../src/miner/job-engine.ts';
import { serveTrainer } from '../../src/miner/trainer-thread.ts';
import type { FragmentSeed } from '../../src/primitives/fragment.ts';

const CHEATS = ['flips one bit of one weight', 'skips steps', 'uses another batch', 'publishes another delta'] as const;
/** Every segment has a step that is false: whichever is drawn shows it. */
const SEGMENT_STEPS = 5;

class CheatingEngine extends JobEngine {
  #fragments = 0;
  #last: StepResult | undefined;

  get #cheat(): (typeof CHEATS)[number] {
    return CHEATS[(this.#fragments - 1) % CHEATS.length] as (typeof CHEATS)[number];
  }

  override step(seed: FragmentSeed, t: number, dataset: Bytes, listener?: StepListener): StepResult {
    if (t === 1) {
      this.#fragments++;
      const { job, r, k } = seed;
      console.log(`cheat ${JSON.stringify({ job: toHex(job), r, k, cheat: this.#cheat })}`);
    }
    const isSecond = t % SEGMENT_STEPS === 2;
    if (this.#cheat === 'skips steps' && isSecond && this.#last) return this.#last;
    const other = this.#cheat === 'uses another batch' && isSecond;
    this.#last = super.step(seed, t, other ? dataset.toReversed() : dataset, listener);
    if (this.#cheat === 'flips one bit of one weight' && isSecond) {
      const state = this.state().slice();
      state[4_000] = (state[4_000] ?? 0) ^ 1;
      this.load(state);
    }
    return this.#last;
  }

  override deltaOf(theta: Bytes, state: Bytes): Bytes {
    const delta = super.deltaOf(theta, state);
    if (this.#cheat === 'publishes another delta') delta[delta.length - 1] = ((delta.at(-1) ?? 0) + 1) & 0x7f;
    return delta;
  }
}

serveTrainer((parts) => new CheatingEngine(parts));
