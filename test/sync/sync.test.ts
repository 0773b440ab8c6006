/** # Sync: whom it asks, what it believes, and what a liar, a mute and a drip cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, equal, toHex, utf8 } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import { MAX_PENDING, MAX_PER_PEER } from '../../src/sync/announcements.ts';
import { announcementOf, type BlocksRequest, type BlocksResponse, type Status } from '../../src/sync/messages.ts';
import { STATUS_EVERY_MS } from '../../src/sync/peers.ts';
import { type Blame, BODY_WINDOW, MAX_AHEAD, MAX_IMPORTING } from '../../src/sync/pursuit.ts';
import { MAX_OPEN, REQUEST_TIMEOUT_MS } from '../../src/sync/requests.ts';
import { Sync, type SyncEffect, type SyncInput, type Vetting } from '../../src/sync/sync.ts';

interface Link {
  readonly number: number;
  readonly hash: Bytes;
  readonly header: Bytes;
  readonly body: readonly Bytes[];
  readonly opening: Bytes;
}

const GENESIS = link(undefined, 'genesis');

function link(parent: Link | undefined, salt: string): Link {
  const number = parent === undefined ? 0 : parent.number + 1;
  const header: Header = {
    parentHash: parent?.hash ?? new Uint8Array(32),
    number,
    stateRoot: blake2_256(utf8(salt)),
    extrinsicsRoot: new Uint8Array(32),
    digest: [],
  };
  const body = [utf8(`timestamp ${number}`), utf8(`body ${salt} ${number}`)];
  return { number, hash: headerHash(header), header: Header.enc(header), body, opening: utf8(`opening ${salt}`) };
}

/** `count` blocks on top of the last of `chain`, which it includes. */
function grown(chain: readonly Link[], count: number, salt: string): Link[] {
  const out = [...chain];
  for (let i = 0; i < count; i++) out.push(link(out.at(-1), salt));
  return out;
}

/** A peer that has a chain; it may answer falsely. */
interface FakePeer {
  readonly chain: readonly Link[];
  /** Difficulty that it claims; its length by default. */
  readonly claims?: bigint;
  readonly genesis?: Bytes;
  /** The height up to which it calls its chain final; 0 by default. */
  readonly finalized?: number;
  answer?(ask: BlocksRequest, honest: BlocksResponse): BlocksResponse | undefined;
}

function honestAnswer(chain: readonly Link[], ask: BlocksRequest): BlocksResponse {
  const from = ask.from;
  const start = from.type === 'Number' ? from.value : chain.findIndex(({ hash }) => equal(hash, from.value));
  if (start < 0) return [];
  const range = ask.descending ? chain.slice(0, start + 1).reverse() : chain.slice(start);
  return range.slice(0, ask.max).map(({ hash, header, body, opening }) => ({
    hash,
    header: (ask.fields & 1) !== 0 ? header : undefined,
    body: (ask.fields & 2) !== 0 ? [...body] : undefined,
    opening: (ask.fields & 4) !== 0 ? opening : undefined,
    justification: undefined,
  }));
}

/** A node that imports what it is given, with scripted peers around it; answers come after 100 ms, in order. */
class Lab {
  now = 0;
  readonly peers: Readonly<Record<string, FakePeer>>;
  readonly sync: Sync;
  readonly chain: Link[];
  readonly imported = new Set<string>();
  readonly reports: string[] = [];
  readonly verdicts: string[] = [];
  readonly pool: Bytes[] = [];
  readonly asks: { readonly peer: string; readonly ask: BlocksRequest }[] = [];
  readonly extrinsicAsks: { readonly peer: string; readonly places: readonly number[] }[] = [];
  judge: (hash: Bytes, extrinsics: readonly Bytes[]) => Blame | undefined = () => undefined;
  vetting: Vetting = 'fits';
  finalized = 0;
  /** Imports that wait when `manual`. */
  readonly waiting: { hash: Bytes; extrinsics: readonly Bytes[] }[] = [];
  manual = false;
  mute = false;
  most = { open: 0, importing: 0 };
  private open = new Map<string, number>();
  private readonly events: { at: number; run: () => void }[] = [];

  constructor(own: readonly Link[], peers: Readonly<Record<string, FakePeer>>, checkpoint?: Link) {
    this.chain = [...own];
    for (const { hash } of own) this.imported.add(toHex(hash));
    this.peers = peers;
    this.sync = new Sync({
      genesis: GENESIS.hash,
      checkpoint,
      chain: {
        best: () => {
          const best = this.chain.at(-1) as Link;
          return { number: best.number, hash: best.hash, totalDifficulty: BigInt(best.number) };
        },
        finalized: () => this.chain[this.finalized] as Link,
        hashAt: (number) => this.chain[number]?.hash,
        knows: (hash) => this.imported.has(toHex(hash)),
      },
      pool: { extrinsics: () => this.pool.map((bytes) => ({ hash: blake2_256(bytes), bytes })) },
      vet: () => this.vetting,
    });
    for (const peer of Object.keys(peers)) this.step({ type: 'connected', peer });
  }

  step(input: SyncInput): void {
    for (const effect of this.sync.step(this.now, input)) this.perform(effect);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.events.sort((a, b) => a.at - b.at);
      const tickAt = Math.max(this.now, Math.min(this.sync.wakeAt() ?? end, end));
      const event = this.events[0];
      if (event !== undefined && event.at <= Math.min(tickAt, end)) {
        this.events.shift();
        this.now = event.at;
        event.run();
      } else if (tickAt < end) {
        this.now = tickAt + 1;
        this.step({ type: 'tick' });
      } else {
        break;
      }
    }
    this.now = end;
  }

  /** Answers an import that waited. */
  settle(hash: Bytes, extrinsics: readonly Bytes[]): void {
    const blame = this.judge(hash, extrinsics);
    if (blame !== undefined) {
      this.step({ type: 'refused', hash, blame });
      return;
    }
    this.imported.add(toHex(hash));
    for (const { chain } of Object.values(this.peers)) {
      const at = chain.findIndex((one) => equal(one.hash, hash));
      if (at >= this.chain.length) this.chain.push(...chain.slice(this.chain.length, at + 1));
    }
    this.step({ type: 'imported', hash });
  }

  private perform(effect: SyncEffect): void {
    switch (effect.type) {
      case 'askStatus': {
        const peer = this.peers[effect.peer] as FakePeer;
        const status = statusOf(peer);
        if (!this.mute) this.later(() => this.step({ type: 'status', peer: effect.peer, status }));
        return;
      }
      case 'askBlocks': {
        this.asks.push({ peer: effect.peer, ask: effect.ask });
        const peer = this.peers[effect.peer] as FakePeer;
        const honest = honestAnswer(peer.chain, effect.ask);
        const blocks = peer.answer === undefined ? honest : peer.answer(effect.ask, honest);
        this.opened(effect.peer, 1);
        if (blocks !== undefined) {
          this.later(() => {
            this.opened(effect.peer, -1);
            this.step({ type: 'blocks', request: effect.request, blocks });
          });
        } else {
          this.events.push({ at: this.now + REQUEST_TIMEOUT_MS, run: () => this.opened(effect.peer, -1) });
        }
        return;
      }
      case 'askExtrinsics': {
        this.extrinsicAsks.push({ peer: effect.peer, places: effect.ask.places });
        const peer = this.peers[effect.peer] as FakePeer;
        const body = peer.chain.find(({ hash }) => equal(hash, effect.ask.block))?.body ?? [];
        const extrinsics = effect.ask.places.flatMap((place) => (body[place] === undefined ? [] : [body[place]]));
        this.later(() => this.step({ type: 'extrinsics', request: effect.request, extrinsics }));
        return;
      }
      case 'import': {
        const { hash, extrinsics } = effect.block;
        this.waiting.push({ hash, extrinsics });
        this.most.importing = Math.max(this.most.importing, this.waiting.length);
        if (this.manual) return;
        this.later(() => {
          this.waiting.shift();
          this.settle(hash, extrinsics);
        });
        return;
      }
      case 'verdict':
        this.verdicts.push(effect.verdict);
        return;
      case 'report':
        this.reports.push(`${effect.peer} ${effect.fault}`);
    }
  }

  private opened(peer: string, by: number): void {
    const open = (this.open.get(peer) ?? 0) + by;
    this.open.set(peer, open);
    this.most.open = Math.max(this.most.open, open);
  }

  private later(run: () => void): void {
    this.events.push({ at: this.now + 100, run });
  }
}

function statusOf(peer: FakePeer): Status {
  const best = peer.chain.at(-1) as Link;
  return {
    genesis: peer.genesis ?? GENESIS.hash,
    bestNumber: best.number,
    bestHash: best.hash,
    totalDifficulty: peer.claims ?? BigInt(best.number),
    finalizedNumber: peer.finalized ?? 0,
    finalizedHash: GENESIS.hash,
    time: 0n,
  };
}

const TRUTH = grown([GENESIS], 300, 'truth');

test('a node far behind asks one peer for headers and all of them for bodies, within its bounds', () => {
  const long = grown([GENESIS], 2_500, 'long');
  const lab = new Lab([GENESIS], { a: { chain: long }, b: { chain: long }, c: { chain: long } });
  lab.run(1_000);
  assert.ok(lab.sync.isSyncing());
  lab.run(120_000);
  assert.equal(lab.chain.length, long.length);
  assert.ok(!lab.sync.isSyncing());
  assert.deepEqual(lab.reports, []);
  const bodies = lab.asks.filter(({ ask }) => (ask.fields & 2) !== 0);
  assert.ok(['a', 'b', 'c'].every((peer) => bodies.filter((one) => one.peer === peer).length > 20));
  assert.equal(new Set(lab.asks.filter(({ ask }) => ask.fields === 1).map(({ peer }) => peer)).size, 1);
  assert.ok(lab.most.open <= MAX_OPEN && lab.most.importing <= MAX_IMPORTING);
});

test('while the import stands still, no more is asked for than the windows hold', () => {
  const long = grown([GENESIS], 2_500, 'long');
  const lab = new Lab([GENESIS], { a: { chain: long }, b: { chain: long } });
  lab.manual = true;
  lab.run(60_000);
  const asked = (fields: number): number =>
    lab.asks.filter(({ ask }) => ask.fields === fields).reduce((sum, { ask }) => sum + ask.max, 0);
  assert.equal(lab.waiting.length, MAX_IMPORTING);
  assert.ok(asked(1) <= MAX_AHEAD + 1 && asked(6) <= BODY_WINDOW, `${asked(1)} headers, ${asked(6)} bodies`);
});

test('a short fork is found by stepping back, and only its blocks are imported', () => {
  const ours = grown(TRUTH.slice(0, 101), 7, 'ours');
  const lab = new Lab(ours, { a: { chain: TRUTH } });
  lab.chain.length = ours.length;
  lab.run(60_000);
  assert.ok(lab.imported.has(toHex((TRUTH.at(-1) as Link).hash)));
  assert.deepEqual(lab.reports, []);
});

test('headers that are no chain cost the liar his score, and another peer leads', () => {
  const torn = (_: BlocksRequest, honest: BlocksResponse): BlocksResponse =>
    honest.length > 2 ? [honest[0], honest[2], honest[1]].map((one) => one as BlocksResponse[0]) : honest;
  const lab = new Lab([GENESIS], { liar: { chain: TRUTH, claims: 10_000n, answer: torn }, honest: { chain: TRUTH } });
  lab.run(60_000);
  assert.equal(lab.chain.length, TRUTH.length);
  assert.ok(lab.reports.every((report) => report.startsWith('liar')) && lab.reports.includes('liar BrokenHeaders'));
});

test('a false body is its sender’s fault: it is fetched again elsewhere and the chain goes on', () => {
  const swapped = (ask: BlocksRequest, honest: BlocksResponse): BlocksResponse =>
    (ask.fields & 2) === 0 ? honest : honest.map((one) => ({ ...one, body: [utf8('junk')] }));
  const lab = new Lab([GENESIS], { a: { chain: TRUTH }, liar: { chain: TRUTH, answer: swapped } });
  lab.judge = (_, extrinsics) => (extrinsics.length === 1 ? 'sender' : undefined);
  lab.run(120_000);
  assert.equal(lab.chain.length, TRUTH.length);
  assert.ok(lab.reports.length > 0 && lab.reports.every((report) => report === 'liar WrongBody'));
});

test('a long false chain is left at its first invalid block, and the honest one is followed', () => {
  const forged = grown(TRUTH.slice(0, 51), 1_000, 'forged');
  const lab = new Lab([GENESIS], { liar: { chain: forged }, honest: { chain: TRUTH } });
  const firstFalse = (forged[51] as Link).hash;
  lab.judge = (hash) => (equal(hash, firstFalse) ? 'block' : undefined);
  lab.run(60_000);
  assert.equal(lab.chain.length, TRUTH.length);
  assert.ok(lab.reports.includes('liar BadChain'));
  assert.ok(lab.reports.every((report) => report.startsWith('liar')));
});

test('a mute peer costs one timeout at a time, and the others go on meanwhile', () => {
  const lab = new Lab([GENESIS], {
    mute: { chain: TRUTH, claims: 9_000n, answer: () => undefined },
    a: { chain: TRUTH },
    b: { chain: TRUTH },
  });
  lab.run(90_000);
  assert.equal(lab.chain.length, TRUTH.length);
  assert.ok(lab.reports.every((report) => report === 'mute TimedOut'));
  assert.ok(lab.reports.length < 12, `${lab.reports.length} timeouts`);
});

test('a drip of one header an answer is noticed after three, and another peer leads', () => {
  const drip = (ask: BlocksRequest, honest: BlocksResponse): BlocksResponse =>
    ask.fields === 1 ? honest.slice(0, 1) : honest;
  const lab = new Lab([GENESIS], { drip: { chain: TRUTH, claims: 9_000n, answer: drip }, honest: { chain: TRUTH } });
  lab.run(60_000);
  assert.equal(lab.chain.length, TRUTH.length);
  assert.ok(lab.reports.includes('drip ShortAnswers'));
});

test('one who claims more than he has is not asked again and again', () => {
  const lab = new Lab(TRUTH, { braggart: { chain: TRUTH, claims: 1_000_000n } });
  lab.run(120_000);
  assert.ok(lab.asks.length < 20, `${lab.asks.length} requests in two minutes`);
});

test('a peer of another chain, or of another past below our finality, is reported and not followed', () => {
  const other = grown([GENESIS], 400, 'other');
  const lab = new Lab(TRUTH.slice(0, 101), {
    foreign: { chain: other, genesis: new Uint8Array(32) },
    split: { chain: other, finalized: 396 },
  });
  lab.finalized = 90;
  lab.run(30_000);
  assert.equal(lab.chain.length, 101);
  assert.deepEqual([...new Set(lab.reports)].sort(), ['foreign OtherGenesis', 'split OtherFinality']);
  const asked = lab.asks.length;
  lab.run(60_000);
  assert.equal(lab.asks.length, asked);
});

test('a lighter chain is followed once a block of it is proven final, and not before', () => {
  const trunk = TRUTH.slice(0, 81);
  const light = { chain: grown(trunk, 10, 'light'), claims: 50n };
  const lab = new Lab(TRUTH.slice(0, 101), { light });
  lab.run(30_000);
  const last = light.chain.at(-1) as Link;
  assert.equal(lab.imported.has(toHex(last.hash)), false);
  lab.step({ type: 'proven', peer: 'light' });
  lab.run(10_000);
  assert.equal(lab.imported.has(toHex(last.hash)), true);
  const asked = lab.asks.length;
  lab.run(60_000);
  assert.equal(lab.asks.length, asked, 'once');
  assert.deepEqual(lab.reports, []);
});

test('who is on another branch than our finality, and has finalized less, is left alone and not reported', () => {
  const late = { chain: grown([GENESIS], 400, 'other'), finalized: 80 };
  const lab = new Lab(TRUTH.slice(0, 101), { late });
  lab.finalized = 90;
  lab.run(30_000);
  assert.equal(lab.chain.length, 101);
  assert.deepEqual(lab.reports, []);
  assert.ok(lab.asks.length < 60, `${lab.asks.length} questions`);
});

test('when a peer leaves in the middle, its work goes to the others', () => {
  const lab = new Lab([GENESIS], { a: { chain: TRUTH }, b: { chain: TRUTH } });
  lab.run(700);
  lab.step({ type: 'disconnected', peer: 'a' });
  lab.run(60_000);
  assert.equal(lab.chain.length, TRUTH.length);
  assert.deepEqual(lab.reports, []);
});

const [PARENT, NEXT] = TRUTH.slice(10, 12) as [Link, Link];
const announced = (lab: Lab, peer: string, block: Link): void =>
  lab.step({
    type: 'announced',
    peer,
    message: 'm',
    announcement: announcementOf(block.header, block.opening, block.body),
  });
const atParent = (peers: readonly string[]): Lab => {
  const all = Object.fromEntries(peers.map((id) => [id, { chain: TRUTH.slice(0, 12), claims: 0n }]));
  const lab = new Lab(TRUTH.slice(0, PARENT.number + 1), all);
  lab.run(500);
  return lab;
};

test('an announced block is put together from the pool without asking anybody', () => {
  const lab = atParent(['a']);
  lab.pool.push(utf8('something else'), NEXT.body[1] as Bytes);
  announced(lab, 'a', NEXT);
  assert.deepEqual(lab.verdicts, ['accept']);
  lab.run(1_000);
  assert.equal(lab.chain.length, NEXT.number + 1);
  assert.deepEqual([lab.asks.length, lab.extrinsicAsks.length], [0, 0]);
});

test('only the missing extrinsics are asked of the announcer', () => {
  const lab = atParent(['a']);
  announced(lab, 'a', NEXT);
  lab.run(1_000);
  assert.deepEqual(lab.extrinsicAsks, [{ peer: 'a', places: [1] }]);
  assert.equal(lab.chain.length, NEXT.number + 1);
  announced(lab, 'a', NEXT);
  assert.deepEqual(lab.verdicts, ['accept', 'ignore']);
});

test('a header that can never be valid is rejected and reported; an old one is only ignored', () => {
  const lab = atParent(['a']);
  lab.vetting = 'refused';
  announced(lab, 'a', NEXT);
  lab.vetting = 'stale';
  announced(lab, 'a', TRUTH[12] as Link);
  assert.deepEqual(lab.verdicts, ['reject', 'ignore']);
  assert.deepEqual(lab.reports, ['a BadAnnouncement']);
});

test('an announcement without its parent makes us ask how far its sender is, and then fetch in order', () => {
  const lab = new Lab(TRUTH.slice(0, 11), { a: { chain: TRUTH.slice(0, 20) } });
  lab.mute = true;
  lab.run(STATUS_EVERY_MS);
  lab.mute = false;
  lab.vetting = 'orphan';
  announced(lab, 'a', TRUTH[19] as Link);
  assert.deepEqual(lab.verdicts, ['ignore']);
  lab.run(8_000);
  assert.equal(lab.chain.length, 20);
});

test('two extrinsics with one short id blame nobody: the block is fetched whole', () => {
  const lab = atParent(['a', 'b']);
  lab.pool.push(NEXT.body[1] as Bytes);
  let first = true;
  lab.judge = () => {
    const blame = first ? ('sender' as const) : undefined;
    first = false;
    return blame;
  };
  announced(lab, 'a', NEXT);
  announced(lab, 'b', NEXT);
  lab.run(2_000);
  assert.equal(lab.chain.length, NEXT.number + 1);
  assert.deepEqual(lab.reports, []);
  assert.deepEqual(
    lab.asks.map(({ peer, ask }) => [peer, ask.fields, ask.max]),
    [['a', 2, 1]],
  );
});

test('when the announcer cannot give what is missing, the next one who has the block is asked', () => {
  const all = {
    a: { chain: TRUTH.slice(0, 11), claims: 0n },
    b: { chain: TRUTH.slice(0, 12), claims: 0n },
  };
  const lab = new Lab(TRUTH.slice(0, 11), all);
  lab.run(500);
  announced(lab, 'a', NEXT);
  announced(lab, 'b', NEXT);
  lab.run(2_000);
  assert.equal(lab.chain.length, 12);
  assert.deepEqual(
    lab.asks.map(({ peer }) => peer),
    ['b'],
  );
});

test('a flood of announcements evicts only the flooder’s own, and is bounded in all', () => {
  const peers = Array.from({ length: 12 }, (_, i) => `p${i}`);
  const lab = atParent(['honest', ...peers]);
  lab.manual = true;
  announced(lab, 'honest', NEXT);
  for (let i = 0; i < 3 * MAX_PER_PEER; i++) announced(lab, 'p0', link(PARENT, `flood ${i}`));
  lab.run(1_000);
  const has = (): boolean => lab.waiting.some(({ hash }) => equal(hash, NEXT.hash));
  assert.ok(has(), 'the honest block went through');
  for (const peer of peers) {
    for (let i = 0; i < 2 * MAX_PER_PEER; i++) announced(lab, peer, link(PARENT, `flood ${peer} ${i}`));
  }
  assert.ok(lab.extrinsicAsks.length < 40 * MAX_PENDING);
});

const WITH = grown([GENESIS], 40, 'with the checkpoint');
const WITHOUT = grown(WITH.slice(0, 20), 60, 'without it');

test('a chain without the checkpoint is not followed, however long: its peer is dropped, nothing of it imported', () => {
  const peers = { long: { chain: WITHOUT }, right: { chain: WITH } };
  const lab = new Lab([GENESIS], peers, WITH[30]);
  lab.run(30_000);
  assert.deepEqual(lab.reports, ['long OtherCheckpoint']);
  assert.deepEqual(
    lab.chain.map(({ hash }) => toHex(hash)),
    WITH.map(({ hash }) => toHex(hash)),
  );
  // One header was asked of it.
  assert.deepEqual(
    lab.asks.filter(({ peer }) => peer === 'long').map(({ ask }) => [ask.fields, ask.max]),
    [[1, 1]],
  );
});

test('a peer below the checkpoint is not followed, and has done nothing wrong', () => {
  const lab = new Lab([GENESIS], { low: { chain: WITH.slice(0, 30) } }, WITH[30]);
  lab.run(30_000);
  assert.equal(lab.chain.length, 1);
  assert.deepEqual([lab.reports, lab.asks], [[], []]);
});

test('a peer that began with a later block cannot show the checkpoint: another one is followed instead', () => {
  const late: FakePeer = { chain: WITH, claims: 1_000n, answer: (ask, honest) => (ask.max === 1 ? [] : honest) };
  const lab = new Lab([GENESIS], { late, whole: { chain: WITH } }, WITH[30]);
  lab.run(30_000);
  assert.equal(lab.chain.length, WITH.length);
  assert.deepEqual(lab.reports, []);
});

test('a node that has the checkpoint asks nobody for it', () => {
  const lab = new Lab(WITH.slice(0, 35), { right: { chain: WITH } }, WITH[30]);
  lab.run(5_000);
  assert.equal(lab.chain.length, WITH.length);
  assert.ok(lab.asks.every(({ ask }) => ask.from.type === 'Hash' || ask.from.value > 30));
});
