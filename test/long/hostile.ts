/**
 * # Hostile: `npm run test:hostile` besieges a node for two minutes and leaves it alone for one (ADVERSARY.md section 2,
 * RPC hostile): an honest client is served within 3 s throughout, memory grows by less than 300 MB and comes back.
 */
import { siege } from '../rpc/siege.ts';

const SECONDS = Number(process.argv[2] ?? 120);
const REST_SECONDS = 60;
let missed = 0;

function check(holds: boolean, what: string): void {
  if (!holds) missed++;
  console.log(`${holds ? 'ok    ' : 'MISSED'} ${what}`);
}

const { done, honest, blocks, memory, faults } = await siege({ seconds: SECONDS, restSeconds: REST_SECONDS });
for (const [name, times] of done) check(times > 0, `${name}: ${times}`);
check((done.get('10,000 mutated extrinsics') ?? 0) >= 10_000, 'ten thousand mutated extrinsics were refused by name');
check(
  honest.worstMs < 3_000,
  `the honest client got ${honest.answers} answers, the slowest in ${honest.worstMs | 0} ms`,
);
check(blocks > 0, `${blocks} blocks were made meanwhile`);
const [before, peak, after] = [memory.before, memory.peak, memory.after].map(Math.round) as [number, number, number];
check(peak - before < 300, `memory: ${before} MiB before, ${peak} at most (300 more allowed)`);
check(after - before < 50, `memory ${REST_SECONDS} s after: ${after} MiB (50 more allowed)`);
check(faults.length === 0, `${faults.length} faults in the node's log ${faults.slice(0, 3).join(' | ')}`);
console.log(missed === 0 ? '1 passed, 0 failed' : `${missed} missed`);
process.exit(missed === 0 ? 0 : 1);
