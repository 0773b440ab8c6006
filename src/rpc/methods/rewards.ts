/** # rewards_*: what was paid, to whom, why, and that nothing was minted. All amounts are decimal strings of units. */
import { z } from 'zod';
import * as compute from '../../runtime/compute-view.ts';
import { release } from '../../runtime/economy.ts';
import { account, count, optionalHash, stateAt } from '../params.ts';
import { type Method, method } from '../registry.ts';

const era = z.number().int().min(0).max(0xffff_ffff);

export function rewardsMethods(): Method[] {
  return [
    method('rewards_explain', [account, era.optional(), optionalHash], (context, who, asked, at) => {
      const { view, block } = stateAt(context, at);
      const last = Math.max(0, eraOf(block.number, context.backend.eraBlocks) - 1);
      const { earned, ...rest } = compute.explain(view, context.backend.runtime.spec, who, asked ?? last);
      return { ...rest, paidCompute: earned.compute, paidAuthor: earned.author, paidCheck: earned.check };
    }),
    method('rewards_era', [era.optional(), optionalHash], (context, asked, at) => {
      const { view, block } = stateAt(context, at);
      const index = asked ?? Math.max(0, eraOf(block.number, context.backend.eraBlocks) - 1);
      const record = compute.eraRecord(view, index);
      return record ? { era: index, ...record } : null;
    }),
    method('rewards_schedule', [count(10_000).optional(), optionalHash], (context, eras, at) => {
      const { rewards } = context.backend.runtime.spec;
      let pool = compute.poolLeft(stateAt(context, at).view);
      const out: { era: number; release: bigint; left: bigint }[] = [];
      const now = eraOf(stateAt(context, at).block.number, context.backend.eraBlocks);
      for (let i = 0; i < (eras ?? 24) && pool > 0n; i++) {
        const part = release(pool, rewards.releaseFactor, rewards.tail);
        pool -= part;
        out.push({ era: now + i, release: part, left: pool });
      }
      return out;
    }),
    method('rewards_supplyAudit', [optionalHash], (context, at) => compute.supplyAudit(stateAt(context, at).view)),
  ];
}

/** Blocks 1 .. eraBlocks are era 0. */
function eraOf(number: number, eraBlocks: number): number {
  return Math.floor(Math.max(0, number - 1) / eraBlocks);
}
