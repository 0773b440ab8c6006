/** # RPC meter: who counts sessions, requests and calls, if anybody does. */

export interface RpcMeter {
  rpcSession(isOpen: boolean): void;
  /** A request of either transport; a batch is one. */
  rpcRequest(isStart: boolean): void;
  /** `method` is a name of the registry (never an alias), or `unknown`: labels are as many as methods. */
  rpcCall(method: string, isError: boolean, micros: number): void;
}
