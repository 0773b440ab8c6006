/**
 * # SimNode: the production machines of one node, driven by virtual clock, network and disk.
 *
 * Always true: machines are stepped one input at a time and their effects are performed in order, as src/node/drive.ts
 * does; what must be on disk first waits for it; a crash in the middle of the effects loses those not yet performed,
 * all memory, and what the disk had not synced. Nothing here decides what the machines decide.
 */
import { must } from '../base/assert.ts';
import { type Bytes, toHex } from '../base/bytes.ts';
import type { DoubleProof } from '../consensus/accusation.ts';
import type { ChainEffect, ChainInput } from '../consensus/chain.ts';
import type { Millis } from '../consensus/difficulty.ts';
import { Evidence } from '../consensus/evidence.ts';
import type { GrandpaSetup } from '../consensus/finality/grandpa.ts';
import type { ReceivedBlock } from '../consensus/import.ts';
import { LAST_SEALED } from '../consensus/slots-author.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Pool, type PoolInput } from '../pool/pool.ts';
import type { Records } from '../state/level/memory-store.ts';
import { answerBlocks, answerExtrinsics } from '../sync/blocks.ts';
import { type Announcement, announcementOf } from '../sync/messages.ts';
import { Sync, type SyncEffect, type SyncInput } from '../sync/sync.ts';
import { Disk, DiskStore } from './disk.ts';
import { Inbox } from './inbox.ts';
import { Outbox } from './outbox.ts';
import type { Authoring, CrashPoint, Machines, Place, Vice } from './parts.ts';
import { shownBlocks, shownStatus } from './shown.ts';
import { signVote } from './world.ts';

/** What the gadget takes for the time of its gossip: a message takes at most a tenth of it in fair weather. */
const GOSSIP_MS = 1_500;
/** A message that is passed on goes to so many. */
const RELAYED = 1;
/** Proofs are stored so often. */
const KEEP_EVERY = 16;

/** Ends a step in the middle; the node is down then. */
class Crashed extends Error {}

export class SimNode {
  readonly place: Place;
  readonly name: string;
  readonly inbox = new Inbox();
  readonly authoring: Authoring;
  vice: Vice | undefined;
  /** How far its clock on the wall is ahead. */
  skewMs: Millis = 0;
  /** What it took when its clock was further ahead it may follow still. */
  mostSkewMs: Millis = 0;
  isUp = false;
  crashes = 0;
  imported = 0;
  machines: Machines;
  private readonly disk: Disk;
  private readonly outbox: Outbox;
  private backup: Records | undefined;
  /** Rises with every start: what an earlier process asked for does not reach a later one. */
  private life = 0;
  private announcements = 0;
  private depth = 0;
  private armed: { readonly point: CrashPoint; left: number; readonly downMs: Millis } | undefined;
  private readonly wakes = { chain: -1, sync: -1 };
  private readonly imports: ReceivedBlock[] = [];

  constructor(place: Place) {
    this.place = place;
    this.name = place.member.name;
    this.disk = new Disk(place.world.genesis);
    this.outbox = new Outbox(this, this.disk);
    this.machines = this.assemble();
    this.authoring = place.world.authoring(this);
  }

  /** Of the clock that only runs forward. */
  get now(): Millis {
    return this.place.clock.now;
  }

  /** Of the clock on the wall. */
  get wall(): Millis {
    return this.now + this.skewMs;
  }

  // ---- life

  /** Starts, or starts again, from what the disk holds. */
  start(): void {
    this.life++;
    this.machines = this.assemble();
    this.authoring.start();
    this.isUp = true;
    this.place.trace.note(this.place.clock.now, this.name, 'starts', this.machines.store.best.number);
    this.place.observer.started(this);
    for (const other of this.place.others()) {
      this.onSync({ type: 'connected', peer: other.name });
      other.onSync({ type: 'disconnected', peer: this.name });
      other.onSync({ type: 'connected', peer: this.name });
    }
    this.onChain({ type: 'tick' });
    if (this.isUp) this.authoring.head();
  }

  /** Stops at once, and starts again after a while. */
  crash(downMs: Millis): void {
    if (!this.isUp) return;
    const { place, disk } = this;
    this.isUp = false;
    this.crashes++;
    this.armed = undefined;
    place.trace.note(place.clock.now, this.name, 'crashes', disk.atRisk);
    disk.crash(place.dice.below(disk.atRisk + 1));
    this.outbox.clear();
    this.imports.length = 0;
    this.life++;
    place.clock.after(downMs, () => this.start());
  }

  /** Somebody sets its clock on the wall. */
  setClock(by: Millis): void {
    this.skewMs += by;
    this.mostSkewMs = Math.max(this.mostSkewMs, this.skewMs);
    this.place.trace.note(this.place.clock.now, this.name, 'clock set', by);
    this.onChain({ type: 'tick' });
    if (this.isUp) this.authoring.head();
  }

  /** Its operator keeps what its disk holds now. */
  backUp(): void {
    this.backup = this.disk.read();
  }

  /** It stops, and starts again from the backup: only the watermark is newer. */
  restore(downMs: Millis): void {
    if (!this.isUp || this.backup === undefined) return;
    this.crash(downMs);
    this.disk.restore(this.backup);
    this.place.observer.restored(this);
  }

  /** The `left`-th time that it comes to such a point from now on, it crashes there. */
  arm(point: CrashPoint, left: number, downMs: Millis): void {
    this.armed = { point, left, downMs };
  }

  private assemble(): Machines {
    const { world, make, member } = this.place;
    const store = DiskStore.open(this.disk);
    make.reload?.(store);
    if (this.vice?.forgets) for (const name of FORGOTTEN) store.putAux(name, undefined);
    const keys = member.voteKeys.map((publicKey) => ({
      publicKey,
      sign: (message: Bytes) => signVote(publicKey, message),
    }));
    const setup: GrandpaSetup = {
      setAt: ({ hash }) => world.firstSet(must(store.view(hash), 'the last finalized block has its state')),
      gossipMs: GOSSIP_MS,
      keys: () => keys,
      markOf: (key) => (this.vice?.forgets ? undefined : this.outbox.mark(key)),
      verify: world.verify,
      keepEvery: KEEP_EVERY,
    };
    const finality = make.finality(setup, this);
    const chain = make.chain({ rules: world.rules, store, finality }, this);
    const pool = new Pool({
      validate: (extrinsic) => {
        const view = must(store.view(store.best.hash), 'the best block has its state');
        return world.runtime.validate(view, extrinsic, store.best);
      },
      bestNumber: () => store.best.number,
    });
    const sync = new Sync({
      genesis: world.genesis.hash,
      chain,
      pool,
      vet: (_, header, opening) => chain.vet(this.wall, header, opening),
    });
    const accusation = (proof: DoubleProof) => world.accusation(store, proof);
    const evidence = new Evidence({ runtime: world.runtime, store, accusation });
    return { store, chain, finality, pool, sync, evidence };
  }

  /** Runs a step; a bug in it is told, a crash in it ends it. */
  guard(work: () => void): void {
    if (!this.isUp) return;
    this.depth++;
    try {
      work();
      this.place.observer.stepped(this);
    } catch (error) {
      // A crash ends all that was going on; whatever else a machine throws is what the simulation looks for.
      if (error instanceof Crashed && this.depth > 1) throw error;
      if (!(error instanceof Crashed)) this.place.observer.failed(this, error);
    } finally {
      this.depth--;
    }
  }

  point(point: CrashPoint): void {
    const { armed } = this;
    if (armed === undefined || armed.point !== point) return;
    armed.left--;
    if (armed.left > 0) return;
    this.crash(armed.downMs);
    throw new Crashed();
  }

  /** Something for later, unless another process has begun by then. */
  later(ms: Millis, work: () => void): void {
    const { life } = this;
    this.place.clock.after(ms, () => {
      if (this.life === life) work();
    });
  }

  // ---- chain

  onChain(input: ChainInput): void {
    this.guard(() => {
      const { chain } = this.machines;
      for (const effect of chain.step(this.now, input, this.wall)) this.perform(effect, input);
      this.wake('chain', chain.wakeAt());
    });
  }

  private perform(effect: ChainEffect, input: ChainInput): void {
    const { observer, trace, clock } = this.place;
    observer.chain(this, effect);
    switch (effect.type) {
      case 'flush':
        this.write(effect.sync);
        return;
      case 'persist':
        this.outbox.raise(effect.mark);
        this.write(true);
        return;
      case 'imported':
        if (effect.isNew) {
          this.imported++;
          trace.note(clock.now, this.name, 'imports', effect.hash, effect.number);
        }
        this.onSync({ type: 'imported', hash: effect.hash });
        return;
      case 'refused':
        trace.note(clock.now, this.name, `refuses ${effect.error.code}`, effect.hash);
        this.onSync({ type: 'refused', hash: effect.hash, blame: effect.blame });
        return;
      case 'announce':
        this.point('send');
        if (this.vice?.holds?.(this, effect.block) !== true) this.announce(effect.block);
        this.point('sent');
        return;
      case 'head': {
        const { best, retracted, enacted } = effect;
        if (retracted.length > 0) trace.note(clock.now, this.name, 'reorganises', best.hash, retracted.length);
        this.onPool({ type: 'head', retracted, enacted });
        for (const extrinsic of this.machines.evidence.due()) this.submit(extrinsic);
        this.authoring.head();
        return;
      }
      case 'finalized': {
        const last = effect.blocks[effect.blocks.length - 1];
        trace.note(clock.now, this.name, 'finalizes', last?.hash, last?.number);
        this.onPool({ type: 'finalized', blocks: effect.blocks.map(({ hash }) => hash) });
        return;
      }
      case 'wanted':
        this.onSync({ type: 'wanted', peer: effect.peer });
        return;
      case 'missing':
        this.onSync({ type: 'missing', ...effect.block, peer: effect.peer });
        return;
      case 'proven':
        this.onSync({ type: 'proven', peer: effect.peer });
        return;
      case 'broadcast':
        this.outbox.once(() => this.say(effect.message));
        return;
      case 'tell': {
        const to = this.place.others().find(({ name }) => name === effect.peer);
        if (to !== undefined) this.outbox.once(() => this.sayTo(to, effect.message, true));
        return;
      }
      case 'relay':
        if (input.type === 'finality') this.relay(input.message, input.peer);
        return;
      case 'equivocation':
      case 'sealedTwice':
        this.accuse(effect.proof);
        return;
      case 'report':
      case 'held':
        return;
    }
  }

  /** What was seen is told to the own pool, from where it spreads like any extrinsic. */
  private accuse(proof: DoubleProof): void {
    const { world, observer } = this.place;
    if (this.vice !== undefined) return;
    const { store, evidence } = this.machines;
    observer.accuses(this, proof, world.accusation(store, proof));
    for (const extrinsic of evidence.found(proof)) this.submit(extrinsic);
  }

  private wake(machine: 'chain' | 'sync', at: Millis | undefined): void {
    if (at === undefined || at === this.wakes[machine]) return;
    this.wakes[machine] = at;
    this.later(Math.max(0, at - this.now), () => {
      if (this.wakes[machine] !== at) return;
      this.wakes[machine] = -1;
      if (machine === 'chain') this.onChain({ type: 'tick' });
      else this.onSync({ type: 'tick' });
    });
  }

  // ---- disk

  write(sync: boolean): void {
    this.point('write');
    this.machines.store.write();
    this.outbox.wrote(sync);
  }

  /** Does something once what is being synced is on disk, with all that was written so far. */
  onceDurable(work: () => void): void {
    this.outbox.once(work);
  }

  // ---- finality messages

  private say(message: Bytes): void {
    this.place.observer.said(this, message);
    if (this.vice?.says === undefined) this.place.observer.left(message);
    this.inbox.isNew(message);
    for (const other of this.place.others()) this.sayTo(other, message);
  }

  private sayTo(other: SimNode, message: Bytes, directly = false): void {
    const { vice, place } = this;
    const said = vice?.says === undefined ? message : vice.says(this, other.place.index, message);
    if (said === undefined) return;
    if (vice?.says !== undefined) place.observer.left(said);
    const send = () => place.network.send(place.index, other.place.index, () => other.hear(this.name, said, directly));
    if (vice?.lagMs === undefined) send();
    else this.later(vice.lagMs, send);
  }

  /** Passes on what another said, to one more: gossip reaches those whom its author does not. */
  private relay(message: Bytes, from: string): void {
    const { place } = this;
    const others = place.others().filter(({ name }) => name !== from);
    for (const other of place.dice.shuffled(others).slice(0, RELAYED)) {
      place.network.send(place.index, other.place.index, () => other.hear(this.name, message));
    }
  }

  /** A message of the gadget: gossip brings each once within its memory, what is told directly comes as it is. */
  hear(peer: string, message: Bytes, directly = false): void {
    if (this.isUp && (directly || this.inbox.isNew(message))) this.onChain({ type: 'finality', peer, message });
  }

  // ---- blocks

  announce({ header, opening, extrinsics }: ReceivedBlock): void {
    const half = this.vice?.sealsTwice === true ? this.announcements++ % 2 : undefined;
    this.gossip(announcementOf(header, opening, extrinsics), undefined, half);
  }

  /** To all, or to those with even or odd numbers. */
  private gossip(announcement: Announcement, from: string | undefined, half?: number): void {
    const { network, index } = this.place;
    for (const other of this.place.others()) {
      if (half !== undefined && other.place.index % 2 !== half) continue;
      if (other.name !== from) network.send(index, other.place.index, () => other.announced(this.name, announcement));
    }
  }

  private announced(peer: string, announcement: Announcement): void {
    if (!this.isUp || !this.inbox.isNew(announcement.header)) return;
    this.guard(() => {
      const { sync } = this.machines;
      const effects = sync.step(this.now, { type: 'announced', peer, message: peer, announcement });
      for (const effect of effects) {
        if (effect.type === 'verdict' && effect.verdict === 'accept') this.gossip(announcement, peer);
        // What could not be judged yet is heard again when it comes again.
        if (effect.type === 'verdict' && effect.verdict === 'ignore') this.inbox.forget(announcement.header);
        this.performSync(effect);
      }
      this.wake('sync', sync.wakeAt());
    });
    this.vice?.heard?.(this);
  }

  private importNext(): void {
    const block = this.imports.shift();
    if (block !== undefined) this.onChain({ type: 'block', block });
    if (this.imports.length > 0) this.later(0, () => this.importNext());
  }

  // ---- sync

  onSync(input: SyncInput): void {
    this.guard(() => {
      const { sync } = this.machines;
      for (const effect of sync.step(this.now, input)) this.performSync(effect);
      this.wake('sync', sync.wakeAt());
    });
  }

  private performSync(effect: SyncEffect): void {
    switch (effect.type) {
      case 'askStatus':
        this.ask(effect.peer, (other) => ({ type: 'status', peer: effect.peer, status: shownStatus(other) }));
        return;
      case 'askBlocks': {
        const { request, ask } = effect;
        this.ask(effect.peer, (other) => ({ type: 'blocks', request, blocks: answerBlocks(shownBlocks(other), ask) }));
        return;
      }
      case 'askExtrinsics': {
        const { request, ask } = effect;
        this.ask(effect.peer, (other) => {
          return { type: 'extrinsics', request, extrinsics: answerExtrinsics(shownBlocks(other), ask) };
        });
        return;
      }
      case 'import': {
        const { header, opening, extrinsics, justification, from } = effect.block;
        this.imports.push({ header, opening, extrinsics, justification, origin: { type: 'peer', peer: from } });
        if (this.imports.length === 1) this.later(0, () => this.importNext());
        return;
      }
      case 'verdict':
        return;
      case 'report':
        this.place.trace.note(this.place.clock.now, this.name, `reports ${effect.fault}`, effect.peer);
        return;
    }
  }

  private ask(peer: string, answer: (other: SimNode) => SyncInput): void {
    const { network, index, others } = this.place;
    const { life } = this;
    const other = must(
      others().find(({ name }) => name === peer),
      'a peer is a node',
    );
    network.send(index, other.place.index, () => {
      if (!other.isUp) return;
      const input = answer(other);
      network.send(other.place.index, index, () => {
        if (this.life === life) this.onSync(input);
      });
    });
  }

  // ---- extrinsics

  submit(extrinsic: Bytes): void {
    this.onPool({ type: 'submit', request: 1, extrinsic });
  }

  onPool(input: PoolInput): void {
    this.guard(() => {
      for (const effect of this.machines.pool.step(this.now, input)) {
        if (effect.type === 'gossip') this.pass(effect.extrinsics);
      }
    });
  }

  /** Gossips extrinsics. */
  pass(extrinsics: readonly Bytes[]): void {
    const { network, index } = this.place;
    for (const other of this.place.others()) {
      network.send(index, other.place.index, () => {
        if (!other.isUp) return;
        // Gossip passes each batch on once.
        const fresh = extrinsics.filter((bytes) => other.inbox.isNew(blake2_256(bytes)));
        if (fresh.length > 0) other.onPool({ type: 'gossip', peer: this.name, extrinsics: fresh });
      });
    }
  }

  get standing(): string {
    const { best, settled } = this.machines.store;
    return `#${best.number} final #${settled.number}${this.isUp ? '' : ' down'}`;
  }

  get headKey(): string {
    return toHex(this.machines.store.best.hash);
  }
}

/** What the memory of a voter, and of an author, is called. */
const FORGOTTEN = ['grandpa/voter', LAST_SEALED];
