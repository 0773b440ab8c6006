/** # staking_*: how seats were given, and how their pay is divided. Amounts and scores are decimal strings. */
import { electionTrace, presentEra, rewardSplit } from '../../runtime/stake-view.ts';
import { toHex } from '../hex.ts';
import { integer, named, optional, optionalHash } from '../params.ts';
import { read } from '../reading.ts';
import { type Method, method } from '../registry.ts';

const era = named('era', integer(0xffff_ffff));

export function stakingMethods(): Method[] {
  return [
    method('staking_electionTrace', [optional(era), optionalHash], (context, asked, at) => {
      return read(context, at, (view) => {
        const trace = electionTrace(view, asked ?? presentEra(view) ?? 0);
        if (trace === undefined) return null;
        const rounds = trace.rounds.map(({ who, runnerUp, score, ...round }) => ({
          who: toHex(who),
          ...round,
          score: score ?? null,
          runnerUp: runnerUp ? { who: toHex(runnerUp.who), score: runnerUp.score ?? null } : null,
        }));
        const seats = trace.seats.map(({ who, kind, ...seat }) => ({ who: toHex(who), kind: kind.type, ...seat }));
        return { ...trace, rounds, seats };
      });
    }),
    method('staking_rewardSplit', [optional(era), optionalHash], (context, asked, at) => {
      return read(context, at, (view) => {
        const split = rewardSplit(view, asked ?? Math.max(0, (presentEra(view) ?? 0) - 1));
        if (split === undefined) return null;
        const { sums, points, ...rest } = split;
        const { winners_stake, losers_votes, losers_stake } = sums;
        return {
          ...rest,
          winnersStake: winners_stake,
          losersVotes: losers_votes,
          losersStake: losers_stake,
          points: points.map(([who, count]) => ({ who: toHex(who), count })),
        };
      });
    }),
  ];
}
