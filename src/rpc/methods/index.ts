/** # Methods: all of them, by area. */

import { openRpc } from '../open-rpc.ts';
import { type Method, method } from '../registry.ts';
import { archiveMethods } from './archive.ts';
import { authorMethods } from './author.ts';
import { chainMethods } from './chain.ts';
import { chainHeadMethods } from './chain-head.ts';
import { computeMethods } from './compute.ts';
import { grandpaMethods } from './grandpa.ts';
import { minerMethods } from './miner.ts';
import { rewardsMethods } from './rewards.ts';
import { stakingMethods } from './staking.ts';
import { stateMethods } from './state.ts';
import { systemMethods } from './system.ts';
import { transactionMethods } from './transaction.ts';

/** Every method that this node answers. */
export function allMethods(): Method[] {
  return [
    ...systemMethods(),
    ...chainMethods(),
    ...stateMethods(),
    ...authorMethods(),
    ...chainHeadMethods(),
    ...transactionMethods(),
    ...archiveMethods(),
    ...grandpaMethods(),
    ...computeMethods(),
    ...rewardsMethods(),
    ...stakingMethods(),
    ...minerMethods(),
    method('rpc_methods', [], ({ registry }) => ({ methods: registry.names() })),
    discoverMethod(),
  ];
}

/** The table does not change under a running node: the document is made once. */
function discoverMethod(): Method {
  let known: unknown;
  return method('rpc.discover', [], ({ registry, backend }) => {
    known ??= openRpc(registry, { title: `${backend.nodeName} JSON-RPC`, version: backend.nodeVersion });
    return known;
  });
}
