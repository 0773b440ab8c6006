// The training as the chain tells it: each job's round and held-out loss, and certificates as they are minted.
// Plain JSON-RPC over the WebSocket of Node or of a browser: no library is needed for compute_*.
// node examples/watch-certificates.mjs [ws://127.0.0.1:9944] [how many blocks]
const url = process.argv[2] ?? 'ws://127.0.0.1:9944';
const count = Number(process.argv[3] ?? Number.POSITIVE_INFINITY);

const socket = new WebSocket(url);
const waiting = new Map();
let onHead = () => {};
let calls = 0;

socket.addEventListener('message', ({ data }) => {
  const { id, result, error, method, params } = JSON.parse(data);
  if (method === 'chain_newHead') onHead(params.result);
  const answer = waiting.get(id);
  waiting.delete(id);
  if (error) answer?.reject(new Error(error.message));
  else answer?.resolve(result);
});
await new Promise((resolve, reject) => {
  socket.addEventListener('open', resolve);
  socket.addEventListener('error', () => reject(new Error(`cannot connect to ${url}`)));
});

function call(method, ...params) {
  const id = ++calls;
  socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

for (const { id } of await call('compute_jobs')) {
  const { r, phase, loss_before } = await call('compute_round', id);
  const { bigram } = await call('compute_baseline', id);
  console.log(`job ${id} round ${r} (${phase}): held-out loss ${loss_before} nats per byte, bigram model ${bigram}`);
}

// Certificates count up from 0: a height is no good place in them, their number is.
let [newest] = await call('compute_certificates', null, 1);
let next = newest ? Number(newest.id) + 1 : 0;
console.log(`certificates so far: ${next}`);

let seen = 0;
await new Promise((resolve, reject) => {
  onHead = async ({ number }) => {
    try {
      [newest] = await call('compute_certificates', null, 1);
      for (; newest && next <= Number(newest.id); next++) {
        console.log(`certificate ${next}: ${JSON.stringify(await call('compute_certificate', next))}`);
      }
      const block = await call('compute_block');
      console.log(`#${Number(number)} author ${block?.author} step ${block?.step} node ${block?.node}`);
      if (++seen >= count) resolve();
    } catch (error) {
      reject(error);
    }
  };
  call('chain_subscribeNewHeads').catch(reject);
});
socket.close();
