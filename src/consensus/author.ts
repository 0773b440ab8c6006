/**
 * # Author: templates for miners, and complete blocks of what they find.
 *
 * Always true: a template does not depend on who mines it; a block leaves here only with a ticket that reached the
 * template's difficulty, checked as every importer will check it: no timer seals a block, ever. At most MAX_TEMPLATES
 * templates are kept, and none is built while nobody mines; one at a time is in work, and a step does PIECES of it.
 */
import { assert, must } from '../base/assert.ts';
import { type Bytes, equal } from '../base/bytes.ts';
import { advance, type Work } from '../base/work.ts';
import { Header, headerHash } from '../primitives/header.ts';
import { type PowPreRuntime, type PowSeal, preHash, withPreRuntime, withSeal } from '../primitives/pow.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { BlockError } from './block-error.ts';
import { childDifficulty, type Millis } from './difficulty.ts';
import { filling, type Ready } from './fill.ts';
import type { Execution, ReceivedBlock } from './import.ts';
import { parentBlock } from './meta.ts';
import type { ConsensusRules } from './rules.ts';
import { checkSeal } from './seal.ts';

/** 16 s of refreshes: a miner that is slower than that works on a block that has probably been found. */
export const MAX_TEMPLATES = 16;
export const REFRESH_MS = 1_000;
/** Templates whose execution is kept, up to 2 MiB each: a block found on an older one is executed once more. */
const MAX_EXECUTIONS = 2;
/** Sooner than that when an extrinsic came: a claim that misses a block costs its miner a block's time. */
export const SOON_MS = 250;
/** A template of more extrinsics is dear to make anew: under load it waits for its second. */
const FEW = 64;
/** A step does as much, an extrinsic or so each: a template of a few is there at once, a full one after a hundred. */
const PIECES = 16;

/** What miners work on. */
export interface Template {
  /** Rises by one with each template of this process. */
  readonly id: number;
  readonly parent: BlockRef;
  /** Without `pow_` items: the miner appends his PreRuntime and computes the preHash. */
  readonly header: Header;
  readonly difficulty: bigint;
  readonly timestamp: Millis;
  readonly extrinsics: readonly Bytes[];
}

/** What a miner found. */
export interface Submission {
  readonly templateId: number;
  readonly preRuntime: PowPreRuntime;
  readonly seal: PowSeal;
  readonly opening: Bytes;
}

/** Why a submission makes no block. In each case the miner takes the newest template and goes on. */
export type SubmitError =
  /** The chain has moved on: `best` is the block to build on. */
  | { readonly code: 'StaleTemplate'; readonly best: BlockRef }
  /** No template of this number is kept. */
  | { readonly code: 'UnknownTemplate'; readonly best: BlockRef }
  /** The ticket is refused: `error` says by which check. */
  | { readonly code: 'BadTicket'; readonly error: BlockError };

export interface AuthorParts {
  readonly rules: ConsensusRules;
  readonly store: ChainStore;
  /** What may go into a block, best first; how it stands when the first is asked for. */
  ready(): Ready;
}

export type AuthorInput =
  /** How many miners listen; without any no template is built. */
  | { readonly type: 'miners'; readonly count: number }
  | { readonly type: 'head' }
  /** The pool took something. */
  | { readonly type: 'ready' }
  | { readonly type: 'tick' }
  | { readonly type: 'submit'; readonly request: number; readonly submission: Submission };

export type AuthorEffect =
  /** The newest template, for all miners; `replaces` is true when its parent is another block than before. */
  | { readonly type: 'template'; readonly template: Template; readonly replaces: boolean }
  | {
      readonly type: 'answer';
      readonly request: number;
      readonly outcome: { readonly hash: Bytes; readonly number: number } | { readonly error: SubmitError };
    }
  /** A complete block: to be imported like any other. */
  | { readonly type: 'block'; readonly block: ReceivedBlock }
  /** Extrinsics that turned out invalid on the best block: for the pool to look at again. */
  | { readonly type: 'invalid'; readonly hashes: readonly Bytes[] };

interface Built {
  readonly template: Template;
  readonly invalid: readonly Bytes[];
  readonly execution: Execution;
}

export class Author {
  private readonly parts: AuthorParts;
  private readonly templates = new Map<number, Template>();
  /** What the newest templates on the best block changed, by their numbers. */
  private readonly executions = new Map<number, Execution>();
  private newest: Template | undefined;
  /** The template in work, on this parent. */
  private current: { readonly parent: Bytes; readonly work: Work<Built> } | undefined;
  private miners = 0;
  private nextId = 1;
  private refreshAt: Millis = 0;
  private soonAt: Millis = 0;
  private out: AuthorEffect[] = [];

  constructor(parts: AuthorParts) {
    this.parts = parts;
  }

  /** The template that miners should work on now; undefined while there are no miners. */
  template(): Template | undefined {
    return this.newest;
  }

  /** When a step is due even if nothing comes in; 0 is at once. */
  wakeAt(): Millis | undefined {
    if (this.current !== undefined) return 0;
    return this.miners > 0 ? this.refreshAt : undefined;
  }

  /** `wall`: what blocks say; where it is not `now`, people may set it, and nothing that waits hangs on it. */
  step(now: Millis, input: AuthorInput, wall = now): readonly AuthorEffect[] {
    this.out = [];
    // In a chain of slots there is no block to win, however many mine for certificates.
    if (input.type === 'miners') this.miners = this.parts.rules.slots ? 0 : input.count;
    if (input.type === 'submit') this.submit(input.request, input.submission);
    else if (this.miners === 0) this.rest();
    else if (input.type === 'ready') this.hasten(now);
    else this.refresh(now, input.type === 'head', wall);
    return this.out;
  }

  private rest(): void {
    this.newest = undefined;
    this.current = undefined;
    this.executions.clear();
  }

  private hasten(now: Millis): void {
    const isCheap = this.newest !== undefined && this.newest.extrinsics.length <= FEW;
    if (isCheap) this.refreshAt = Math.min(this.refreshAt, Math.max(now, this.soonAt));
  }

  /** Goes on with the template in work, or begins one where it is time. */
  private refresh(now: Millis, isNewHead: boolean, wall: Millis): void {
    const parent = this.parts.store.best.hash;
    // What stands on a block that is not the best any more is worth nothing.
    if (this.current !== undefined && !equal(this.current.parent, parent)) this.current = undefined;
    if (this.current === undefined && !isNewHead && now < this.refreshAt && this.newest !== undefined) return;
    this.current ??= { parent, work: this.build(wall) };
    const { done, value } = advance(this.current.work, PIECES);
    if (!done) return;
    this.current = undefined;
    this.publish(now, value);
  }

  private publish(now: Millis, { template, invalid, execution }: Built): void {
    this.refreshAt = now + REFRESH_MS;
    this.soonAt = now + SOON_MS;
    const replaces = this.newest === undefined || !equal(this.newest.parent.hash, template.parent.hash);
    this.newest = template;
    if (replaces) this.executions.clear();
    keep(this.templates, template.id, template, MAX_TEMPLATES);
    keep(this.executions, template.id, execution, MAX_EXECUTIONS);
    this.out.push({ type: 'template', template, replaces });
    if (invalid.length > 0) this.out.push({ type: 'invalid', hashes: invalid });
  }

  private *build(wall: Millis): Work<Built> {
    const { rules, store } = this.parts;
    const parent = parentBlock(store, store.best.hash);
    const timestamp = Math.max(wall, parent.timestamp + 1);
    const view = must(store.view(parent.hash), 'the best block has its state');
    const builder = rules.runtime.builder(view, parent.info, BigInt(timestamp));
    const invalid = yield* filling(builder, this.parts.ready());
    const { header, extrinsics, changes, tree } = yield* builder.finishing();
    assert(header.number === parent.number + 1, 'a template continues the best block');
    const template: Template = {
      id: this.nextId++,
      parent: { hash: parent.hash, number: parent.number },
      header,
      difficulty: childDifficulty(rules.difficulty, parent, timestamp).difficulty,
      timestamp,
      extrinsics,
    };
    return { template, invalid, execution: { changes, tree } };
  }

  private submit(request: number, submission: Submission): void {
    const built = this.complete(submission);
    if ('error' in built) {
      this.out.push({ type: 'answer', request, outcome: { error: built.error } });
      return;
    }
    const { block, hash, number } = built;
    this.out.push({ type: 'answer', request, outcome: { hash, number } }, { type: 'block', block });
  }

  private complete(
    submission: Submission,
  ):
    | { readonly block: ReceivedBlock; readonly hash: Bytes; readonly number: number }
    | { readonly error: SubmitError } {
    const { rules, store } = this.parts;
    const { best } = store;
    const template = this.templates.get(submission.templateId);
    if (template === undefined) return { error: { code: 'UnknownTemplate', best } };
    if (!equal(template.parent.hash, best.hash)) return { error: { code: 'StaleTemplate', best } };
    const { preRuntime, seal, opening } = submission;
    const unsealed = withPreRuntime(template.header, preRuntime);
    const view = must(store.view(template.parent.hash), 'the best block has its state');
    const sealed = { preRuntime, seal, preHash: preHash(unsealed) };
    const checked = checkSeal(rules, view, sealed, opening, template.difficulty);
    if (!checked.ok) return { error: { code: 'BadTicket', error: checked.error } };
    const header = withSeal(unsealed, seal);
    const bytes = Header.enc(header);
    const execution = this.executions.get(template.id);
    const origin = { type: 'own', ...(execution === undefined ? {} : { execution }) } as const;
    return {
      block: { header: bytes, opening, extrinsics: template.extrinsics, origin },
      hash: headerHash(header),
      number: header.number,
    };
  }
}

/** Adds to a map of at most `most`: the oldest goes. */
function keep<T>(map: Map<number, T>, id: number, value: T, most: number): void {
  map.set(id, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
