// Every final block in order, none skipped and none taken back, with the transfers in it: what an exchange credits.
// After a lost connection it goes on from the next height that was not seen.
// node examples/follow-finalized.mjs [ws://127.0.0.1:9944] [how many blocks] [from height]
import { ApiPromise, WsProvider } from '@polkadot/api';

const url = process.argv[2] ?? 'ws://127.0.0.1:9944';
const count = Number(process.argv[3] ?? Number.POSITIVE_INFINITY);
const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });

const head = async () => (await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead())).number.toNumber();
let next = Number(process.argv[4] ?? (await head()));
const end = next + count;

await new Promise((resolve, reject) => {
  let working = Promise.resolve();
  api.rpc.chain
    .subscribeFinalizedHeads((header) => {
      // One after the other: two notifications never work on the same heights.
      working = working.then(() => catchUp(header.number.toNumber())).catch(reject);
    })
    .catch(reject);

  async function catchUp(finalized) {
    for (; next <= finalized && next < end; next++) await look(next);
    if (next >= end) resolve();
  }
});
await api.disconnect();

async function look(number) {
  const hash = await api.rpc.chain.getBlockHash(number);
  const at = await api.at(hash);
  const events = await at.query.system.events();
  console.log(`#${number} ${hash.toHex()} final`);
  for (const { event } of events) {
    if (!at.events.balances.Transfer.is(event)) continue;
    const [from, to, amount] = event.data;
    console.log(`  transfer ${from} -> ${to} ${amount}`);
  }
}
