/** # Drive: the loop gives everybody a turn. Machines and adapters are stand-ins that say what the loop asks of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthorInput, Submission } from '../../src/consensus/author.ts';
import type { ChainInput } from '../../src/consensus/chain.ts';
import { Drive, type DriveParts } from '../../src/node/drive.ts';
import { StoreError } from '../../src/state/errors.ts';
import { TransactionsBatch } from '../../src/sync/messages.ts';

/** Longer than the loop works on a block before it goes round. */
const TURN_MS = 5;

/**
 * A drive whose sync hands over `count` blocks at its first step, and what happens in which order. A block is done
 * after `steps` steps, each of which takes longer than a turn may.
 */
function driveOf(count: number, steps = 1) {
  const happened: string[] = [];
  let left = 0;
  const bytes = new Uint8Array();
  const block = { header: bytes, opening: bytes, extrinsics: [], from: 'peer' };
  const imports = Array.from({ length: count }, () => ({ type: 'import', block }));
  const parts = {
    chain: {
      step(_now: number, input: ChainInput) {
        if (input.type === 'block') {
          happened.push('block');
          left = steps;
        } else if (left > 0) {
          happened.push('more');
        }
        if (steps > 1) burn(TURN_MS);
        left = Math.max(0, left - 1);
        return [];
      },
      wakeAt: () => (left > 0 ? 0 : undefined),
    },
    sync: { step: () => imports.splice(0), wakeAt: () => undefined },
    network: { onGossip() {}, onPeer() {}, handle() {}, peers: () => [] },
    onFatal(error: unknown) {
      throw error;
    },
  };
  return { drive: new Drive(parts as unknown as DriveParts), happened };
}

/** Holds the thread, as work does. */
function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Lets the event loop go round, and notes each time that it did. */
async function rounds(happened: string[], count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    happened.push('others');
  }
}

test('of blocks that come at once each is imported in its own turn, so that others are served in between', async () => {
  const { drive, happened } = driveOf(3);
  drive.start();
  await rounds(happened, 4);
  drive.stop();
  assert.deepEqual(happened, ['block', 'others', 'block', 'others', 'block', 'others', 'others']);
});

test('a block that takes long is done over several turns, before the next one', async () => {
  const { drive, happened } = driveOf(2, 3);
  drive.start();
  await rounds(happened, 7);
  drive.stop();
  const turn = (what: string) => [what, 'others'];
  const block = [...turn('block'), ...turn('more'), ...turn('more')];
  assert.deepEqual(happened, [...block, ...block, 'others']);
});

test('a drive that was stopped imports nothing more', async () => {
  const { drive, happened } = driveOf(3);
  drive.start();
  await rounds(happened, 1);
  drive.stop();
  await rounds(happened, 3);
  assert.deepEqual(
    happened.filter((one) => one === 'block'),
    ['block'],
  );
});

test('after a failed write no machine is stepped any more, and nothing is told', async () => {
  const happened: string[] = [];
  const bytes = new Uint8Array();
  const block = { header: bytes, opening: bytes, extrinsics: [], from: 'peer' };
  const imports = Array.from({ length: 3 }, () => ({ type: 'import', block }));
  const parts = {
    chain: {
      step(_now: number, input: ChainInput) {
        if (input.type !== 'block') return [];
        happened.push('block');
        return [{ type: 'flush', sync: true }];
      },
      wakeAt: () => undefined,
    },
    store: { flush: () => Promise.reject(new StoreError('DiskError', 'full')) },
    sync: { step: () => imports.splice(0), wakeAt: () => undefined },
    network: { onGossip() {}, onPeer() {}, handle() {}, peers: () => [] },
    onFatal: (error: unknown) => happened.push(error instanceof StoreError ? error.code : String(error)),
  };
  const drive = new Drive(parts as unknown as DriveParts);
  drive.start();
  await rounds(happened, 4);
  drive.stop();
  assert.deepEqual(happened, ['block', 'DiskError', 'others', 'others', 'others', 'others']);
});

test('what waits hangs on the clock that only runs forward, whatever is done to the one on the wall', async () => {
  const clock = { steady: 1_000, wall: 1_000 };
  const stepped: number[] = [];
  const parts = {
    clocks: { steady: () => clock.steady, wall: () => clock.wall },
    chain: {
      step(now: number, _input: ChainInput, wall: number) {
        stepped.push(now, wall);
        return [];
      },
      // 20 ms after it was stepped last.
      wakeAt: () => (stepped.length < 4 ? (stepped.at(-2) ?? 0) + 20 : undefined),
    },
    sync: { step: () => [], wakeAt: () => undefined },
    network: { onGossip() {}, onPeer() {}, handle() {}, peers: () => [] },
  };
  const drive = new Drive(parts as unknown as DriveParts);
  drive.start();
  // Back by an hour: a timer that went by it would wait as long.
  clock.wall -= 3_600_000;
  clock.steady += 20;
  while (stepped.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  drive.stop();
  assert.deepEqual(stepped, [1_000, 1_000, 1_020, -3_599_000]);
});

test('while blocks may not be made no miner counts and no ticket is taken', async () => {
  const counts: number[] = [];
  const best = { hash: new Uint8Array(32), number: 7 };
  const parts = {
    author: {
      step(_now: number, input: AuthorInput) {
        if (input.type === 'miners') counts.push(input.count);
        return [];
      },
      wakeAt: () => undefined,
    },
    sync: { isSyncing: () => false },
    store: { best },
  };
  const drive = new Drive(parts as unknown as DriveParts);
  drive.addMiner();
  drive.setAuthoring(false, 'disk');
  const leave = drive.addMiner();
  assert.deepEqual(await drive.submitTicket({} as Submission), { error: { code: 'UnknownTemplate', best } });
  leave();
  drive.setAuthoring(true, 'disk');
  assert.deepEqual(counts, [1, 0, 0, 0, 1]);
});

/** A drive with threads that verify: what they are asked, and what the pool is given. */
function driveAhead(checked: Promise<void> | undefined) {
  const happened: string[] = [];
  const handlers = new Map<string, (payload: Uint8Array, from: string) => Promise<Uint8Array>>();
  let heard: ((topic: string, data: Uint8Array, from: string) => unknown) | undefined;
  const bytes = new Uint8Array();
  const blocks = Array.from({ length: 2 }, () => {
    return { type: 'import', block: { header: bytes, opening: bytes, extrinsics: [], from: 'peer' } };
  });
  const parts = {
    ahead: {
      blocks: (waiting: readonly unknown[]) => happened.push(`ahead of ${waiting.length}`),
      transactions: () => checked,
    },
    chain: {
      step: (_now: number, { type }: ChainInput) => {
        if (type === 'block') happened.push('block');
        return [];
      },
      wakeAt: () => undefined,
    },
    sync: { step: () => blocks.splice(0), wakeAt: () => undefined, isSyncing: () => true },
    author: { step: () => [], wakeAt: () => undefined },
    pool: {
      step: (_now: number, { type }: { type: string }) => {
        happened.push(type);
        return [];
      },
    },
    network: {
      onGossip: (handler: typeof heard) => {
        heard = handler;
      },
      onPeer() {},
      peers: () => [],
      handle: (name: string, handler: (payload: Uint8Array, from: string) => Promise<Uint8Array>) =>
        handlers.set(name, handler),
    },
    onFatal(error: unknown) {
      throw error;
    },
  };
  const drive = new Drive(parts as unknown as DriveParts);
  drive.start();
  const batch = TransactionsBatch.enc({ repeat: 0, extrinsics: [Uint8Array.of(4, 4)] });
  return {
    drive,
    happened,
    tell: () => handlers.get('transactions')?.(batch, 'peer'),
    gossip: (data = batch) => heard?.('transactions', data, 'peer'),
  };
}

test('each time before a block is taken, those that wait are read ahead', async () => {
  const { drive, happened } = driveAhead(undefined);
  await rounds(happened, 3);
  drive.stop();
  assert.deepEqual(happened, ['ahead of 2', 'block', 'others', 'ahead of 1', 'block', 'others', 'others']);
});

test('transactions that threads look at reach the pool when they have, and only then have a verdict', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { drive, happened, tell, gossip } = driveAhead(promise);
  const [told, verdict] = [tell(), gossip()];
  await rounds([], 3);
  assert.equal(happened.includes('gossip'), false);
  resolve();
  assert.deepEqual(await told, new Uint8Array(0));
  assert.equal(await verdict, 'accept');
  assert.deepEqual(
    happened.filter((one) => one === 'gossip'),
    ['gossip', 'gossip'],
  );
  drive.stop();
  const late = gossip();
  assert.equal(await late, 'accept');
  assert.equal(happened.filter((one) => one === 'gossip').length, 2, 'a stopped drive takes nothing more');
});

test('transactions that no thread looks at reach the pool at once, and nonsense is rejected either way', async () => {
  const { drive, happened, gossip } = driveAhead(undefined);
  assert.equal(gossip(), 'accept');
  assert.equal(happened.at(-1), 'gossip');
  assert.equal(gossip(new Uint8Array(3)), 'reject');
  drive.stop();
});
