/** # miner_*: templates and work for miners, duties for checkers, and what they hand in (OPERATORS.md section 5). */
import type { Bytes } from '../../base/bytes.ts';
import { Header } from '../../primitives/header.ts';
import type { Backend } from '../backend.ts';
import { toHex } from '../hex.ts';
import { account, bytes, extrinsic, named, object, text } from '../params.ts';
import { follow, followHeads, type Method, method, subscription } from '../registry.ts';
import { fragmentJson } from './compute.ts';
import { hexed } from './json.ts';

export function minerMethods(): Method[] {
  return [
    ...subscription(
      { subscribe: 'miner_subscribeWork', notify: 'miner_work', unsubscribe: 'miner_unsubscribeWork' },
      [account],
      async (context, sink, who) => {
        const { backend } = context;
        const tellWork = (): void => sink.emit({ type: 'work', ...workJson(backend, who) });
        const tellTemplate = (): void => {
          const template = templateJson(backend, who);
          if (template) sink.emit(template);
        };
        await context.turns.run(tellWork);
        const leave = backend.addMiner();
        tellTemplate();
        const stopWork = followHeads(context, sink, tellWork);
        // A template that comes late is work for nothing: it waits for no turn.
        const stopTemplates = follow(context, sink, (event) => {
          if (event.type === 'template') tellTemplate();
        });
        return () => {
          stopTemplates();
          stopWork();
          leave();
        };
      },
    ),
    ...subscription(
      { subscribe: 'miner_subscribeDuties', notify: 'miner_duties', unsubscribe: 'miner_unsubscribeDuties' },
      [account],
      async (context, sink, who) => {
        const tell = (): void => sink.emit(dutiesJson(context.backend, who));
        await context.turns.run(tell);
        return followHeads(context, sink, tell);
      },
    ),
    method(
      'miner_submitTicket',
      [named('ticket', object({ templateId: text(80), preRuntime: bytes, seal: bytes, opening: bytes }))],
      async ({ backend }, ticket) => {
        const block = await backend.submitTicket(ticket);
        return { hash: toHex(block.hash), number: block.number };
      },
    ),
    // Claims, reveals, receipts, verdicts: bare extrinsics under a name of their own, so that operators can grant it.
    method('miner_submitFragment', [extrinsic], async ({ backend }, given) =>
      toHex(await backend.submit(given.slice())),
    ),
    method('miner_status', [account], ({ backend, turns }, who) =>
      turns.run(() => ({
        ...workJson(backend, who),
        template: backend.template()?.id ?? null,
        syncing: backend.isSyncing(),
        /** Segments and merges that this account owes as a checker. */
        duties: dutyCount(backend, who),
      })),
    ),
  ];
}

function templateJson(backend: Backend, who: Bytes): unknown {
  const template = backend.template(who);
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

function dutyCount(backend: Backend, who: Bytes): number {
  const { segments, merges } = backend.duties(who);
  return segments.length + merges.length;
}
