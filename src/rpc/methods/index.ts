/** # Methods: all of them, by area. */
import { type Method, method } from '../registry.ts';
import { archiveMethods } from './archive.ts';
import { authorMethods } from './author.ts';
import { chainMethods } from './chain.ts';
import { chainHeadMethods } from './chain-head.ts';
import { computeMethods } from './compute.ts';
import { minerMethods } from './miner.ts';
import { rewardsMethods } from './rewards.ts';
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
    ...computeMethods(),
    ...rewardsMethods(),
    ...minerMethods(),
    method('rpc_methods', [], ({ registry }) => ({ methods: registry.names() })),
  ];
}
