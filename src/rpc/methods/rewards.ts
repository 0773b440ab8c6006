/** # rewards_*: what was paid, to whom, why, and that nothing was minted. All amounts are decimal strings of units. */
import * as compute from '../../runtime/compute-view.ts';
import { release } from '../../runtime/economy.ts';
import { account, integer, named, optional, optionalHash } from '../params.ts';
import { read, readMuch } from '../reading.ts';
import { type Method, method } from '../registry.ts';

const era = named('era', integer(0xffff_ffff));
/** Eras of a schedule, and how many there are without a number. */
const MAX_ERAS = 10_000;
const SOME_ERAS = 24;

export function rewardsMethods(): Method[] {
  return [
    method('rewards_explain', [account, optional(era), optionalHash], (context, who, asked, at) => {
      return readMuch(context, at, (view, block) => {
        const last = Math.max(0, eraOf(block.number, context.backend.eraBlocks) - 1);
        const { earned, ...rest } = compute.explain(view, context.backend.runtime.spec, who, asked ?? last);
        return { ...rest, paidCompute: earned.compute, paidAuthor: earned.author, paidCheck: earned.check };
      });
    }),
    method('rewards_era', [optional(era), optionalHash], (context, asked, at) => {
      return read(context, at, (view, block) => {
        const index = asked ?? Math.max(0, eraOf(block.number, context.backend.eraBlocks) - 1);
        const record = compute.eraRecord(view, index);
        return record ? { era: index, ...record } : null;
      });
    }),
    method('rewards_schedule', [optional(named('eras', integer(MAX_ERAS))), optionalHash], (context, eras, at) => {
      return readMuch(context, at, (view, block) => {
        const { rewards } = context.backend.runtime.spec;
        const now = eraOf(block.number, context.backend.eraBlocks);
        const out: { era: number; release: bigint; left: bigint }[] = [];
        let pool = compute.poolLeft(view);
        for (let i = 0; i < (eras ?? SOME_ERAS) && pool > 0n; i++) {
          const part = release(pool, rewards.releaseFactor, rewards.tail);
          pool -= part;
          out.push({ era: now + i, release: part, left: pool });
        }
        return out;
      });
    }),
    method('rewards_supplyAudit', [optionalHash], (context, at) => readMuch(context, at, compute.supplyAudit)),
  ];
}

/** Blocks 1 .. eraBlocks are era 0. */
function eraOf(number: number, eraBlocks: number): number {
  return Math.floor(Math.max(0, number - 1) / eraBlocks);
}
