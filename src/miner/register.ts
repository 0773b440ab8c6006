/**
 * # Register: how an account that owns nothing becomes an author: by work over a recent block (ECONOMY.md rule E).
 *
 * Always true: the account's own key signs which compute key works for it; no fee is paid.
 */
import { type Bytes, fromHex, toHex } from '../base/bytes.ts';
import { loadKernels } from '../compute/engine/kernels-file.ts';
import { MinedGemm } from '../compute/pouw/miner-gemm.ts';
import { checkShape } from '../compute/pouw/profile.ts';
import { REGISTRATION_SHAPE, registrationHeader, registrationOperands } from '../compute/pouw/registration.ts';
import { sha256 } from '../crypto/hash.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { multiSign } from '../primitives/account.ts';
import { authorMessage, registrationPreHash } from '../runtime/pallets/compute-pow.ts';
import type { RpcClient } from './rpc-client.ts';
import { registerCall } from './work-call.ts';

const LOOK_MS = 3_000;
const PROFILE = 0;

export interface Registrant {
  readonly account: Bytes;
  readonly key: Keypair;
  readonly accountKey: Keypair | undefined;
}

interface Ticket {
  readonly attempt: number;
  readonly ti: number;
  readonly tj: number;
  readonly s: number;
}

/** Registers the account if it is not an author, as soon as the node answers; tries again until it is. */
export function registerByWork(rpc: RpcClient, who: Registrant, note: (text: string) => void): void {
  const look = async (): Promise<void> => {
    try {
      if (rpc.connected && (await isRegistered(rpc, who.account))) return;
      if (rpc.connected) await register(rpc, who, note);
    } catch (error) {
      note(`registration: ${(error as Error).message}`);
    }
    setTimeout(look, LOOK_MS).unref();
  };
  setTimeout(look, 500).unref();
}

async function isRegistered(rpc: RpcClient, account: Bytes): Promise<boolean> {
  return (await rpc.call('compute_author', [toHex(account)])) !== null;
}

async function register(rpc: RpcClient, who: Registrant, note: (text: string) => void): Promise<void> {
  const { account, key, accountKey } = who;
  if (!accountKey) {
    note('the account is no author yet: give --account-file once, so that it can register by work');
    return;
  }
  const genesis = fromHex(await rpc.call<string>('chain_getBlockHash', [0]));
  const finalized = await rpc.call<string>('chain_getFinalizedHead');
  const anchorHash = fromHex(finalized);
  const { number } = await rpc.call<{ number: string }>('chain_getHeader', [finalized]);
  const terms = await rpc.call<{ tickets: number; difficulty: string }>('compute_registration');
  const started = performance.now();
  const preHash = registrationPreHash(genesis, account, anchorHash);
  const proof = drawTickets(account, preHash, terms.tickets, BigInt(terms.difficulty));
  const seconds = (performance.now() - started) / 1000;
  const account_signature = multiSign(accountKey, authorMessage(genesis, key.publicKey, anchorHash));
  const anchor = Number.parseInt(number, 16);
  const call = registerCall({ account, anchor, proof, account_signature }, key, genesis);
  await rpc.call('miner_submitFragment', [toHex(call)]);
  note(`registered by ${proof.length} tickets in ${seconds.toFixed(1)} s of work`);
}

/** Draws tickets over the account's own operands until enough reach the difficulty. */
export function drawTickets(account: Bytes, preHash: Bytes, count: number, difficulty: bigint): Ticket[] {
  const checked = checkShape(PROFILE, REGISTRATION_SHAPE);
  if (!checked.ok) throw new Error(checked.code);
  const { shape } = checked;
  const { m, n, k } = REGISTRATION_SHAPE;
  const kernels = loadKernels();
  const qA = 65_536;
  const qBT = qA + m * k;
  const out = qBT + n * k;
  kernels.grow(out + 4 * m * n);
  const { a, b } = registrationOperands(account);
  kernels.i8.set(a.data, qA);
  kernels.i8.set(b.data, qBT);
  const gemm = new MinedGemm(kernels, out + 4 * m * n, sha256);
  const target = { difficulty, slab: shape.profile.slab, boostPpm: 1_000_000n };
  const found: Ticket[] = [];
  for (let attempt = 1; found.length < count; attempt++) {
    const header = registrationHeader(account, preHash, attempt);
    const { winners } = gemm.run({ shape, qA, qBT, sA: 0, sB: 0, out, header, target });
    for (const { ti, tj, s } of winners) if (found.length < count) found.push({ attempt, ti, tj, s });
  }
  return found;
}
