/** # Finality link: nothing leaves before what it rests on is on disk. Store, file and network say what was asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Watermark } from '../../src/consensus/finality/watermark.ts';
import { FinalityLink, type FinalityLinkParts } from '../../src/node/finality-link.ts';

const mark: Watermark = { id: new Uint8Array(32), setId: 0n, round: 1n, stage: 'prevote', votes: [] };
const message = Uint8Array.of(1);

function linkOf() {
  const happened: string[] = [];
  const fatal: unknown[] = [];
  const [flush, file] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const parts = {
    store: {
      flush: (sync: boolean) => {
        assert.equal(sync, true);
        return flush.promise;
      },
    },
    marks: { raise: () => file.promise },
    network: {
      publish: async (topic: string) => {
        happened.push(`publish ${topic}`);
      },
      request: async (peer: string, protocol: string) => {
        happened.push(`tell ${peer} ${protocol}`);
      },
      report: (peer: string) => happened.push(`report ${peer}`),
    },
    log: (level: string, text: string) => happened.push(`${level} ${text}`),
    onFatal: (error: unknown) => fatal.push(error),
  };
  const link = new FinalityLink(parts as unknown as FinalityLinkParts);
  const perform = (effect: Parameters<FinalityLink['perform']>[0]) => link.perform(effect, async () => undefined);
  return { link, perform, happened, fatal, flush, file };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a vote leaves when the store and the watermark are on disk, not before', async () => {
  const { perform, happened, flush, file, link } = linkOf();
  perform({ type: 'persist', mark });
  perform({ type: 'broadcast', message });
  perform({ type: 'tell', peer: 'bob', message });
  await turn();
  assert.deepEqual(happened, []);
  flush.resolve();
  await turn();
  assert.deepEqual(happened, []);
  file.resolve();
  await turn();
  assert.deepEqual(happened, ['publish finality', 'tell bob finality']);
  assert.deepEqual(link.said, { prevotes: 1, precommits: 0 });
});

for (const broken of ['flush', 'file'] as const) {
  test(`when the ${broken} fails it is fatal, and nothing leaves any more`, async () => {
    const parts = linkOf();
    const { perform, happened, fatal } = parts;
    perform({ type: 'persist', mark });
    perform({ type: 'broadcast', message });
    const error = new Error('no space');
    parts[broken].reject(error);
    await turn();
    perform({ type: 'broadcast', message });
    await turn();
    assert.deepEqual(happened, []);
    assert.deepEqual(fatal, [error]);
  });
}

test('an operator is told which key votes elsewhere, and what to do', () => {
  const { perform, happened } = linkOf();
  const id = new Uint8Array(32).fill(0xab);
  const [signature, target] = [new Uint8Array(64), { hash: id, number: 7 }];
  const vote = { stage: 'prevote', target, round: 5n, setId: 3n, signature, id } as const;
  perform({ type: 'doppelganger', vote, kind: 'earlier' });
  perform({ type: 'doppelganger', vote, kind: 'twin' });
  for (const line of happened)
    assert.match(line, /^warn finality: 0x(ab){32} voted in round 5 of set 3, .*: (if|stop) /);
  assert.match(happened.join(), /listens.*silent for the rest of the set/);
});

test('a message is passed on when the gadget relays it, and rejected when its sender is reported', () => {
  const { link, perform, happened } = linkOf();
  assert.equal(
    link.hear('bob', () => {}),
    'ignore',
  );
  assert.equal(
    link.hear('bob', () => perform({ type: 'relay' })),
    'accept',
  );
  const report = { type: 'report', peer: 'bob', score: -20 } as const;
  assert.equal(
    link.hear('bob', () => perform(report)),
    'reject',
  );
  assert.equal(
    link.hear('alice', () => perform(report)),
    'ignore',
    'it was somebody else',
  );
  assert.deepEqual(happened, ['report bob', 'report bob']);
});
