/**
 * # Dispatch: from the bytes of a request to the bytes of an answer.
 *
 * Always true: whatever the bytes are, the answer is JSON-RPC 2.0 and nothing throws out of here; only faults of our
 * own are -32603, and they carry no stack. Bounds: 100 calls a batch, nesting of 64.
 */
import {
  batchTooLarge,
  errorBody,
  internalError,
  invalidRequest,
  methodNotFound,
  parseError,
  RpcError,
  unsafeRefused,
} from './errors.ts';
import type { CallContext } from './registry.ts';

/** Calls of one batch, and nested brackets of one request (ADVERSARY.md section 3). */
export const BATCH_LIMIT = 100;
const DEPTH_LIMIT = 64;

type Id = string | number | null;

/** What an answer is made of; an encoder writes bigint as decimal strings. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
}

/** Answers a request body; an empty string means that there is nothing to answer (notifications only). */
export async function answer(context: CallContext, body: string, onFault: (error: unknown) => void): Promise<string> {
  const parsed = parseBody(body);
  if (parsed instanceof RpcError) return encodeJson({ jsonrpc: '2.0', id: null, error: errorBody(parsed) });
  if (!Array.isArray(parsed)) return (await one(context, parsed, onFault)) ?? '';
  if (parsed.length === 0) return failure(null, invalidRequest('an empty batch'));
  if (parsed.length > BATCH_LIMIT) return failure(null, batchTooLarge(BATCH_LIMIT));
  const parts: string[] = [];
  for (const call of parsed) {
    const part = await one(context, call, onFault);
    if (part !== undefined) parts.push(part);
  }
  return parts.length === 0 ? '' : `[${parts.join(',')}]`;
}

function parseBody(body: string): unknown {
  if (isTooDeep(body)) return parseError();
  try {
    return JSON.parse(body);
  } catch {
    return parseError();
  }
}

/** Counts brackets outside strings; JSON.parse itself recurses. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i++;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 91 || code === 123) {
      if (++depth > DEPTH_LIMIT) return true;
    } else if (code === 93 || code === 125) depth--;
  }
  return false;
}

async function one(
  context: CallContext,
  call: unknown,
  onFault: (error: unknown) => void,
): Promise<string | undefined> {
  if (typeof call !== 'object' || call === null || Array.isArray(call))
    return failure(null, invalidRequest('not an object'));
  const { jsonrpc, id, method, params } = call as Record<string, unknown>;
  const known: Id = typeof id === 'string' || typeof id === 'number' ? id : null;
  if (jsonrpc !== '2.0') return failure(known, invalidRequest('jsonrpc must be "2.0"'));
  if (typeof method !== 'string') return failure(known, invalidRequest('method must be a string'));
  if (params !== undefined && !Array.isArray(params)) return failure(known, invalidRequest('params must be an array'));
  try {
    const result = await run(context, method, params ?? []);
    return id === undefined ? undefined : encodeJson({ jsonrpc: '2.0', id: known, result: result ?? null });
  } catch (error) {
    if (!(error instanceof RpcError)) onFault(error);
    return id === undefined ? undefined : failure(known, error instanceof RpcError ? error : internalError());
  }
}

function run(context: CallContext, name: string, params: readonly unknown[]): unknown {
  const method = context.registry.get(name);
  if (!method) throw methodNotFound(name);
  if (method.unsafe && !context.unsafe) throw unsafeRefused();
  if (method.websocketOnly && !context.connection) throw new RpcError(-32601, 'Subscriptions need a WebSocket');
  return method.call(context, params);
}

function failure(id: Id, error: RpcError): string {
  return encodeJson({ jsonrpc: '2.0', id, error: errorBody(error) });
}
