/**
 * # Lazy checker: accepts every segment that it is given without executing it. Arguments: name, node URL.
 *
 * What it says must be well formed, so it draws a digest by lot and commits to it like an honest one.
 */
import { randomBytes } from 'node:crypto';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { devChecker } from '../../src/cli/commands/miner.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import type { DutiesJson } from '../../src/miner/wire.ts';
import { jobsCall } from '../../src/miner/work-call.ts';
import { receiptOf } from '../../src/primitives/fragment.ts';

const [name = '', node = ''] = process.argv.slice(2);
await installFastPaths();
const { account, key } = devChecker(name);
const rpc = new RpcClient(node);
const said = new Map<string, { digest: Uint8Array; salt: Uint8Array }>();

rpc.subscribe('miner_subscribeDuties', [toHex(account)], (event) => {
  const { best, genesis, segments } = event as DutiesJson;
  for (const { id, segment, receiptAt } of segments) {
    const duty = `${id}/${segment}`;
    const { digest, salt } = said.get(duty) ?? { digest: randomBytes(32), salt: randomBytes(32) };
    said.set(duty, { digest, salt });
    const common = { fragment: fromHex(id), segment };
    const call =
      receiptAt === null
        ? jobsCall('receipt', { ...common, receipt: receiptOf(account, salt, digest) }, key, fromHex(genesis))
        : best.number >= receiptAt &&
          jobsCall('verdict', { ...common, accept: true, digest, salt }, key, fromHex(genesis));
    // What was sent before is refused as known.
    if (call) rpc.call('miner_submitFragment', [toHex(call)]).catch(() => {});
  }
});
process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
