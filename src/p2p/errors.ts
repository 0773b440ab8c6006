/** # P2P errors: one table of what can go wrong with peers and ports, and what the caller can do about it. */

export const P2P_FAULTS = {
  PortInUse: 'the address is taken by another process: choose another with --port or --listen-addr',
  ListenFailed: 'cannot listen on the address: check --listen-addr',
  BadAddress: 'not a multiaddr that ends in /p2p/<peer id>',
  BadNodeKey: 'a node key is an ed25519 seed of 32 bytes',
  MessageTooLarge: 'the message is larger than peers accept',
  NotStarted: 'the network is not running',
} as const;

export type P2pFault = keyof typeof P2P_FAULTS;

/** A fault of configuration or use. */
export class P2pError extends Error {
  override readonly name = 'P2pError';
  readonly code: P2pFault;
  readonly data: string;

  constructor(code: P2pFault, data: string) {
    super(`${P2P_FAULTS[code]} (${data})`);
    this.code = code;
    this.data = data;
  }
}

export const REQUEST_FAULTS = {
  Timeout: 'no answer in time: ask another peer',
  TooLarge: 'the message is larger than allowed',
  Refused: 'the peer does not answer this, or not now',
  Disconnected: 'the connection to the peer is gone',
  Malformed: 'the peer answered with something that is not one frame',
} as const;

export type RequestFault = keyof typeof REQUEST_FAULTS;

/** A request that brought no answer. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: RequestFault;
  readonly data: string;

  constructor(code: RequestFault, data: string) {
    super(`${REQUEST_FAULTS[code]} (${data})`);
    this.code = code;
    this.data = data;
  }
}
