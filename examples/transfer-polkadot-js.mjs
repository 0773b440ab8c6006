// Estimates the fee of a transfer, sends it and waits until it is final.
// node examples/transfer-polkadot-js.mjs [ws://127.0.0.1:9944] [recipient]
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';

const url = process.argv[2] ?? 'ws://127.0.0.1:9944';
const to = process.argv[3] ?? '5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty';

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const alice = new Keyring({ type: 'sr25519' }).addFromUri('//Alice');
const amount = 10n ** BigInt(api.registry.chainDecimals[0]);
const transfer = api.tx.balances.transferKeepAlive(to, amount);

const { partialFee } = await transfer.paymentInfo(alice);
console.log(`fee: ${api.createType('Balance', partialFee).toHuman()}`);

const result = await new Promise((resolve, reject) => {
  transfer
    .signAndSend(alice, (update) => {
      console.log(`status: ${update.status.type}`);
      if (update.isError) reject(new Error(update.status.type));
      if (update.isFinalized) resolve(update);
    })
    .catch(reject);
});
if (result.dispatchError) throw new Error(`the transfer failed: ${result.dispatchError}`);
for (const { event } of result.events) console.log(`event: ${event.section}.${event.method}`);
console.log(`final in block ${result.status.asFinalized.toHex()}`);
await api.disconnect();
