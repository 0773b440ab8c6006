/**
 * # Attacks: what a hostile client does to the port, row by row of ADVERSARY.md (R1 to R12).
 *
 * Always true: an attack knows how it must be answered and throws when it is answered otherwise; it goes on until it is
 * told to end, and then lets go of everything.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Answer, call, post } from './stub.ts';

export interface Target {
  readonly http: string;
  readonly ws: string;
  readonly port: number;
  /** Signed extrinsics, valid or not any more. */
  readonly extrinsics: readonly string[];
}

export interface Attack {
  readonly name: string;
  /** What it did when `isOver` became true: how often. */
  run(target: Target, isOver: () => boolean): Promise<number>;
}

const JSON_HEADERS = { 'content-type': 'application/json' };
const request = (method: string, params: unknown): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });

/** Repeats `work`, which says how often it did its thing. */
function again(name: string, work: (target: Target, round: number) => Promise<number>, pauseMs = 0): Attack {
  return {
    name,
    async run(target, isOver) {
      let done = 0;
      for (let round = 0; !isOver(); round++) {
        done += await work(target, round);
        if (pauseMs > 0) await pause(pauseMs);
      }
      return done;
    },
  };
}

/** Bodies over HTTP, each with the code that it must be answered with. */
function bodies(name: string, cases: readonly (readonly [body: string, code: number])[]): Attack {
  return again(name, async ({ http }) => {
    for (const [body, code] of cases) {
      const { answer } = await post(http, body);
      assert.equal(answer.error?.code, code, `${name}: ${body.slice(0, 60)}`);
    }
    return cases.length;
  });
}

/** A random number generator that gives the same attack again. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function openSocket(url: string, options: object = {}): Promise<WebSocket | undefined> {
  const socket = new WebSocket(url, options);
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.once('open', () => resolve(socket));
    socket.once('close', () => resolve(undefined));
  });
}

const malformed = bodies('R1 malformed JSON and wrong versions', [
  ['', -32700],
  ['{', -32700],
  ['{"jsonrpc":"2.0","id":1,"method":"system_chain"', -32700],
  ['\u0000', -32700],
  ['nul', -32700],
  ['1', -32600],
  ['"x"', -32600],
  ['null', -32600],
  ['{"jsonrpc":"1.0","id":1,"method":"system_chain"}', -32600],
  ['{"id":1,"method":"system_chain"}', -32600],
  ['{"jsonrpc":"2.0","id":{},"method":"system_chain"}', -32600],
  ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
]);

const batches = bodies('R2 a batch of 10,000', [
  [`[${Array(10_000).fill('{"jsonrpc":"2.0","id":1,"method":"system_chain"}').join(',')}]`, -32010],
]);

/** 50 MB that nobody may keep: refused by its announced length, and cut off where no length was announced. */
const large = again('R1 a body of 50 MB', async ({ port, http }) => {
  const length = 50 * 1_048_576;
  const head = `POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`;
  for (const framing of [`content-length: ${length}`, 'transfer-encoding: chunked']) {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.on('data', (data) => {
      heard += data.toString();
    });
    const closed = new Promise<void>((resolve) => {
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
    socket.write(`${head}${framing}\r\n\r\n`);
    const piece = `[${' '.repeat(65_534)}]`;
    const part = framing.startsWith('transfer') ? `10000\r\n${piece}\r\n` : piece;
    for (let sent = 0; sent < length && !socket.destroyed && heard === ''; sent += piece.length) {
      if (!socket.write(part)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
    }
    await Promise.race([closed, pause(1_000)]);
    socket.destroy();
    assert.ok(heard === '' || /^HTTP\/1\.1 4(13|00)/.test(heard), heard.slice(0, 80));
  }
  assert.equal((await post(http, request('system_chain', []))).status, 200);
  return 2;
});

const deep = bodies('R3 nesting 10,000 deep', [
  [`${'['.repeat(10_000)}${']'.repeat(10_000)}`, -32700],
  [`{"a":`.repeat(10_000), -32700],
]);

const names = bodies(
  'R8 unknown methods and names of prototypes',
  [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'rpc',
    'system_',
    'system_chain ',
    'x'.repeat(100_000),
  ].map((name): readonly [string, number] => [request(name, []), -32601]),
);

const hexes = bodies(
  'bad hex and bad parameters',
  [
    ['state_getStorage', ['0x0']],
    ['state_getStorage', ['0xgg']],
    ['state_getStorage', ['0x\u0130\u0130']],
    ['state_getKeysPaged', ['0x', 1e9]],
    ['state_queryStorageAt', [Array(1_001).fill('0x')]],
    ['chain_getBlock', ['0x00']],
    ['chain_getBlockHash', [-1]],
    ['author_submitExtrinsic', [{ __proto__: null }]],
    ['system_accountNextIndex', ['5'.repeat(10_000)]],
  ].map(([method, params]): readonly [string, number] => [request(method as string, params), -32602]),
);

const unsafe = bodies(
  'R10 unsafe methods',
  ['system_peers', 'system_addReservedPeer', 'system_removeReservedPeer'].map((name): readonly [string, number] => [
    request(name, ['x']),
    -32601,
  ]),
);

/** Every refusal is one of the pool's own codes: never a fault, never a stack. */
const mutants: Attack = {
  name: '10,000 mutated extrinsics',
  async run({ ws, extrinsics }, isOver) {
    const random = generator(1);
    const socket = await openSocket(ws);
    assert.ok(socket);
    let [answered, sent] = [0, 0];
    const fault = Promise.withResolvers<never>();
    socket.on('message', (data) => {
      const { error } = JSON.parse(data.toString()) as Answer;
      answered++;
      const isNamed = error === undefined || (error.code >= 1_000 && error.code < 1_100) || error.code === -32602;
      if (!isNamed) fault.reject(new Error(`a mutated extrinsic was answered ${JSON.stringify(error)}`));
    });
    while (!isOver() || answered < sent) {
      if (!isOver() && sent - answered < 64) {
        const text = mutated(extrinsics[sent % extrinsics.length] as string, random);
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: sent++, method: 'author_submitExtrinsic', params: [text] }));
      } else await Promise.race([pause(1), fault.promise]);
      assert.equal(socket.readyState, WebSocket.OPEN);
    }
    socket.terminate();
    return answered;
  },
};

function mutated(extrinsic: string, random: (below: number) => number): string {
  const bytes = Buffer.from(extrinsic.slice(2), 'hex');
  for (let changes = 1 + random(3); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
  const cut = random(4) === 0 ? random(bytes.length) : bytes.length;
  const tail = random(8) === 0 ? Buffer.alloc(random(300), random(256)) : Buffer.alloc(0);
  return `0x${Buffer.concat([bytes.subarray(0, cut), tail]).toString('hex')}`;
}

/** Subscribes on many sockets until each is full. */
const subscriptions: Attack = {
  name: 'R5 a flood of subscriptions',
  async run({ ws }, isOver) {
    let refused = 0;
    while (!isOver()) {
      const sockets = (await Promise.all(Array.from({ length: 10 }, () => openSocket(ws)))).filter((one) => one);
      await Promise.all(
        (sockets as WebSocket[]).map(async (socket) => {
          socket.on('message', (data) => {
            const { error } = JSON.parse(data.toString()) as Answer;
            if (error) assert.equal(error.code, -32006);
            if (error) refused++;
          });
          for (let i = 0; i < 300; i++) socket.send(request('chain_subscribeAllHeads', []));
          await pause(1_000);
          socket.terminate();
        }),
      );
    }
    assert.ok(refused > 0, 'some subscriptions were one too many');
    return refused;
  },
};

/** Subscribes to a thousand keys and to heads, and never reads again. */
const silent: Attack = {
  name: 'R5 subscribers that never read',
  async run({ port }, isOver) {
    const sockets: Socket[] = [];
    for (let i = 0; i < 8; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      sockets.push(socket);
      socket.write(
        'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
          'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      await Promise.race([new Promise((resolve) => socket.once('data', resolve)), pause(1_000)]);
      socket.pause();
    }
    let sent = 0;
    while (!isOver()) {
      for (const socket of sockets) {
        if (!socket.writable || socket.writableLength > 65_536) continue;
        socket.write(frame(request('chain_subscribeAllHeads', [])));
        socket.write(frame(request('state_getMetadata', [])));
        sent += 2;
      }
      await pause(20);
    }
    for (const socket of sockets) socket.destroy();
    return sent;
  },
};

/** A masked text frame of up to 64 KB, with a mask of zeros. */
function frame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? Buffer.of(0x81, 0x80 | length) : Buffer.of(0x81, 0xfe, length >> 8, length & 255);
  return Buffer.concat([head, Buffer.alloc(4), Buffer.from(text)]);
}

/** Opens sockets and says half a sentence; not all of them, so that others find room. */
const halfOpen: Attack = {
  name: 'R4 half-open sockets',
  async run({ port }, isOver) {
    const openings = ['', 'POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n', 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: w'];
    const sockets = new Set<Socket>();
    let opened = 0;
    while (!isOver()) {
      while (sockets.size < 40) {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
        socket.write(openings[opened++ % openings.length] as string);
        sockets.add(socket);
      }
      await pause(50);
    }
    for (const socket of sockets) socket.destroy();
    return opened;
  },
};

const doors = again('R7 wrong Host, Origin and content type', async ({ http, ws, port }) => {
  const body = request('system_chain', []);
  const origin = { ...JSON_HEADERS, origin: 'https://evil.example' };
  assert.equal((await post(http, body, origin)).status, 403);
  assert.equal((await post(http, body, { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post(http, body, { ...JSON_HEADERS, 'content-encoding': 'gzip' })).status, 415);
  const rebound = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`POST / HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`);
    });
    socket.on('error', () => resolve(''));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
  });
  assert.match(rebound, /^HTTP\/1\.1 403/);
  assert.equal(await openSocket(ws, { origin: 'https://evil.example' }), undefined);
  return 5;
});

const paths = again('R6 paths out of the blob folder, R9 words of this machine', async ({ http }) => {
  for (const path of [
    '../../etc/passwd',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '..%5c..%5c',
    `${'0'.repeat(64)}/../../x`,
  ]) {
    const response = await fetch(`${http}v1/blobs/${path}`);
    const text = await response.text();
    assert.ok(response.status === 400 || response.status === 404, `${path}: ${response.status}`);
    assert.doesNotMatch(text, /root:|at .*\.ts:|node_modules|\/home|\/tmp/);
  }
  return 4;
});

const dear = again('R11 and R12 dear reads, and many of them', async ({ http }) => {
  const keys = (await call(http, 'state_getKeysPaged', ['0x', 1_000])).result as string[];
  const head = (await call(http, 'chain_getBlockHash', [0])).result;
  const calls = [
    ['state_getReadProof', [keys]],
    ['state_queryStorageAt', [keys]],
    ['state_queryStorage', [keys, head]],
    ['state_call', ['Metadata_metadata_at_version', '0x10000000']],
    ['rewards_supplyAudit', []],
  ] as const;
  const asked = Array.from({ length: 20 }, (_, i) => calls[i % calls.length] as (typeof calls)[number]);
  const answers = await Promise.all(asked.map(([method, params]) => call(http, method, params)));
  for (const { error } of answers) assert.ok(error === undefined || error.code === -32602 || error.code === 4003);
  return answers.length;
});

/** All of them. */
export const ATTACKS: readonly Attack[] = [
  malformed,
  batches,
  large,
  deep,
  names,
  hexes,
  unsafe,
  mutants,
  subscriptions,
  silent,
  halfOpen,
  doors,
  paths,
  dear,
];
