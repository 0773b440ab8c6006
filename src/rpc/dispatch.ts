/**
 * # Dispatch: from the text of a request to the text of an answer.
 *
 * Always true: whatever the text is, the answer is JSON-RPC 2.0 and nothing throws out of here; only faults of our own
 * are -32603, and they carry no stack. Bounds: limits.ts.
 */
import { encodeJson } from './encode.ts';
import {
  batchRefused,
  batchResponseTooLarge,
  batchTooLarge,
  errorBody,
  internalError,
  invalidParams,
  invalidRequest,
  methodNotFound,
  needsWebSocket,
  parseError,
  RpcError,
  rateLimited,
  responseTooLarge,
  unsafeRefused,
} from './errors.ts';
import { DEPTH, SLICE_MS } from './limits.ts';
import type { CallContext } from './registry.ts';
import { breathe } from './turns.ts';

type Id = string | number | null;

/** Answers a request; an empty string means that there is nothing to answer (notifications only). */
export function answer(context: CallContext, body: string): string | Promise<string> {
  const { meter } = context;
  if (!meter) return answerOf(context, body);
  meter.rpcRequest(true);
  const text = answerOf(context, body);
  if (text instanceof Promise) return text.finally(() => meter.rpcRequest(false));
  meter.rpcRequest(false);
  return text;
}

function answerOf(context: CallContext, body: string): string | Promise<string> {
  const parsed = parse(body);
  if (parsed instanceof RpcError) return failure(null, parsed);
  if (!Array.isArray(parsed)) return one(context, parsed);
  if (parsed.length === 0) return failure(null, invalidRequest('an empty batch'));
  const { batchCalls } = context.limits;
  if (batchCalls === 0) return failure(null, batchRefused());
  if (parsed.length > batchCalls) return failure(null, batchTooLarge(batchCalls));
  return batch(context, parsed);
}

/** One call after the other, so that a client may rely on their order; others are served in between. */
async function batch(context: CallContext, calls: readonly unknown[]): Promise<string> {
  const { responseBytes } = context.limits;
  const parts: string[] = [];
  let length = 0;
  let sliceEnd = performance.now() + SLICE_MS;
  for (const call of calls) {
    const part = await one(context, call);
    if (part !== '') parts.push(part);
    length += part.length + 1;
    if (length > responseBytes) return failure(null, batchResponseTooLarge(responseBytes));
    if (performance.now() < sliceEnd) continue;
    await breathe();
    sliceEnd = performance.now() + SLICE_MS;
  }
  return parts.length === 0 ? '' : `[${parts.join(',')}]`;
}

function parse(body: string): unknown {
  if (isTooDeep(body)) return parseError();
  try {
    return JSON.parse(body);
  } catch {
    return parseError();
  }
}

/** Whether brackets outside strings are nested more than DEPTH deep. */
function isTooDeep(text: string): boolean {
  // Nearly every request has fewer brackets than that altogether: indexOf passes over 1 MB of hex in 50 us.
  if (!hasManyBrackets(text)) return false;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i++;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 91 || code === 123) {
      if (++depth > DEPTH) return true;
    } else if (code === 93 || code === 125) depth--;
  }
  return false;
}

function hasManyBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of ['[', '{']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (++count > DEPTH) return true;
  }
  return false;
}

function one(context: CallContext, call: unknown): string | Promise<string> {
  if (typeof call !== 'object' || call === null || Array.isArray(call)) {
    return failure(null, invalidRequest('not an object'));
  }
  const { jsonrpc, id, method, params } = call as Record<string, unknown>;
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number' && id !== null) {
    return failure(null, invalidRequest('id must be a string or a number'));
  }
  const known: Id = id ?? null;
  if (jsonrpc !== '2.0') return failure(known, invalidRequest('jsonrpc must be "2.0"'));
  if (typeof method !== 'string') return failure(known, invalidRequest('method must be a string'));
  const text = settle(context, known, method, params);
  if (id !== undefined) return text;
  return text instanceof Promise ? text.then(() => '') : '';
}

function settle(context: CallContext, id: Id, method: string, params: unknown): string | Promise<string> {
  const count = counted(context, method);
  try {
    const result = run(context, method, params);
    // A promise costs the hot reads a fifth of their speed: only what waits is one.
    if (!(result instanceof Promise)) return count(false, success(context, id, result));
    return result
      .then((value) => count(false, success(context, id, value)))
      .catch((error) => count(true, refusal(context, id, error)));
  } catch (error) {
    return count(true, refusal(context, id, error));
  }
}

/** Counts a call when its answer is there, and passes the answer on. */
function counted({ meter, registry }: CallContext, method: string): (isError: boolean, text: string) => string {
  if (!meter) return uncounted;
  const start = performance.now();
  return (isError, text) => {
    meter.rpcCall(registry.get(method)?.name ?? 'unknown', isError, (performance.now() - start) * 1_000);
    return text;
  };
}

const uncounted = (_: boolean, text: string): string => text;

function run(context: CallContext, name: string, params: unknown): unknown {
  const { rate, limits } = context;
  if (rate && !rate.take(performance.now())) throw rateLimited(limits.callsPerMinute ?? 0);
  const method = context.registry.get(name);
  if (!method) throw methodNotFound(name);
  if (method.unsafe && !context.unsafe) throw unsafeRefused();
  if (method.websocketOnly && !context.connection) throw needsWebSocket();
  if (params === undefined || params === null) return method.call(context, []);
  if (!Array.isArray(params)) throw invalidParams('params must be an array');
  return method.call(context, params);
}

function success({ limits }: CallContext, id: Id, result: unknown): string {
  const text = encodeJson(result ?? null);
  if (text.length > limits.responseBytes) return failure(id, responseTooLarge(limits.responseBytes));
  return `{"jsonrpc":"2.0","id":${encodeJson(id)},"result":${text}}`;
}

/** A refusal of ours as it is; anything else is a fault, of which the client learns nothing but that. */
function refusal(context: CallContext, id: Id, error: unknown): string {
  if (error instanceof RpcError) return failure(id, error);
  context.onFault(error);
  return failure(id, internalError());
}

export function failure(id: Id, error: RpcError): string {
  return encodeJson({ jsonrpc: '2.0', id, error: errorBody(error) });
}
