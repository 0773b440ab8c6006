/** # Sync server: a node in a process of its own, for who measures another one that syncs from it. */
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { grandpaSlotsSpec } from '../node/grandpa-slots.ts';
import { lonelyNode } from '../rpc/dev-node.ts';
import { openPorts } from './sync.bench.ts';

const [basePath = ''] = process.argv.slice(2);
await installFastPaths();
const node = await lonelyNode(basePath, { spec: grandpaSlotsSpec(), specSource: 'slots', p2p: openPorts([]) });
process.send?.({ addresses: node.network.addresses() });
process.once('disconnect', () => void node.stop().then(() => process.exit(0)));
