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
      boundFrames(listener);
      return listener;
    };
    return transport;
  };
}

/** Sets the bound on the `ws` server inside the listener; a Bug if a new version keeps it elsewhere. */
function boundFrames(listener: object): void {
  const server: unknown = 'wsServer' in listener ? listener.wsServer : undefined;
  assert(typeof server === 'object' && server !== null && 'options' in server, 'the listener has a ws server');
  const { options } = server;
  assert(typeof options === 'object' && options !== null && 'maxPayload' in options, 'ws bounds its frames');
  options.maxPayload = MAX_FRAME_BYTES;
}
