/** # miner_*: templates and work for miners, duties for checkers, and what they hand in (OPERATORS.md section 5). */
import { z } from 'zod';
import { type Bytes, toHex } from '../../base/bytes.ts';
import { Header } from '../../primitives/header.ts';
import type { Backend } from '../backend.ts';
import { account, bytes } from '../params.ts';
import { type Method, method, subscription } from '../registry.ts';
import { fragmentJson } from './compute.ts';
import { hexed } from './json.ts';

export function minerMethods(): Method[] {
  return [
    ...subscription(
      { subscribe: 'miner_subscribeWork', notify: 'miner_work', unsubscribe: 'miner_unsubscribeWork' },
      [account],
      ({ backend }, emit, who) => {
        emit({ type: 'work', ...workJson(backend, who) });
        const leave = backend.addMiner();
        const first = templateJson(backend);
        if (first) emit(first);
        const stop = backend.onEvent((event) => {
          if (event.type === 'head') emit({ type: 'work', ...workJson(backend, who) });
          if (event.type !== 'template') return;
          const template = templateJson(backend);
          if (template) emit(template);
        });
        return () => {
          stop();
          leave();
        };
      },
    ),
    ...subscription(
      { subscribe: 'miner_subscribeDuties', notify: 'miner_duties', unsubscribe: 'miner_unsubscribeDuties' },
      [account],
      ({ backend }, emit, who) => {
        emit(dutiesJson(backend, who));
        return backend.onEvent((event) => {
          if (event.type === 'head') emit(dutiesJson(backend, who));
        });
      },
    ),
    method(
      'miner_submitTicket',
      [z.object({ templateId: z.string().max(80), preRuntime: bytes, seal: bytes, opening: bytes })],
      async ({ backend }, ticket) => {
        const block = await backend.submitTicket(ticket);
        return { hash: toHex(block.hash), number: block.number };
      },
    ),
    // Claims, reveals, receipts, verdicts: bare extrinsics under a name of their own, so that operators can grant it.
    method('miner_submitFragment', [bytes], async ({ backend }, extrinsic) => toHex(await backend.submit(extrinsic))),
    method('miner_status', [account], ({ backend }, who) => ({
      ...workJson(backend, who),
      template: backend.template()?.id ?? null,
      syncing: backend.isSyncing(),
    })),
  ];
}

function templateJson(backend: Backend): unknown {
  const template = backend.template();
  if (!template) return undefined;
  return {
    type: 'template',
    id: template.id,
    header: toHex(Header.enc(template.header)),
    difficulty: template.difficulty,
    boostPpm: template.boostPpm,
    parent: { hash: toHex(template.parent.hash), number: template.parent.number },
  };
}

function workJson(backend: Backend, who: Bytes) {
  const work = backend.work(who);
  return {
    best: bestJson(backend),
    genesis: toHex(backend.store.genesis.hash),
    registered: work.registered,
    syncing: backend.isSyncing(),
    fragments: work.fragments.map((fragment) => ({ id: toHex(fragment.id), ...fragmentJson(fragment) })),
    reveals: hexed(work.reveals),
    openWins: hexed(work.openWins),
  };
}

function dutiesJson(backend: Backend, who: Bytes): unknown {
  const { segments, merges } = backend.duties(who);
  return {
    best: bestJson(backend),
    genesis: toHex(backend.store.genesis.hash),
    segments: segments.map(({ fragment, ...rest }) => ({
      ...(hexed(rest) as Record<string, unknown>),
      id: toHex(fragment.id),
      fragment: fragmentJson(fragment),
    })),
    merges: hexed(merges),
  };
}

function bestJson(backend: Backend): unknown {
  const { hash, number } = backend.store.best;
  return { hash: toHex(hash), number, finalized: backend.finalized().number };
}
