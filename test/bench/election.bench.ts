/**
 * # Election: what it costs to count one of 1,000 candidates and 20,000 voters with 16 approvals each.
 *
 * Row S1: CPU seconds of the process for 21 seats and everybody's shares, counted at once, garbage and all: the dearest
 * kind of votes. Kinds take turns. On a chain the same is counted by pages, a few in each block (docs/spec/staking.md);
 * the terms say what that takes without the state that it reads and writes.
 */
import { must } from '../../src/base/assert.ts';
import { type Bytes, compare } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { Dice } from '../../src/runtime/dice.ts';
import type { Election, Voter } from '../../src/runtime/election/ballots.ts';
import { seqPhragmen } from '../../src/runtime/election/phragmen.ts';
import {
  enter,
  newStanding,
  nextRound,
  type PagedBallot,
  seatOn,
  sharesOf,
} from '../../src/runtime/election/pieces.ts';
import { type BenchOptions, interleaved, type Row, rounded } from './measure.ts';

const SEATS = 21;
const CANDIDATES = 1_000;
const APPROVALS = 16;
const PAGE = 256;
/** CPU seconds of a whole election. */
const LIMIT_S = 2;

const account = (n: number): Bytes => blake2_256(Uint8Array.of(n & 255, (n >> 8) & 255, n >> 16));

/** An election whose voters choose by `pick`, each with up to 10^18 base units: 2^73 in all. */
function electionOf(voters: number, pick: (dice: Dice) => readonly number[]): Election {
  const dice = new Dice(new Uint8Array(32));
  const candidates = Array.from({ length: CANDIDATES }, (_, n) => account(n)).sort(compare);
  const voterOf = (_: unknown, i: number): Voter => ({
    who: account(CANDIDATES + i),
    stake: 10n ** 12n * BigInt(1 + dice.below(1_000_000)) + BigInt(dice.below(2 ** 32)),
    approves: pick(dice).map((n) => must(candidates[n], 'a candidate')),
  });
  return { seats: SEATS, candidates, voters: Array.from({ length: voters }, voterOf) };
}

function atRandom(dice: Dice): number[] {
  const picked = new Set<number>();
  while (picked.size < APPROVALS) picked.add(dice.below(CANDIDATES));
  return [...picked];
}

/** Every seat changes the load of every voter: as many terms as an election can have. */
const allAlike = () => Array.from({ length: APPROVALS }, (_, n) => n);

/** The count of the same election by pages, as blocks make it. */
function inPieces({ seats, candidates, voters }: Election): void {
  const standing = candidates.map((who) => newStanding(who, 0n));
  const pages: PagedBallot[][] = [];
  for (let i = 0; i < voters.length; i += PAGE) pages.push(enter(standing, voters.slice(i, i + PAGE)));
  for (let seat = 0; seat < seats; seat++) {
    const { place, round } = must(nextRound(standing), 'more stand than have seats');
    standing[place] = { ...must(standing[place], 'a place'), elected: true };
    if (round.score === undefined) continue;
    for (const [i, page] of pages.entries()) pages[i] = seatOn(page, standing, place, round.score) ?? page;
  }
  for (const ballot of pages.flat()) sharesOf(ballot);
}

export async function electionRows({ quick }: BenchOptions): Promise<Row[]> {
  const voters = quick ? 2_000 : 20_000;
  const [random, alike] = [electionOf(voters, atRandom), electionOf(voters, allAlike)];
  const ms = await interleaved(
    {
      random: () => seqPhragmen(random),
      alike: () => seqPhragmen(alike),
      randomByPages: () => inPieces(random),
      alikeByPages: () => inPieces(alike),
    },
    quick ? 3 : 5,
  );
  const seconds = (of: keyof typeof ms) => rounded(ms[of] / 1_000, 2);
  return [
    {
      id: 'S1',
      name: `CPU of an election of ${CANDIDATES} candidates and ${voters} voters`,
      value: Math.max(seconds('random'), seconds('alike')),
      unit: 's',
      must: LIMIT_S,
      better: 'less',
      terms: {
        randomS: seconds('random'),
        allAlikeS: seconds('alike'),
        randomByPagesS: seconds('randomByPages'),
        allAlikeByPagesS: seconds('alikeByPages'),
        seats: SEATS,
        approvals: APPROVALS,
      },
    },
  ];
}
