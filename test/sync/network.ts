/**
 * # Network: nodes in one process, wired as the node wires them, under a virtual clock and a seed.
 *
 * Messages are late, lost and out of order as the seed says; the machines, the store, the runtime and the tickets are
 * the real ones.
 */
import assert from 'node:assert/strict';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { Author, type AuthorInput } from '../../src/consensus/author.ts';
import type { ChainInput } from '../../src/consensus/chain.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { Pool, type PoolInput } from '../../src/pool/pool.ts';
import { Clock } from '../../src/sim/clock.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import { answerBlocks, answerExtrinsics } from '../../src/sync/blocks.ts';
import {
  Announcement,
  announcementOf,
  BlocksResponse,
  ExtrinsicsResponse,
  Status,
  TransactionsBatch,
} from '../../src/sync/messages.ts';
import { Sync, type SyncInput } from '../../src/sync/sync.ts';
import { words } from '../base/dice.ts';
import { consensusRules, GENESIS, type Miner, Node, runtime, START, submissionFor, T } from '../consensus/world.ts';

export interface Weather {
  readonly loss: number;
  /** Messages take up to this, evenly. */
  readonly delayMs: number;
}

export class Network extends Clock {
  mining = true;
  weather: Weather;
  readonly hosts = new Map<string, Host>();
  /** Pairs that cannot reach each other, as `a|b`. */
  readonly cut = new Set<string>();
  private readonly word: () => number;

  constructor(seed: number, weather: Weather) {
    super(START);
    this.word = words(seed);
    this.weather = weather;
  }

  random(): number {
    return this.word() / 4_294_967_296;
  }

  /** Carries a message, unless the weather or a cut takes it; a host that is down hears nothing. */
  send(from: string, to: string, deliver: (host: Host) => void): void {
    if (this.cut.has(`${from}|${to}`) || this.random() < this.weather.loss) return;
    this.after(1 + Math.floor(this.random() * this.weather.delayMs), () => {
      const host = this.hosts.get(to);
      if (host?.isUp) deliver(host);
    });
  }

  run(ms: number, until: () => boolean = () => false): boolean {
    const end = this.now + ms;
    while (this.step(end)) if (until()) return true;
    return until();
  }

  /** Cuts every way between two groups, or joins them again. */
  partition(a: readonly string[], b: readonly string[], isCut: boolean): void {
    for (const one of a) {
      for (const other of b) {
        for (const way of [`${one}|${other}`, `${other}|${one}`]) {
          if (isCut) this.cut.add(way);
          else this.cut.delete(way);
        }
      }
    }
  }

  /** Connects all hosts that are up with each other. */
  connect(): void {
    for (const host of this.hosts.values()) {
      for (const other of this.hosts.keys()) if (other !== host.id) host.onSync({ type: 'connected', peer: other });
    }
  }

  /** Accumulated difficulties of the heads of all hosts that are up. */
  weights(): Set<bigint> {
    const up = [...this.hosts.values()].filter((host) => host.isUp);
    return new Set(up.map((host) => host.node.chain.best().totalDifficulty));
  }

  heads(): Set<string> {
    return new Set([...this.hosts.values()].filter((host) => host.isUp).map((host) => toHex(host.store.best.hash)));
  }
}

export class Host {
  readonly id: string;
  readonly net: Network;
  readonly miner: Miner | undefined;
  isUp = true;
  node: Node;
  sync: Sync;
  pool: Pool;
  author: Author;
  readonly reports: { readonly peer: string; readonly fault: string }[] = [];
  /** Blocks that this host asked others for, by kind of request. */
  asked = { blocks: 0, extrinsics: 0 };
  readonly depth: number;
  private messages = 0;

  constructor(net: Network, id: string, miner: Miner | undefined, depth = 1_000) {
    this.net = net;
    this.id = id;
    this.miner = miner;
    this.depth = depth;
    const parts = this.assemble(undefined);
    this.node = parts.node;
    this.sync = parts.sync;
    this.pool = parts.pool;
    this.author = parts.author;
    net.hosts.set(id, this);
    net.after(Math.floor(net.random() * 1_000), () => this.beat());
    if (miner !== undefined) net.after(Math.floor(net.random() * T), () => this.mineOn());
  }

  get store(): MemoryStore {
    return this.node.store;
  }

  /** Stops at once: what was not flushed is lost. */
  crash(): void {
    this.isUp = false;
  }

  /** Starts again from what the disk holds. */
  restart(): void {
    const parts = this.assemble(MemoryStore.load(this.store.records, 'archive'));
    this.node = parts.node;
    this.sync = parts.sync;
    this.pool = parts.pool;
    this.author = parts.author;
    this.isUp = true;
    this.beat();
    for (const host of this.net.hosts.values()) {
      if (host === this) continue;
      this.onSync({ type: 'connected', peer: host.id });
      host.onSync({ type: 'disconnected', peer: this.id });
      host.onSync({ type: 'connected', peer: this.id });
    }
  }

  onSync(input: SyncInput): void {
    for (const effect of this.sync.step(this.net.now, input)) {
      const peer = 'peer' in effect ? effect.peer : '';
      switch (effect.type) {
        case 'askStatus':
          this.net.send(this.id, peer, (other) => {
            const status = Status.dec(Status.enc(other.status()));
            this.net.send(peer, this.id, () => this.onSync({ type: 'status', peer, status }));
          });
          break;
        case 'askBlocks':
          this.asked.blocks++;
          this.net.send(this.id, peer, (other) => {
            const blocks = BlocksResponse.dec(BlocksResponse.enc(answerBlocks(other.store, effect.ask)));
            this.net.send(peer, this.id, () => this.onSync({ type: 'blocks', request: effect.request, blocks }));
          });
          break;
        case 'askExtrinsics':
          this.asked.extrinsics++;
          this.net.send(this.id, peer, (other) => {
            const answer = answerExtrinsics(other.store, effect.ask);
            const extrinsics = ExtrinsicsResponse.dec(ExtrinsicsResponse.enc(answer));
            this.net.send(peer, this.id, () =>
              this.onSync({ type: 'extrinsics', request: effect.request, extrinsics }),
            );
          });
          break;
        case 'import':
          this.onChain({
            type: 'block',
            block: { ...effect.block, origin: { type: 'peer', peer: effect.block.from } },
          });
          break;
        case 'verdict':
          break;
        case 'report':
          this.reports.push({ peer: effect.peer, fault: effect.fault });
          break;
      }
    }
  }

  onChain(input: ChainInput): void {
    const { net } = this;
    const effects = [...this.node.chain.step(net.now, input)];
    while (this.node.chain.wakeAt() === 0) effects.push(...this.node.chain.step(net.now, { type: 'tick' }));
    for (const effect of effects) {
      switch (effect.type) {
        case 'imported':
          this.onSync({ type: 'imported', hash: effect.hash });
          break;
        case 'refused':
          this.onSync({ type: 'refused', hash: effect.hash, blame: effect.blame });
          break;
        case 'wanted':
          this.onSync({ type: 'wanted', peer: effect.peer });
          break;
        case 'announce':
          this.gossip(announcementOf(effect.block.header, effect.block.opening, effect.block.extrinsics), undefined);
          break;
        case 'head':
          this.onPool({ type: 'head', retracted: effect.retracted, enacted: effect.enacted });
          this.onAuthor({ type: 'head' });
          break;
        case 'flush':
          void this.store.flush(effect.sync);
          break;
        default:
          break;
      }
    }
  }

  onPool(input: PoolInput): void {
    for (const effect of this.pool.step(this.net.now, input)) {
      if (effect.type === 'report') this.reports.push({ peer: effect.peer, fault: effect.fault });
      if (effect.type !== 'gossip') continue;
      const batch = TransactionsBatch.dec(
        TransactionsBatch.enc({ repeat: effect.repeat, extrinsics: [...effect.extrinsics] }),
      ).extrinsics;
      for (const to of this.net.hosts.keys()) {
        if (to === this.id) continue;
        this.net.send(this.id, to, (host) => host.onPool({ type: 'gossip', peer: this.id, extrinsics: batch }));
      }
    }
  }

  onAuthor(input: AuthorInput): void {
    for (const effect of this.author.step(this.net.now, input)) {
      if (effect.type === 'block') this.onChain({ type: 'block', block: effect.block });
      if (effect.type === 'invalid') this.onPool({ type: 'invalid', hashes: effect.hashes });
    }
  }

  status(): Status {
    const best = this.node.chain.best();
    const finalized = this.node.chain.finalized();
    return {
      genesis: GENESIS,
      bestNumber: best.number,
      bestHash: best.hash,
      totalDifficulty: best.totalDifficulty,
      finalizedNumber: finalized.number,
      finalizedHash: finalized.hash,
      time: BigInt(this.net.now),
    };
  }

  submit(extrinsic: Bytes): void {
    this.onPool({ type: 'submit', request: 1, extrinsic });
  }

  /** Mines one block on the newest template, now. */
  mineOne(): void {
    if (!this.isUp || this.miner === undefined) return;
    this.onAuthor({ type: 'miners', count: 1 });
    const template = this.author.template();
    assert.ok(template !== undefined);
    this.onAuthor({ type: 'submit', request: 1, submission: submissionFor(template, this.miner) });
    this.onAuthor({ type: 'miners', count: 0 });
  }

  /** Passes an announcement on to all but who it came from, as gossip does. */
  private gossip(announcement: Announcement, from: string | undefined): void {
    const bytes = Announcement.enc(announcement);
    for (const to of this.net.hosts.keys()) {
      if (to === this.id || to === from) continue;
      this.net.send(this.id, to, (host) => host.hear(this.id, bytes));
    }
  }

  private hear(peer: string, bytes: Bytes): void {
    const announcement = Announcement.dec(bytes);
    const message = `${this.id} ${this.messages++}`;
    const before = this.node.chain.vet(this.net.now, announcement.header, announcement.opening);
    const fresh = before === 'fits';
    this.onSync({ type: 'announced', peer, message, announcement });
    if (fresh) this.gossip(announcement, peer);
  }

  private beat(): void {
    if (!this.isUp) return;
    this.onSync({ type: 'tick' });
    this.onChain({ type: 'tick' });
    this.net.after(500, () => this.beat());
  }

  private mineOn(): void {
    const hosts = [...this.net.hosts.values()].filter((host) => host.miner !== undefined).length;
    if (this.net.mining) this.mineOne();
    this.net.after(Math.floor(-Math.log(1 - this.net.random()) * T * hosts), () => this.mineOn());
  }

  private assemble(store: MemoryStore | undefined) {
    const node = new Node({ finality: new DepthFinality(this.depth), ...(store === undefined ? {} : { store }) });
    const { chain } = node;
    const pool = new Pool({
      validate: (extrinsic) => {
        const { best } = node.store;
        const view = node.store.view(best.hash);
        assert.ok(view !== undefined);
        return runtime.validate(view, extrinsic, best);
      },
      bestNumber: () => node.store.best.number,
    });
    const sync = new Sync({
      genesis: GENESIS,
      chain,
      pool,
      vet: (now, header, opening) => chain.vet(now, header, opening),
    });
    const author = new Author({ rules: consensusRules, store: node.store, ready: () => pool.ready() });
    return { node, pool, sync, author };
  }
}
