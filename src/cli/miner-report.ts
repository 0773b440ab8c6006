/**
 * # Miner report: what a miner's owner sees: a summary every minute and a line for what matters; JSON lines elsewhere.
 *
 * Always true: the state is one word, and the time of the last accepted fragment is always shown.
 */
import type { MinerEvent, MinerState } from '../miner/miner.ts';
import type { Terminal } from './terminal.ts';

const SUMMARY_MS = 60_000;
/** Windows of the rate, in seconds. */
const WINDOWS = [10, 60, 900] as const;

interface Sample {
  readonly at: number;
  readonly macs: number;
}

export class MinerReport {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #url: string;
  readonly #timer: NodeJS.Timeout;
  #state: MinerState = 'CONNECTING';
  #best = 0;
  #finalized = 0;
  #samples: Sample[] = [];
  #accepted = 0;
  #rejected = 0;
  #expired = 0;
  #blocks = 0;
  #lastAccepted: number | undefined;
  #loss: number | undefined;
  #lastTold = 0;

  constructor(terminal: Terminal, json: boolean, url: string) {
    this.#terminal = terminal;
    this.#json = json || !terminal.isInteractive;
    this.#url = url;
    this.#timer = setInterval(() => this.#summary(), SUMMARY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  note(text: string): void {
    this.#line('note', { text }, text);
  }

  hear(event: MinerEvent): void {
    switch (event.type) {
      case 'state':
        this.#state = event.state;
        this.#line('state', { state: event.state, why: event.why }, `${event.state} ${event.why}`);
        return;
      case 'best':
        this.#best = event.best.number;
        this.#finalized = event.best.finalized;
        return;
      case 'training': {
        const { fragment, from } = event;
        const name = `${fragment.job.slice(2, 8)}/${fragment.r}/${fragment.k}`;
        const what = {
          fragment: fragment.id,
          job: fragment.job,
          r: fragment.r,
          k: fragment.k,
          overflow: fragment.overflow,
          from,
        };
        this.#line('training', what, `fragment ${name} from step ${from}${fragment.overflow ? ' (overflow)' : ''}`);
        return;
      }
      case 'step':
        this.#step(event);
        return;
      case 'ticket':
        if (event.outcome === 'block') this.#blocks++;
        this.#line(
          'ticket',
          { outcome: event.outcome, detail: event.detail },
          `ticket   ${event.outcome} ${event.detail}`,
        );
        return;
      case 'sent':
        this.#line(
          'sent',
          { call: event.call, fragment: event.fragment, outcome: event.outcome },
          `${event.call} ${event.outcome}`,
        );
        return;
      case 'verdict':
        this.#verdict(event.fragment.status, event.fragment.id);
        return;
      case 'fault':
        this.#line('fault', { detail: event.detail }, `fault: ${event.detail}`);
        return;
    }
  }

  #step(event: MinerEvent & { type: 'step' }): void {
    const now = Date.now();
    this.#samples.push({ at: now, macs: event.macs });
    const oldest = now - 1000 * (WINDOWS.at(-1) as number);
    while (this.#samples.length > 0 && (this.#samples[0] as Sample).at < oldest) this.#samples.shift();
    this.#loss = event.loss;
    // JSON lines are read by programs: one step in ten tells enough.
    if (this.#json && now - this.#lastTold > 2_000) {
      this.#lastTold = now;
      this.#line('step', { fragment: event.fragment, step: event.step, loss: event.loss, gmacs: this.#rate(10) }, '');
    }
  }

  #verdict(status: string, id: string): void {
    if (status === 'Accepted') {
      this.#accepted++;
      this.#lastAccepted = Date.now();
    } else if (status === 'Rejected') this.#rejected++;
    else this.#expired++;
    this.#line('verdict', { fragment: id, status }, `fragment ${id.slice(0, 10)} ${status.toLowerCase()}`);
  }

  /** GMAC/s over the last seconds. */
  #rate(seconds: number): number {
    const since = Date.now() - 1000 * seconds;
    const macs = this.#samples.filter((s) => s.at >= since).reduce((sum, s) => sum + s.macs, 0);
    return Math.round(macs / seconds / 1e8) / 10;
  }

  #summary(): void {
    const ago =
      this.#lastAccepted === undefined ? 'none yet' : `${Math.round((Date.now() - this.#lastAccepted) / 1000)} s ago`;
    const rates = WINDOWS.map((seconds) => this.#rate(seconds));
    const counts = { accepted: this.#accepted, expired: this.#expired, rejected: this.#rejected, blocks: this.#blocks };
    if (this.#json) {
      const summary = {
        state: this.#state,
        best: this.#best,
        finalized: this.#finalized,
        gmacs: rates,
        ...counts,
        lastAccepted: ago,
      };
      this.#line('summary', summary, '');
      return;
    }
    const loss = this.#loss === undefined ? '-' : this.#loss.toFixed(3);
    this.#terminal.out(` * NODE      ${this.#url}  best #${this.#best} fin #${this.#finalized}   ${this.#state}`);
    this.#terminal.out(` * GMAC/s 10s/60s/15m  ${rates.map((r) => r.toFixed(1)).join('  ')}   loss ${loss}`);
    const fragments = `${counts.accepted}/${counts.expired}/${counts.rejected}`;
    this.#terminal.out(` * fragments ok/late/bad ${fragments}  blocks ${counts.blocks}  last accepted ${ago}`);
  }

  #line(type: string, data: Readonly<Record<string, unknown>>, text: string): void {
    if (this.#json) this.#terminal.out(JSON.stringify({ at: Date.now(), type, ...data }));
    else if (text !== '') this.#terminal.out(` [${new Date().toTimeString().slice(0, 8)}] ${text}`);
  }
}
