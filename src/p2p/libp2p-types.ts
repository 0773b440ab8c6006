/** # libp2p types: the library's own, derived from what it exports, so that no unlisted package is imported. */
import type { Libp2p, Libp2pOptions } from 'libp2p';

export type Connection = ReturnType<Libp2p['getConnections']>[number];
export type Stream = Awaited<ReturnType<Connection['newStream']>>;
export type PeerId = Libp2p['peerId'];
export type ConnectionGater = NonNullable<Libp2pOptions['connectionGater']>;
/** A socket before the handshake. */
export type RawConnection = Parameters<NonNullable<ConnectionGater['denyInboundConnection']>>[0];
export type PrivateKey = NonNullable<Libp2pOptions['privateKey']>;
