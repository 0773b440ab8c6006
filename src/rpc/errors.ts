/** # RPC errors: the codes and words that wallets know; a stack or a path of this machine never leaves it. */

export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** Methods that Substrate nodes have and this one has not, by the beginning of their names, and why. */
const NOT_OFFERED: readonly (readonly [prefix: string, why: string])[] = [
  ['state_traceBlock', 'blocks are not traced: execute one again with `maitoken check-block`'],
  ['state_getPairs', 'unbounded: page through state_getKeysPaged and read with state_queryStorageAt'],
  ['state_getChild', 'this chain has no child tries'],
  ['childstate_', 'this chain has no child tries'],
  ['offchain_', 'this node has no offchain workers'],
];

export const parseError = (): RpcError => new RpcError(-32700, 'Parse error');
export const invalidRequest = (why: string): RpcError => new RpcError(-32600, 'Invalid request', why);
export const methodNotFound = (name: string): RpcError => {
  const family = NOT_OFFERED.find(([prefix]) => name.startsWith(prefix));
  return new RpcError(-32601, 'Method not found', family?.[1] ?? name.slice(0, 100));
};
export const invalidParams = (why: string): RpcError => new RpcError(-32602, 'Invalid params', why);
export const unsafeRefused = (): RpcError =>
  new RpcError(-32601, 'RPC call is unsafe to be called externally', 'start the node with --rpc-methods unsafe');
export const needsWebSocket = (): RpcError => new RpcError(-32601, 'Subscriptions need a WebSocket');
/** The numbers of jsonrpsee, which Substrate's nodes use. */
export const tooManySubscriptions = (what: string): RpcError =>
  new RpcError(-32006, 'Too many subscriptions on the connection', what);
export const requestTooLarge = (limit: number): RpcError =>
  new RpcError(-32007, 'Request is too big', `at most ${limit} bytes`);
export const responseTooLarge = (limit: number): RpcError =>
  new RpcError(-32008, 'Response is too big', `at most ${limit} bytes: ask for less at once`);
export const batchTooLarge = (limit: number): RpcError =>
  new RpcError(-32010, 'The batch request was too large', `at most ${limit} calls`);
export const batchRefused = (): RpcError => new RpcError(-32005, 'Batched requests are not supported by this server');
/** As polkadot-sdk's rate limit answers. */
export const rateLimited = (perMinute: number): RpcError =>
  new RpcError(-32999, 'RPC rate limit', `at most ${perMinute} calls a minute`);
export const batchResponseTooLarge = (limit: number): RpcError =>
  new RpcError(-32011, 'The batch response was too large', `at most ${limit} bytes: ask for less at once`);
/** The codes and sentences of Substrate's grandpa_*. */
export const grandpaNotReady = (): RpcError => new RpcError(1, 'GRANDPA RPC endpoint not ready');
export const tooLargeWeights = (): RpcError =>
  new RpcError(3, 'GRANDPA voter state reports unreasonably large numbers');
export const unfinalized = (): RpcError =>
  new RpcError(4, 'GRANDPA prove finality rpc failed: Block not yet finalized');
/** The code of Substrate's author_* for what its keystore refuses. */
export const badKey = (why: string): RpcError => new RpcError(1040, 'Keystore', why);
export const unknownBlock = (hash: string): RpcError => new RpcError(4003, 'Client error: UnknownBlock', hash);
export const prunedState = (hash: string): RpcError =>
  new RpcError(
    4003,
    'Client error: State already discarded',
    `${hash}; an archive node (--state-pruning archive) has it`,
  );
/** Only for faults of ours; what happened stands in the node's log. */
export const internalError = (): RpcError => new RpcError(-32603, 'Internal error');

export interface ErrorBody {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** The error as JSON-RPC carries it. */
export function errorBody(error: RpcError): ErrorBody {
  return { code: error.code, message: error.message, ...(error.data === undefined ? {} : { data: error.data }) };
}
