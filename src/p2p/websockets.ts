/**
 * # WebSocket transport: libp2p's, with the size of a frame bounded before the handshake.
 *
 * Always true: a frame above MAX_FRAME_BYTES closes the connection before it is buffered. `ws` would take 100 MiB from
 * anybody (ADVERSARY fact 5), and the transport passes no option for it; the server's own `options.maxPayload` is
 * what `ws` reads at each upgrade. Honest peers send noise messages, 64 KiB each at most.
 */
import { webSockets } from '@libp2p/websockets';
import { assert } from '../base/assert.ts';

export const MAX_FRAME_BYTES = 256 * 1024;

type Transport = ReturnType<typeof webSockets>;

/** The transport for /ws multiaddrs. */
export function boundedWebSockets(): Transport {
  const create = webSockets({
    http: { headersTimeout: 10_000, requestTimeout: 10_000, maxHeaderSize: 8 * 1024 },
    bufferedAmountPollInterval: 10,
  });
  return (components) => {
    const transport = create(components);
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) => {
      const listener = createListener(options);
      harden(listener);
      return listener;
    };
    return transport;
  };
}

/** What of the `ws` server inside the listener is used; a Bug if a new version keeps it elsewhere. */
function harden(listener: object): void {
  const server: unknown = 'wsServer' in listener ? listener.wsServer : undefined;
  assert(isServer(server), 'the listener has a ws server that bounds its frames');
  server.options.maxPayload = MAX_FRAME_BYTES;
  const upgrade = server.handleUpgrade.bind(server);
  server.handleUpgrade = (request, socket, head, accepted) => {
    upgrade(request, socket, head, (websocket, ...rest) => {
      // `ws` closes the connection after the error; that is all there is to do.
      websocket.on('error', () => {});
      accepted(websocket, ...rest);
    });
  };
}

interface Server {
  options: { maxPayload: number };
  handleUpgrade(request: unknown, socket: unknown, head: unknown, accepted: Accepted): void;
}

type Accepted = (websocket: { on(event: 'error', listener: () => void): void }, ...rest: unknown[]) => void;

function isServer(value: unknown): value is Server {
  if (typeof value !== 'object' || value === null || !('options' in value) || !('handleUpgrade' in value)) return false;
  const { options, handleUpgrade } = value;
  const bounded = typeof options === 'object' && options !== null && 'maxPayload' in options;
  return bounded && typeof handleUpgrade === 'function';
}
