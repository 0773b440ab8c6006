/** # Forks: blocks that votes name are fetched by their hash, whatever chain they are on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, equal, toHex, utf8 } from '../../src/base/bytes.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import { type BlocksResponse, MAX_BLOCKS } from '../../src/sync/messages.ts';
import { Sync, type SyncEffect } from '../../src/sync/sync.ts';

interface Link {
  readonly number: number;
  readonly hash: Bytes;
  readonly header: Bytes;
}

function grown(from: Link | undefined, count: number, salt: number): Link[] {
  const out: Link[] = [];
  let parent = from;
  for (let i = 0; i < count; i++) {
    const header: Header = {
      parentHash: parent?.hash ?? new Uint8Array(32),
      number: parent === undefined ? 0 : parent.number + 1,
      stateRoot: new Uint8Array(32).fill(salt),
      extrinsicsRoot: new Uint8Array(32),
      digest: [],
    };
    parent = { number: header.number, hash: headerHash(header), header: Header.enc(header) };
    out.push(parent);
  }
  return out;
}

const MAIN = grown(undefined, 11, 0);

/** A node on MAIN, up to 2 of it final, with peers who say nothing of their own accord. */
class Desk {
  readonly sync: Sync;
  readonly known = new Set(MAIN.map(({ hash }) => toHex(hash)));
  now = 0;

  constructor(...peers: readonly string[]) {
    const [genesis, best] = [MAIN[0] as Link, MAIN[10] as Link];
    this.sync = new Sync({
      genesis: genesis.hash,
      chain: {
        best: () => ({ ...best, totalDifficulty: 10n }),
        finalized: () => MAIN[2] as Link,
        hashAt: (number) => MAIN[number]?.hash,
        knows: (hash) => this.known.has(toHex(hash)),
      },
      pool: { extrinsics: () => [] },
      vet: () => 'fits',
    });
    for (const peer of peers) this.sync.step(0, { type: 'connected', peer });
  }

  missing({ hash, number }: Link, peer: string) {
    return asks(this.sync.step(this.now, { type: 'missing', hash, number, peer }));
  }

  answer(request: number, blocks: BlocksResponse) {
    const effects = this.sync.step(this.now, { type: 'blocks', request, blocks });
    return {
      asked: asks(effects),
      imports: effects.flatMap((effect) => (effect.type === 'import' ? [effect.block] : [])),
      reports: effects.flatMap((effect) => (effect.type === 'report' ? [`${effect.peer} ${effect.fault}`] : [])),
    };
  }
}

const asks = (effects: readonly SyncEffect[]) =>
  effects.flatMap((effect) => (effect.type === 'askBlocks' ? [effect] : []));

const whole = (links: readonly Link[]): BlocksResponse =>
  links.map(({ hash, header }) => {
    const [body, opening] = [[utf8(`body ${toHex(hash)}`)], utf8('opening')];
    return { hash, header, body, opening, justification: undefined };
  });

const first = <T>(list: readonly T[]): T => list[0] as T;

test('a block on a lighter branch comes with what lies below it, down to a block of ours, and upward into the import', () => {
  const desk = new Desk('a', 'b');
  const fork = grown(MAIN[5], 3, 1);
  const [ask, ...others] = desk.missing(fork[2] as Link, 'b');
  assert.ok(ask !== undefined && others.length === 0);
  assert.deepEqual([ask.peer, ask.ask.from, ask.ask.descending], ['b', { type: 'Hash', value: fork[2]?.hash }, true]);
  const { imports, reports } = desk.answer(ask.request, whole([...fork].reverse()));
  assert.deepEqual(
    imports.map(({ hash }) => toHex(hash)),
    fork.map(({ hash }) => toHex(hash)),
  );
  assert.deepEqual(reports, []);
  assert.ok(imports.every(({ from }) => from === 'b'));
});

test('a long branch takes several questions, each going on below the last answer', () => {
  const desk = new Desk('a');
  const fork = grown(MAIN[3], MAX_BLOCKS + 10, 1);
  const down = [...fork].reverse();
  const ask = first(desk.missing(fork.at(-1) as Link, 'a'));
  const { imports, asked } = desk.answer(ask.request, whole(down.slice(0, MAX_BLOCKS)));
  assert.equal(imports.length, 0);
  const next = first(asked);
  assert.deepEqual(next.ask.from, { type: 'Hash', value: (down[MAX_BLOCKS] as Link).hash });
  assert.equal(desk.answer(next.request, whole(down.slice(MAX_BLOCKS))).imports.length, fork.length);
});

test('who has it not is not blamed, and the next is asked; once all are, it waits to be named again', () => {
  const desk = new Desk('a', 'b', 'c');
  const fork = grown(MAIN[5], 1, 1);
  let ask = first(desk.missing(first(fork), 'b'));
  const asked = [ask.peer];
  for (let last = desk.answer(ask.request, []); last.asked.length > 0; last = desk.answer(ask.request, [])) {
    assert.deepEqual(last.reports, []);
    ask = first(last.asked);
    asked.push(ask.peer);
  }
  assert.deepEqual(asked, ['b', 'a', 'c']);
  assert.equal(first(desk.missing(first(fork), 'c')).peer, 'c');
});

test('who sends other blocks than those asked for is reported, and the next is asked', () => {
  const desk = new Desk('a', 'b');
  const [fork, other] = [grown(MAIN[5], 2, 1), grown(MAIN[5], 2, 2)];
  const ask = first(desk.missing(fork[1] as Link, 'a'));
  const { reports, imports, asked } = desk.answer(ask.request, whole([...other].reverse()));
  assert.deepEqual([reports, imports], [['a NotAsked'], []]);
  assert.equal(first(asked).peer, 'b');
});

test('what we have, and what lies at or below the last final block, is not asked for', () => {
  const desk = new Desk('a');
  assert.deepEqual(desk.missing(MAIN[7] as Link, 'a'), []);
  assert.deepEqual(desk.missing(first(grown(MAIN[1], 1, 1)), 'a'), []);
});

test('a branch that leaves ours below the last final block is dropped when that is seen', () => {
  const desk = new Desk('a');
  const fork = grown(MAIN[1], 6, 1);
  const ask = first(desk.missing(fork.at(-1) as Link, 'a'));
  const { imports, asked, reports } = desk.answer(ask.request, whole([...fork].reverse()));
  assert.deepEqual([imports, asked, reports], [[], [], []]);
});

/** Blocks beside the chain, no two alike. */
const forksOf = (count: number, salt = 1) =>
  Array.from({ length: count }, (_, i) => first(grown(MAIN[5], 1, salt + i)));

/** Which of these blocks are fetched, in order, whoever is asked having them all. */
function fetched(desk: Desk, forks: readonly Link[], asked: ReturnType<Desk['missing']>): number[] {
  const out: number[] = [];
  for (let next = asked; next.length > 0; ) {
    const { from } = first(next).ask;
    const at = forks.findIndex(({ hash }) => from.type === 'Hash' && equal(hash, from.value));
    out.push(at);
    next = desk.answer(first(next).request, whole([forks[at] as Link])).asked;
  }
  return out;
}

test('one is fetched at a time, and of those that wait the last eight of a peer are kept', () => {
  const desk = new Desk('a');
  const forks = forksOf(200);
  const ask = desk.missing(first(forks), 'a');
  assert.equal(ask.length, 1);
  for (const fork of forks.slice(1)) assert.deepEqual(desk.missing(fork, 'a'), []);
  assert.deepEqual(fetched(desk, forks, ask), [0, 192, 193, 194, 195, 196, 197, 198, 199]);
});

test('who names many blocks pushes out what he named himself, and nothing that another named too', () => {
  const desk = new Desk('liar', 'honest');
  const forks = forksOf(100);
  const ask = desk.missing(first(forks), 'honest');
  desk.missing(forks[1] as Link, 'honest');
  for (const at of [2, 3]) desk.missing(forks[at] as Link, 'liar');
  desk.missing(forks[2] as Link, 'honest');
  for (const fork of forks.slice(4)) desk.missing(fork, 'liar');
  assert.deepEqual(fetched(desk, forks, ask), [0, 1, 2, 92, 93, 94, 95, 96, 97, 98, 99]);
});

test('a full list makes room for who has named less than others', () => {
  const peers = ['a', 'b', 'c', 'd', 'e'];
  const desk = new Desk(...peers);
  const forks = forksOf(40);
  const ask = desk.missing(first(forks), 'a');
  for (let i = 0; i < 32; i++) desk.missing(forks[i + 1] as Link, peers[Math.floor(i / 8)] as string);
  desk.missing(forks[33] as Link, 'e');
  desk.missing(forks[34] as Link, 'a');
  const got = fetched(desk, forks, ask);
  assert.equal(got.length, 33);
  assert.deepEqual([got.includes(33), got.includes(34), got.includes(1), got.includes(9)], [true, true, false, false]);
});
