/**
 * # Drive: the one loop that performs what the machines want done.
 *
 * Always true: machines are stepped on this thread, one input at a time; their effects are performed in order; what
 * takes time (network, disk) comes back as another input. Any fault of the disk stops the node: it does not carry on.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import type { DoubleProof } from '../consensus/accusation.ts';
import type { Author, Submission } from '../consensus/author.ts';
import type { Chain, ChainEffect, ChainInput, RouteBlock } from '../consensus/chain.ts';
import type { Millis } from '../consensus/difficulty.ts';
import type { Evidence } from '../consensus/evidence.ts';
import type { ReceivedBlock } from '../consensus/import.ts';
import type { SlotsAuthor } from '../consensus/slots-author.ts';
import { blake2_256 } from '../crypto/hash.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import type { Network, Topic, Verdict } from '../p2p/network.ts';
import { POOL_FAULTS } from '../pool/errors.ts';
import type { Pool, PoolEffect, PoolInput } from '../pool/pool.ts';
import type { ChainEvent } from '../rpc/backend.ts';
import type { DurableStore } from '../state/store.ts';
import { Announcement, announcementOf, TransactionsBatch } from '../sync/messages.ts';
import { SYNC_FAULTS } from '../sync/peers.ts';
import type { Sync, SyncEffect, SyncInput } from '../sync/sync.ts';
import type { Ahead } from './ahead.ts';
import { AuthorLink, SLICE_MS, type TicketAnswer } from './author-link.ts';
import { ClockWatch } from './clock-watch.ts';
import { CLOCKS, type Clocks } from './clocks.ts';
import type { FinalityLink } from './finality-link.ts';
import { passOn } from './pass-on.ts';
import { SlotsLink } from './slots-link.ts';
import { ask } from './sync-link.ts';

export interface DriveParts {
  readonly store: DurableStore;
  readonly chain: Chain;
  readonly author: Author;
  /** Where this node takes turns at authoring. */
  readonly slots?: SlotsAuthor | undefined;
  /** What is known against who voted or sealed twice. */
  readonly evidence?: Evidence | undefined;
  readonly pool: Pool;
  readonly sync: Sync;
  readonly network: Network;
  readonly finality: FinalityLink;
  /** Where other threads verify signatures. */
  readonly ahead?: Ahead | undefined;
  /** The machine's where absent. */
  readonly clocks?: Clocks;
  /** Counts what passes; absent where nobody looks. */
  readonly meter?: NodeMetrics | undefined;
  readonly log: (level: 'info' | 'warn', text: string) => void;
  /** The disk failed, or a machine found itself broken: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** Why no blocks are made here. */
export type Hindrance = 'disk' | 'clock';

export class Drive {
  readonly #parts: DriveParts;
  readonly #listeners = new Set<(event: ChainEvent) => void>();
  readonly #answers = new Map<number, (effect: Extract<PoolEffect, { type: 'answer' }>) => void>();
  readonly #watches = new Map<string, (effect: Extract<PoolEffect, { type: 'notice' }>) => void>();
  /** Gossiped blocks whose verdict is being found; bounded by the announcements that sync keeps. */
  readonly #verdicts = new Map<string, (verdict: 'accept' | 'ignore' | 'reject') => void>();
  /** Peers' blocks in the order that sync handed them over; it bounds them. */
  readonly #imports: ReceivedBlock[] = [];
  #isImporting = false;
  /** What the block in work has taken so far. */
  #importMs = 0;
  #request = 0;
  #message = 0;
  #chainTimer: NodeJS.Timeout | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  readonly #author: AuthorLink;
  readonly #slots: SlotsLink | undefined;
  readonly #clocks: Clocks;
  readonly #clockWatch: ClockWatch;
  /** Why no blocks are made here. */
  readonly #hindrances = new Set<Hindrance>();
  #stopped = false;

  constructor(parts: DriveParts) {
    this.#parts = parts;
    const { author, slots, store, sync, meter, log, onFatal, clocks = CLOCKS } = parts;
    this.#clocks = clocks;
    const isSyncing = () => sync.isSyncing();
    const made = {
      import: (block: ReceivedBlock) => this.#chain({ type: 'block', block }),
      invalid: (hashes: readonly Bytes[]) => this.#pool({ type: 'invalid', hashes }),
    };
    const guard = (work: () => void) => this.#guard(work);
    const onTemplate = () => this.#tell({ type: 'template' });
    this.#author = new AuthorLink({ author, store, clocks, meter, isSyncing, guard, onTemplate, ...made });
    const mayAuthor = () => this.#author.mayAuthor && !isSyncing();
    this.#slots = slots && new SlotsLink({ slots, store, clocks, onFatal, mayAuthor, ...made });
    this.#clockWatch = new ClockWatch({
      clocks,
      log,
      onSet: () => this.#clockSet(),
      setAuthoring: (may) => this.setAuthoring(may, 'clock'),
    });
  }

  start(): void {
    const { network } = this.#parts;
    network.onGossip((topic, data, from) => this.#gossip(topic, data, from));
    network.onPeer(({ type, peer }) => {
      this.#sync({ type, peer });
      if (type === 'connected') this.#passOnPool(peer);
      else this.#clockWatch.left(peer);
    });
    network.handle('transactions', async (payload, from) => this.#passedOn(payload, from));
    network.handle('finality', async (payload, from) => {
      this.#chain({ type: 'finality', peer: from, message: payload });
      return new Uint8Array(0);
    });
    // A node that warped has peers already.
    for (const { id } of network.peers()) {
      this.#sync({ type: 'connected', peer: id });
      this.#passOnPool(id);
    }
    this.#sync({ type: 'tick' });
    this.#chain({ type: 'tick' });
    this.#slots?.start();
    this.#clockWatch.start();
  }

  /** After this no machine is stepped any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#chainTimer);
    clearTimeout(this.#syncTimer);
    this.#author.stop();
    this.#slots?.stop();
    this.#clockWatch.stop();
  }

  onEvent(listener: (event: ChainEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives an extrinsic to the pool; `watch` hears what happens to it. */
  submit(extrinsic: Bytes, watch?: { name: string; hear: (effect: Extract<PoolEffect, { type: 'notice' }>) => void }) {
    const request = ++this.#request;
    return new Promise<Extract<PoolEffect, { type: 'answer' }>['outcome']>((resolve) => {
      this.#answers.set(request, (effect) => resolve(effect.outcome));
      if (watch) this.#watches.set(watch.name, watch.hear);
      this.#pool({ type: 'submit', request, extrinsic, ...(watch ? { watch: watch.name } : {}) });
    });
  }

  unwatch(name: string): void {
    if (this.#watches.delete(name)) this.#pool({ type: 'unwatch', watch: name });
  }

  /** Miners that listen. */
  get miners(): number {
    return this.#author.miners;
  }

  /** A miner listens; until the returned function is called, templates are built. */
  addMiner(): () => void {
    return this.#author.addMiner();
  }

  /** Whether there is this reason to make no blocks here: no room for them, or a clock that others do not believe. */
  setAuthoring(may: boolean, why: Hindrance): void {
    if (may) this.#hindrances.delete(why);
    else this.#hindrances.add(why);
    this.#author.setAuthoring(this.#hindrances.size === 0);
  }

  /** How far peers' clocks are ahead of this node's, in milliseconds; undefined where too few are known. */
  get clockSkew(): Millis | undefined {
    return this.#clockWatch.skew;
  }

  /** Gives a ticket to the author machine; the block that it seals is imported like any other. */
  submitTicket(submission: Submission): Promise<TicketAnswer> {
    return this.#author.submitTicket(submission);
  }

  #tell(event: ChainEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #guard(work: () => void): void {
    if (this.#stopped) return;
    try {
      work();
    } catch (error) {
      // A machine never throws for what a peer sent: this is a bug or a broken disk.
      this.#fail(error);
    }
  }

  /** Stops at once: what came after a failed write would be told and voted, and be gone at the next start. */
  #fail(error: unknown): void {
    this.stop();
    this.#parts.onFatal(error);
  }

  // ---- chain

  #chain(input: ChainInput): void {
    this.#guard(() => {
      const start = performance.now();
      const effects = this.#parts.chain.step(this.#clocks.steady(), input, this.#clocks.wall());
      this.#importMs += performance.now() - start;
      this.#meterChain(input, effects);
      for (const effect of effects) this.#performChain(effect);
      this.#wakeChain();
    });
  }

  #meterChain(input: ChainInput, effects: readonly ChainEffect[]): void {
    const { meter, chain } = this.#parts;
    if (input.type === 'block') meter?.blockReceived();
    for (const effect of effects) {
      if (effect.type === 'refused') meter?.blockAnswered('refused');
      if (effect.type !== 'imported') continue;
      meter?.blockAnswered(effect.isNew ? 'success' : 'known');
      if (effect.isNew) meter?.imported(this.#importMs / 1_000);
      this.#importMs = 0;
    }
    if (chain.wakeAt() !== 0) this.#importMs = 0;
  }

  #wakeChain(): void {
    clearTimeout(this.#chainTimer);
    const at = this.#parts.chain.wakeAt();
    if (at === undefined || this.#stopped) return;
    if (at === 0) this.#importSoon();
    else this.#chainTimer = setTimeout(() => this.#chain({ type: 'tick' }), Math.max(0, at - this.#clocks.steady()));
  }

  /** What waits for a time of the wall's clock looks again. */
  #clockSet(): void {
    this.#chain({ type: 'tick' });
    this.#author.step({ type: 'tick' });
    this.#slots?.step('tick');
  }

  /** Some of a block each time the event loop goes round: in one piece a full one makes readers wait 1 s (row G16). */
  #importSoon(): void {
    const { ahead, chain } = this.#parts;
    if (this.#isImporting || this.#stopped || (this.#imports.length === 0 && chain.wakeAt() !== 0)) return;
    this.#isImporting = true;
    setImmediate(() => {
      ahead?.blocks(this.#imports);
      const end = performance.now() + SLICE_MS;
      const block = chain.wakeAt() === 0 ? undefined : this.#imports.shift();
      this.#chain(block ? { type: 'block', block } : { type: 'tick' });
      while (chain.wakeAt() === 0 && performance.now() < end) this.#chain({ type: 'tick' });
      this.#isImporting = false;
      this.#importSoon();
    });
  }

  #performChain(effect: ChainEffect): void {
    const { store, log } = this.#parts;
    switch (effect.type) {
      case 'flush':
        store.flush(effect.sync).catch((error) => this.#fail(error));
        return;
      case 'imported':
        if (effect.isNew) this.#tell({ type: 'imported', block: effect });
        this.#sync({ type: 'imported', hash: effect.hash });
        return;
      case 'refused': {
        const { code, data } = effect.error;
        if (effect.blame !== 'nobody') log('warn', `block ${toHex(effect.hash)} refused: ${code} ${data ?? ''}`);
        // Sync knows who sent header and body, and reports the one to blame.
        this.#sync({ type: 'refused', hash: effect.hash, blame: effect.blame });
        return;
      }
      case 'sealedTwice':
      case 'equivocation':
        this.#accuse(effect.proof);
        return;
      case 'announce': {
        const { header, opening, extrinsics } = effect.block;
        this.#publish('blocks', Announcement.enc(announcementOf(header, opening, extrinsics)));
        return;
      }
      case 'head':
        this.#headMoved(effect.retracted, effect.enacted);
        return;
      case 'finalized':
        this.#pool({ type: 'finalized', blocks: effect.blocks.map((block) => block.hash) });
        this.#tell({ type: 'finalized', blocks: effect.blocks, justification: effect.justification });
        return;
      case 'wanted':
      case 'proven':
        this.#sync({ type: effect.type, peer: effect.peer });
        return;
      case 'missing':
        this.#sync({ type: 'missing', ...effect.block, peer: effect.peer });
        return;
      case 'held':
        log('info', `block ${toHex(effect.hash)} is held until its time`);
        return;
      default:
        this.#parts.finality.perform(effect, (extrinsic) => this.submit(extrinsic));
        return;
    }
  }

  #headMoved(retracted: readonly RouteBlock[], enacted: readonly RouteBlock[]): void {
    this.#pool({ type: 'head', retracted, enacted });
    // The first extrinsic of a block sets its time and was in nobody's pool.
    this.#parts.meter?.pruned(enacted.reduce((sum, { extrinsics }) => sum + extrinsics.length - 1, 0));
    if (retracted.length > 0) this.#parts.log('info', `reorganised: ${retracted.length} blocks left the chain`);
    this.#report(this.#parts.evidence?.due());
    this.#tell({ type: 'head', retracted, enacted });
    this.#author.step({ type: 'head' });
    this.#slots?.step('head');
  }

  #accuse(proof: DoubleProof): void {
    const what =
      'stage' in proof
        ? `finality: ${toHex(proof.id)} voted twice in round ${proof.round} of set ${proof.setId}`
        : `equivocation at height ${proof.first.number}: two headers of one slot by one author`;
    this.#parts.log('warn', what);
    this.#report(this.#parts.evidence?.found(proof));
  }

  /** Nobody waits for the answers: others may have reported it before. */
  #report(accusations: readonly Bytes[] = []): void {
    for (const extrinsic of accusations) this.#pool({ type: 'submit', request: ++this.#request, extrinsic });
  }

  // ---- pool

  #pool(input: PoolInput): void {
    if (input.type === 'submit') this.#parts.meter?.submitted(1);
    if (input.type === 'gossip') this.#parts.meter?.submitted(input.extrinsics.length);
    this.#guard(() => {
      for (const effect of this.#parts.pool.step(this.#clocks.steady(), input)) this.#performPool(effect);
    });
    if (input.type === 'submit' || input.type === 'gossip') this.#author.step({ type: 'ready' });
  }

  #performPool(effect: PoolEffect): void {
    switch (effect.type) {
      case 'answer':
        this.#answers.get(effect.request)?.(effect);
        this.#answers.delete(effect.request);
        return;
      case 'notice':
        this.#watches.get(effect.watch)?.(effect);
        return;
      case 'gossip': {
        const { extrinsics, repeat } = effect;
        const peers = this.#parts.network.peers().map(({ id }) => id);
        // Whoever comes later is told what waits (passOnPool).
        if (peers.length === 0) return;
        this.#publish('transactions', TransactionsBatch.enc({ repeat, extrinsics: [...extrinsics] }));
        this.#pool({ type: 'broadcasted', hashes: extrinsics.map(blake2_256), peers });
        return;
      }
      case 'report':
        this.#parts.network.report(effect.peer, POOL_FAULTS[effect.fault][1], POOL_FAULTS[effect.fault][0]);
        return;
    }
  }

  /** What waits here was gossiped before the new peer came, and gossip would not carry it again: he is told himself. */
  #passOnPool(peer: string): void {
    const { network, onFatal, pool } = this.#parts;
    passOn(network, peer, pool.pending()).then((extrinsics) => {
      if (extrinsics.length === 0) return;
      this.#pool({ type: 'broadcasted', hashes: extrinsics.map(blake2_256), peers: [peer] });
    }, onFatal);
  }

  /** A batch that is held meanwhile counts against its sender's share of the network. */
  #passedOn(payload: Bytes, peer: string): Promise<Bytes> | Bytes {
    const { extrinsics } = TransactionsBatch.dec(payload);
    const take = (): Bytes => {
      this.#pool({ type: 'gossip', peer, extrinsics });
      return new Uint8Array(0);
    };
    return this.#parts.ahead?.transactions(extrinsics)?.then(take) ?? take();
  }

  // ---- sync

  #sync(input: SyncInput): void {
    this.#guard(() => {
      for (const effect of this.#parts.sync.step(this.#clocks.steady(), input)) this.#performSync(effect);
      clearTimeout(this.#syncTimer);
      const at = this.#parts.sync.wakeAt();
      if (at === undefined || this.#stopped) return;
      this.#syncTimer = setTimeout(() => this.#sync({ type: 'tick' }), Math.max(10, at - this.#clocks.steady()));
    });
  }

  #performSync(effect: SyncEffect): void {
    const { network, onFatal } = this.#parts;
    switch (effect.type) {
      case 'askStatus':
        this.#askStatus(effect);
        return;
      case 'askBlocks':
      case 'askExtrinsics':
        ask(network, effect).then((input) => input && this.#sync(input), onFatal);
        return;
      case 'import': {
        const { header, opening, extrinsics, justification, from } = effect.block;
        this.#imports.push({ header, opening, extrinsics, justification, origin: { type: 'peer', peer: from } });
        this.#importSoon();
        return;
      }
      case 'verdict':
        this.#verdicts.get(effect.message)?.(effect.verdict);
        this.#verdicts.delete(effect.message);
        return;
      case 'report': {
        const [sentence, score] = SYNC_FAULTS[effect.fault];
        network.report(effect.peer, score, sentence);
        return;
      }
    }
  }

  /** What peers say of themselves has the time in it; theirs count whom this node chose. */
  #askStatus(effect: Extract<SyncEffect, { type: 'askStatus' }>): void {
    const { network, onFatal } = this.#parts;
    const { peer } = effect;
    const asked = this.#clocks.wall();
    ask(network, effect).then((input) => {
      if (input?.type !== 'status') return;
      const answered = this.#clocks.wall();
      const isChosen = network.peers().some(({ id, direction }) => id === peer && direction === 'outbound');
      if (isChosen) this.#clockWatch.heard(peer, { asked, answered, theirs: Number(input.status.time) });
      this.#sync(input);
    }, onFatal);
  }

  // ---- gossip

  #gossip(topic: Topic, data: Bytes, from: string): Promise<Verdict> | Verdict {
    try {
      if (topic === 'blocks') return this.#announced(Announcement.dec(data), from);
      if (topic === 'finality') {
        return this.#parts.finality.hear(from, () => this.#chain({ type: 'finality', peer: from, message: data }));
      }
      const passed = this.#passedOn(data, from);
      return passed instanceof Promise ? passed.then(() => 'accept') : 'accept';
    } catch (error) {
      if (error instanceof CodecError) return 'reject';
      throw error;
    }
  }

  #announced(announcement: Announcement, peer: string): Promise<'accept' | 'ignore' | 'reject'> {
    const message = `m${++this.#message}`;
    return new Promise((resolve) => {
      this.#verdicts.set(message, resolve);
      this.#sync({ type: 'announced', peer, message, announcement });
    });
  }

  #publish(topic: Topic, data: Bytes): void {
    this.#parts.network
      .publish(topic, data)
      .catch((error: Error) => this.#parts.log('warn', `gossip: ${error.message}`));
  }
}
