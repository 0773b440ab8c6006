/** # compute_*: jobs, rounds, fragments, certificates and difficulty, as the state has them. */
import { type Bytes, equal } from '../../base/bytes.ts';
import { itemsOf, POW_ENGINE } from '../../primitives/digest.ts';
import { Header } from '../../primitives/header.ts';
import { readSealed } from '../../primitives/pow.ts';
import { readSlotSealed } from '../../primitives/slots.ts';
import * as compute from '../../runtime/compute-view.ts';
import type { Certificate } from '../../runtime/pallets/certificates.ts';
import type { Fragment, JobSpec, Round, RoundRecord } from '../../runtime/pallets/jobs/state.ts';
import type { BlockRef } from '../../state/store.ts';
import type { StateView } from '../../state/view.ts';
import type { Backend } from '../backend.ts';
import { baselineOf } from '../baseline.ts';
import { toHex } from '../hex.ts';
import { account, hash, integer, named, optional, optionalHash } from '../params.ts';
import { blockAt, read, readMuch } from '../reading.ts';
import { type Method, method } from '../registry.ts';
import { f32, hexed } from './json.ts';

const round = named('round', integer(0xffff_ffff));
const job = named('job', hash);
const certificateNumber = named('certificate', integer(Number.MAX_SAFE_INTEGER));
/** Certificates of one call, and how many there are without a limit. */
const MAX_CERTIFICATES = 256;
const SOME_CERTIFICATES = 32;

export function computeMethods(): Method[] {
  return [...jobMethods(), ...accountMethods(), ...blockMethods()];
}

function jobMethods(): Method[] {
  return [
    method('compute_jobs', [optionalHash], (context, at) => {
      return readMuch(context, at, (view) => compute.allJobs(view).map(jobJson));
    }),
    method('compute_job', [job, optionalHash], (context, id, at) => {
      return readMuch(context, at, (view) => {
        const found = jobOf(view, id);
        return found ? jobJson(found) : null;
      });
    }),
    method('compute_round', [job, optional(round), optionalHash], (context, id, r, at) => {
      return readMuch(context, at, (view) => {
        const found = jobOf(view, id);
        if (!found) return null;
        const number = r ?? found.round.r;
        const before = number === 0 ? found.job.init_loss : compute.roundRecord(view, id, number - 1)?.loss;
        const loss_before = lossOf(before ?? 0);
        if (number === found.round.r) return { ...roundJson(found.round), loss_before };
        const record = compute.roundRecord(view, id, number);
        return record ? { ...recordJson(number, record), loss_before } : null;
      });
    }),
    method('compute_baseline', [job], async (context, id) => {
      const found = await readMuch(context, undefined, (view) => jobOf(view, id));
      return found ? { bigram: await baselineOf(context.backend, found.job) } : null;
    }),
    method('compute_fragment', [named('fragment', hash), optionalHash], (context, id, at) => {
      return read(context, at, (view) => {
        const fragment = compute.fragmentById(view, id);
        return fragment ? { ...fragmentJson(fragment), wins: hexed(compute.winsOf(view, id)) } : null;
      });
    }),
    method('compute_certificate', [certificateNumber, optionalHash], (context, id, at) => {
      return read(context, at, (view) => {
        const certificate = compute.certificateById(view, BigInt(id));
        return certificate ? certificateJson(certificate) : null;
      });
    }),
  ];
}

function accountMethods(): Method[] {
  return [
    method('compute_assignments', [account, optionalHash], (context, who, at) => {
      return readMuch(context, at, (view) =>
        compute.fragmentsOf(view, who).map((f) => ({ id: toHex(f.id), ...fragmentJson(f) })),
      );
    }),
    method('compute_author', [account, optionalHash], (context, who, at) => {
      return read(context, at, (view) => {
        const author = compute.authorOf(view, who);
        return author ? hexed(author) : null;
      });
    }),
    method('compute_boost', [account, optionalHash], (context, who, at) => {
      return read(context, at, (view) => {
        const author = compute.sealAuthor(view, who, context.backend.runtime.spec);
        return author ? { boostPpm: author.boostPpm } : null;
      });
    }),
    method(
      'compute_certificates',
      [optional(account), optional(named('limit', integer(MAX_CERTIFICATES))), optionalHash],
      (context, who, limit, at) => {
        return readMuch(context, at, (view) => {
          const found = compute.certificates(view, who, limit ?? SOME_CERTIFICATES);
          return found.map((certificate) => ({ id: Number(certificate.id), ...certificateJson(certificate) }));
        });
      },
    ),
  ];
}

function blockMethods(): Method[] {
  return [
    method('compute_difficulty', [optionalHash], (context, at) => {
      const block = blockAt(context, at);
      const meta = context.backend.meta(block.hash);
      if (!meta) return null;
      const { difficulty, totalDifficulty, timestampMs } = meta;
      return { number: block.number, difficulty, totalDifficulty, timestampMs };
    }),
    method('compute_block', [optionalHash], (context, at) => {
      return read(context, at, (view, block) => blockJson(context.backend, view, block));
    }),
    method('compute_registration', [optionalHash], (context, at) => {
      return read(context, at, (view) => compute.registrationTerms(view, context.backend.runtime.spec));
    }),
  ];
}

type KnownJob = ReturnType<typeof compute.allJobs>[number];

function jobOf(view: StateView, id: Bytes): KnownJob | undefined {
  return compute.allJobs(view).find((job) => equal(job.id, id));
}

/** Who made a block, and with which work he won it, if it had to be won. */
function blockJson({ store, meta: metaOf }: Backend, view: StateView, block: BlockRef): unknown {
  const meta = metaOf(block.hash);
  const bytes = store.header(block.hash);
  if (!bytes || !meta || block.number === 0) return null;
  const header = Header.dec(bytes);
  const place = { number: block.number, hash: toHex(block.hash) };
  const common = {
    ticket: meta.ticket ? toHex(meta.ticket) : null,
    difficulty: meta.difficulty,
    timestampMs: meta.timestampMs,
    transactions: store.body(block.hash)?.length ?? 0,
  };
  if (itemsOf(header.digest, 'PreRuntime', POW_ENGINE).length === 0) {
    const { author, slot } = readSlotSealed(header);
    return { ...place, author: toHex(author), slot, ...common };
  }
  const { preRuntime, seal } = readSealed(header);
  const fragment = compute.fragmentById(view, preRuntime.fragment);
  return {
    ...place,
    author: toHex(preRuntime.author),
    fragment: toHex(preRuntime.fragment),
    job: fragment ? toHex(fragment.job) : null,
    round: fragment?.r ?? null,
    k: fragment?.k ?? null,
    step: preRuntime.step,
    node: preRuntime.node,
    profile: preRuntime.profile,
    shape: { m: preRuntime.m, n: preRuntime.n, k: preRuntime.k },
    tile: { ti: seal.ti, tj: seal.tj, s: seal.s },
    rootA: toHex(seal.rootA),
    rootB: toHex(seal.rootB),
    ...common,
  };
}

function jobJson({ id, job, round, cu }: { id: Bytes; job: JobSpec; round: Round; cu: bigint }) {
  return { id: toHex(id), ...(hexed(job) as Record<string, unknown>), fragmentCu: Number(cu), round: roundJson(round) };
}

function roundJson(round: Round) {
  const { phase, loss, ...rest } = round;
  const since = phase.type === 'Train' ? null : phase.value;
  return { ...(hexed(rest) as Record<string, unknown>), phase: phase.type, since, loss: lossOf(loss) };
}

/** Of f32 bits; null where nothing was measured. */
function lossOf(bits: number): number | null {
  return bits === 0 ? null : f32(bits);
}

function recordJson(r: number, record: RoundRecord) {
  const { outcome, loss, ...rest } = record;
  return { r, phase: outcome.type, loss: lossOf(loss), ...(hexed(rest) as Record<string, unknown>) };
}

export function fragmentJson(fragment: Fragment) {
  const { status, ...rest } = fragment;
  return { ...(hexed(rest) as Record<string, unknown>), status: status.type };
}

function certificateJson(certificate: Certificate) {
  return { ...(hexed(certificate) as Record<string, unknown>), cu: Number(certificate.cu) };
}
