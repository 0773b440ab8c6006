import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, concat } from '../../src/base/bytes.ts';
import { RequestError } from '../../src/p2p/errors.ts';
import { ANSWER_HEAD, type Frame, type FrameStream, QUESTION_HEAD, readFrame } from '../../src/p2p/frames.ts';

type Listener = (event: { data: Bytes | Iterable<Bytes> }) => void;

/** A stream that delivers these parts, one after the other, and then ends. */
class Scripted implements FrameStream {
  readableEnded = false;
  readBufferLength = 0;
  status = 'open';
  private readonly listeners = new Map<string, Set<unknown>>();

  play(parts: readonly (Bytes | Bytes[])[]): void {
    queueMicrotask(() => {
      for (const data of parts) this.tell('message', data);
      this.readableEnded = true;
      this.tell('end', []);
    });
  }

  addEventListener(type: string, listener: unknown): void {
    this.listeners.set(type, (this.listeners.get(type) ?? new Set()).add(listener));
  }

  removeEventListener(type: string, listener: unknown): void {
    this.listeners.get(type)?.delete(listener);
  }

  send(): boolean {
    return true;
  }

  async close(): Promise<void> {}

  abort(): void {}

  private tell(type: string, data: Bytes | Bytes[]): void {
    for (const listener of this.listeners.get(type) ?? []) (listener as Listener)({ data });
  }
}

const never = new AbortController().signal;

function read(parts: readonly (Bytes | Bytes[])[], head: number, limit: number): Promise<Frame | RequestError> {
  const stream = new Scripted();
  stream.play(parts);
  return readFrame(stream, head, limit, never).catch((error: unknown) => {
    assert.ok(error instanceof RequestError, String(error));
    return error;
  });
}

/** Cuts bytes at the given places. */
function cut(bytes: Bytes, places: readonly number[]): Bytes[] {
  const at = [0, ...[...places].map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

function framed(head: number, payload: Bytes, length = payload.length): Bytes {
  const bytes = new Uint8Array(head);
  new DataView(bytes.buffer).setUint32(head - 4, length, true);
  return concat(bytes, payload);
}

test('a frame is the same however its bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      fc.boolean(),
      async (payload, places, answer) => {
        const head = answer ? ANSWER_HEAD : QUESTION_HEAD;
        const parts = cut(framed(head, payload), places);
        for (const form of [parts, [parts]]) {
          const frame = await read(form, head, payload.length);
          assert.deepEqual(frame, { status: 0, payload });
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a frame larger than the first buffer grows into its size', async () => {
  const payload = new Uint8Array(3_000_001).map((_, i) => i % 251);
  const places = Array.from({ length: 40 }, (_, i) => i * 75_000);
  const frame = await read(cut(framed(ANSWER_HEAD, payload), places), ANSWER_HEAD, payload.length);
  assert.ok(!(frame instanceof RequestError) && Buffer.from(frame.payload).equals(payload));
});

test('whatever the bytes, the reader gives a frame within its limit or a typed error', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.nat(), { maxLength: 5 }),
      fc.nat({ max: 30 }),
      async (bytes, places, limit) => {
        const frame = await read(cut(bytes, places), QUESTION_HEAD, limit);
        if (frame instanceof RequestError) {
          assert.ok(['TooLarge', 'Malformed', 'Disconnected'].includes(frame.code));
          return;
        }
        assert.ok(frame.payload.length <= limit);
        assert.deepEqual(framed(QUESTION_HEAD, frame.payload), bytes);
      },
    ),
    { numRuns: 3_000 },
  );
});

test('an announced length is refused by its number alone, and a late end is a timeout', async () => {
  const huge = await read([framed(QUESTION_HEAD, new Uint8Array(0), 0xffff_ffff)], QUESTION_HEAD, 1_000);
  assert.ok(huge instanceof RequestError && huge.code === 'TooLarge');
  const silent = readFrame(new Scripted(), QUESTION_HEAD, 10, AbortSignal.timeout(20));
  // The timer of an abort signal keeps no process alive: this one does.
  const alive = setTimeout(() => {}, 1_000);
  await assert.rejects(silent, { code: 'Timeout' });
  clearTimeout(alive);
});
