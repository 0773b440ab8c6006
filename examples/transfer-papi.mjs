// A transfer with polkadot-api. Without generated descriptors calls are untyped; `npx papi add mai -w ws://127.0.0.1:9944`
// generates them from a running node, and `client.getTypedApi(mai)` then checks every argument.
// node examples/transfer-papi.mjs [ws://127.0.0.1:9944] [recipient]
import { Keyring } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { createClient, Enum } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';

const url = process.argv[2] ?? 'ws://127.0.0.1:9944';
const to = process.argv[3] ?? '5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty';

await cryptoWaitReady();
const alice = new Keyring({ type: 'sr25519' }).addFromUri('//Alice');
const signer = getPolkadotSigner(alice.publicKey, 'Sr25519', (message) => alice.sign(message));

const client = createClient(getWsProvider(url));
const api = client.getUnsafeApi();
const { tokenDecimals } = (await client.getChainSpecData()).properties;
const transfer = api.tx.Balances.transfer_keep_alive({ dest: Enum('Id', to), value: 10n ** BigInt(tokenDecimals) });

console.log(`fee: ${await transfer.getEstimatedFees(alice.address)}`);
const result = await transfer.signAndSubmit(signer);
if (!result.ok) throw new Error(`the transfer failed: ${JSON.stringify(result.dispatchError)}`);
for (const { type, value } of result.events) console.log(`event: ${type}.${value.type}`);
console.log(`final in block ${result.block.hash}`);
client.destroy();
