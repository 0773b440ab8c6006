/** # compute_*: jobs, rounds, fragments, certificates and difficulty, as the state has them. */

import { z } from 'zod';
import { type Bytes, toHex } from '../../base/bytes.ts';
import { Header } from '../../primitives/header.ts';
import { readSealed } from '../../primitives/pow.ts';
import * as compute from '../../runtime/compute-view.ts';
import type { Certificate } from '../../runtime/pallets/certificates.ts';
import type { Fragment, JobSpec, Round, RoundRecord } from '../../runtime/pallets/jobs/state.ts';
import { account, count, hash, optionalHash, stateAt } from '../params.ts';
import { type CallContext, type Method, method } from '../registry.ts';
import { f32, hexed } from './json.ts';

export function computeMethods(): Method[] {
  return [
    method('compute_jobs', [optionalHash], (context, at) => {
      return compute.allJobs(stateAt(context, at).view).map(jobJson);
    }),
    method('compute_job', [hash, optionalHash], (context, id, at) => {
      const found = jobOf(context, id, at);
      return found ? jobJson(found) : null;
    }),
    method('compute_round', [hash, z.number().int().min(0).optional(), optionalHash], (context, id, r, at) => {
      const found = jobOf(context, id, at);
      if (!found) return null;
      if (r === undefined || r === found.round.r) return roundJson(found.round);
      const record = compute.roundRecord(stateAt(context, at).view, id, r);
      return record ? recordJson(r, record) : null;
    }),
    method('compute_fragment', [hash, optionalHash], (context, id, at) => {
      const { view } = stateAt(context, at);
      const fragment = compute.fragmentById(view, id);
      return fragment ? { ...fragmentJson(fragment), wins: hexed(compute.winsOf(view, id)) } : null;
    }),
    method('compute_assignments', [account, optionalHash], (context, who, at) => {
      return compute.fragmentsOf(stateAt(context, at).view, who).map((f) => ({ id: toHex(f.id), ...fragmentJson(f) }));
    }),
    method('compute_author', [account, optionalHash], (context, who, at) => {
      const author = compute.authorOf(stateAt(context, at).view, who);
      return author ? hexed(author) : null;
    }),
    method('compute_certificate', [z.number().int().min(0), optionalHash], (context, id, at) => {
      const certificate = compute.certificateById(stateAt(context, at).view, BigInt(id));
      return certificate ? certificateJson(certificate) : null;
    }),
    method(
      'compute_certificates',
      [account.optional(), count(256).optional(), optionalHash],
      (context, who, limit, at) => {
        const found = compute.certificates(stateAt(context, at).view, who, limit ?? 32);
        return found.map((certificate) => ({ id: Number(certificate.id), ...certificateJson(certificate) }));
      },
    ),
    method('compute_difficulty', [optionalHash], (context, at) => {
      const { block } = stateAt(context, at);
      const meta = context.backend.meta(block.hash);
      if (!meta) return null;
      const { difficulty, totalDifficulty, timestampMs } = meta;
      return { number: block.number, difficulty, totalDifficulty, timestampMs };
    }),
    method('compute_boost', [account, optionalHash], (context, who, at) => {
      const author = compute.sealAuthor(stateAt(context, at).view, who);
      return author ? { boostPpm: author.boostPpm } : null;
    }),
    method('compute_block', [optionalHash], (context, at) => blockJson(context, at)),
    method('compute_registration', [optionalHash], (context, at) => {
      const { view } = stateAt(context, at);
      return compute.registrationTerms(view, context.backend.runtime.spec);
    }),
  ];
}

type KnownJob = ReturnType<typeof compute.allJobs>[number];

function jobOf(context: CallContext, id: Bytes, at: Bytes | undefined): KnownJob | undefined {
  const wanted = toHex(id);
  return compute.allJobs(stateAt(context, at).view).find((job) => toHex(job.id) === wanted);
}

/** Who won a block, and with which work. */
function blockJson(context: CallContext, at: Bytes | undefined): unknown {
  const { view, block } = stateAt(context, at);
  const { store } = context.backend;
  const meta = context.backend.meta(block.hash);
  const header = store.header(block.hash);
  if (!header || !meta || block.number === 0) return null;
  const { preRuntime, seal } = readSealed(Header.dec(header));
  const fragment = compute.fragmentById(view, preRuntime.fragment);
  return {
    number: block.number,
    hash: toHex(block.hash),
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
    ticket: meta.ticket ? toHex(meta.ticket) : null,
    difficulty: meta.difficulty,
    timestampMs: meta.timestampMs,
    transactions: store.body(block.hash)?.length ?? 0,
  };
}

export function jobJson({ id, job, round, cu }: { id: Bytes; job: JobSpec; round: Round; cu: bigint }) {
  return { id: toHex(id), ...(hexed(job) as Record<string, unknown>), fragmentCu: Number(cu), round: roundJson(round) };
}

function roundJson(round: Round) {
  const { phase, loss, ...rest } = round;
  const since = phase.type === 'Train' ? null : phase.value;
  return { ...(hexed(rest) as Record<string, unknown>), phase: phase.type, since, loss: loss === 0 ? null : f32(loss) };
}

function recordJson(r: number, record: RoundRecord) {
  const { outcome, loss, ...rest } = record;
  return { r, phase: outcome.type, loss: loss === 0 ? null : f32(loss), ...(hexed(rest) as Record<string, unknown>) };
}

export function fragmentJson(fragment: Fragment) {
  const { status, ...rest } = fragment;
  return { ...(hexed(rest) as Record<string, unknown>), status: status.type };
}

function certificateJson(certificate: Certificate) {
  return { ...(hexed(certificate) as Record<string, unknown>), cu: Number(certificate.cu) };
}
