/**
 * # Transfers: what signed transfers cost a server from its port into a block, beside other chains' servers.
 *
 * Rows G3 and G5: transfers per CPU-second of the server's process, between the first submission and the last
 * inclusion. Both servers live throughout and take turns, the first of which only warms up; they are spoken to by the
 * same client, over one WebSocket, with as many calls on their way. Mining our blocks is left out: it is the miner's.
 */
import { allIncluded, anvil, type Contestant, chopsticks, ours, sendAll } from './contestants.ts';
import { type BenchOptions, median, type Row, rounded } from './measure.ts';
import { PeerMissing } from './peers.ts';
import { cpuSeconds } from './server.ts';

const SENDERS = 200;
const ROUND_LIMIT_MS = 120_000;

interface Sizes {
  readonly rounds: number;
  /** Transfers of each sender in a round. */
  readonly each: number;
}

interface Rival {
  readonly id: string;
  readonly name: string;
  readonly must: number;
  readonly start: (senders: number) => Promise<Contestant>;
  /** Of its own: it may be much slower. */
  readonly senders: number;
  readonly sizes: (quick: boolean) => Sizes;
}

const RIVALS: readonly Rival[] = [
  {
    id: 'G3',
    name: 'anvil',
    must: 0.4,
    start: anvil,
    senders: SENDERS,
    sizes: (quick) => ({ rounds: quick ? 3 : 5, each: quick ? 5 : 10 }),
  },
  {
    id: 'G5',
    name: 'chopsticks',
    must: 50,
    start: chopsticks,
    senders: 20,
    sizes: (quick) => ({ rounds: quick ? 3 : 5, each: quick ? 1 : 3 }),
  },
];

/** Has `each` transfers of every sender included; transfers per CPU-second of the server. */
async function include(chain: Contestant, senders: number, round: number, each: number): Promise<number> {
  const nonces = Array.from({ length: each }, (_, i) => round * each + i);
  const signed = nonces.flatMap((nonce) => Array.from({ length: senders }, (_, sender) => chain.sign(sender, nonce)));
  const before = cpuSeconds(chain.server);
  await sendAll(chain, signed);
  await allIncluded(chain, senders, (round + 1) * each, ROUND_LIMIT_MS);
  const seconds = cpuSeconds(chain.server) - before;
  const received = await chain.received();
  const sent = (round + 1) * each * senders;
  if (received !== sent) throw new Error(`${received} of ${sent} transfers arrived`);
  return signed.length / seconds;
}

/** Transfers per CPU-second of anvil's process, of row G3's senders. Rejects with PeerMissing. */
export async function anvilRate({ quick }: BenchOptions): Promise<number> {
  const [rival] = RIVALS as readonly [Rival];
  const { rounds, each } = rival.sizes(quick);
  const peer = await rival.start(rival.senders);
  const rates: number[] = [];
  try {
    for (let round = 0; round <= rounds; round++) rates.push(await include(peer, rival.senders, round, each));
  } finally {
    await peer.stop();
  }
  return median(rates.slice(1));
}

/** The peer, or why there is none. */
async function started(rival: Rival): Promise<Contestant | string> {
  try {
    return await rival.start(rival.senders);
  } catch (error) {
    if (error instanceof PeerMissing) return error.message;
    throw error;
  }
}

/** Row G3 or G5; without a ratio where the peer is missing. */
export async function transferRow(id: 'G3' | 'G5', { quick }: BenchOptions): Promise<Row[]> {
  const rival = RIVALS.find((one) => one.id === id) as Rival;
  if (process.platform !== 'linux') return [];
  const [mine, its] = [{ rounds: 0, each: quick ? 5 : 10 }, rival.sizes(quick)];
  const { rounds } = its;
  const node = await ours(SENDERS);
  node.mine();
  const peer = await started(rival).catch(async (error: unknown) => {
    await node.stop();
    throw error;
  });
  const rates: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  try {
    for (let round = 0; round <= rounds; round++) {
      const our = await include(node, SENDERS, round, mine.each);
      const their = typeof peer === 'string' ? 0 : await include(peer, rival.senders, round, its.each);
      if (round === 0) continue;
      rates.ours.push(our);
      rates.theirs.push(their);
    }
  } finally {
    await node.stop();
    if (typeof peer !== 'string') await peer.stop();
  }
  const perCpuSecond = rounded(median(rates.ours), 0);
  const common = { id, better: 'more' } as const;
  const terms = { perCpuSecond, transfersPerRound: SENDERS * mine.each, rounds };
  if (typeof peer === 'string') {
    const name = `transfers per CPU-second; ${rival.name} is missing`;
    return [{ ...common, name, value: perCpuSecond, unit: '/s', must: undefined, terms: { ...terms, missing: peer } }];
  }
  const theirs = median(rates.theirs);
  return [
    {
      ...common,
      name: `sr25519 transfers through the port into blocks / ${rival.name}`,
      value: rounded(median(rates.ours) / theirs, 2),
      unit: 'x',
      must: rival.must,
      terms: { ...terms, [`${rival.name}PerCpuSecond`]: rounded(theirs, theirs < 100 ? 1 : 0) },
    },
  ];
}
