/** # Cheating miner: the production miner around a training thread that cheats. Arguments: node URL, token file, folder. */
import { readFileSync } from 'node:fs';
import { devIdentity, httpUrl } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { BlobClient } from '../../src/miner/blob-client.ts';
import { FragmentStore } from '../../src/miner/fragment-store.ts';
import { Miner } from '../../src/miner/miner.ts';

const [name = '', node = '', token = '', dir = ''] = process.argv.slice(2);
await installFastPaths();
const miner = new Miner({
  ...devIdentity(name),
  node,
  threads: 1,
  blobs: new BlobClient(httpUrl(node), readFileSync(token, 'utf8')),
  store: new FragmentStore(dir),
  onEvent: (event) => {
    if (event.type !== 'step') console.log(JSON.stringify(event));
  },
  trainer: new URL('./cheating-trainer.ts', import.meta.url),
});
miner.start();
process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
