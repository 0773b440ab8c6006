/** # system_*: the node and its neighbours (CLIENTS.md section 2). */
import { account, named, text } from '../params.ts';
import { type Method, method } from '../registry.ts';

export function systemMethods(): Method[] {
  return [
    method('system_chain', [], ({ backend }) => backend.chainName),
    method('system_name', [], ({ backend }) => backend.nodeName),
    method('system_version', [], ({ backend }) => backend.nodeVersion),
    method('system_chainType', [], ({ backend }) => backend.chainType),
    method('system_properties', [], ({ backend }) => backend.properties),
    method('system_health', [], ({ backend }) => ({
      peers: backend.peers().length,
      isSyncing: backend.isSyncing(),
      shouldHavePeers: backend.chainType !== 'Development',
    })),
    method('system_peers', [], ({ backend }) => backend.peers(), { unsafe: true }),
    method('system_nodeRoles', [], ({ backend }) => [backend.isAuthority() ? 'Authority' : 'Full']),
    method('system_localPeerId', [], ({ backend }) => backend.localPeerId()),
    method('system_localListenAddresses', [], ({ backend }) => backend.listenAddresses()),
    method('system_syncState', [], ({ backend }) => backend.syncState()),
    method('system_accountNextIndex', [account], ({ backend }, who) => backend.nextNonce(who), {
      aliases: ['account_nextIndex'],
    }),
    method(
      'system_addReservedPeer',
      [named('address', text(512))],
      ({ backend }, address) => backend.addReservedPeer(address),
      {
        unsafe: true,
      },
    ),
    method(
      'system_removeReservedPeer',
      [named('peerId', text(128))],
      ({ backend }, id) => backend.removeReservedPeer(id),
      {
        unsafe: true,
      },
    ),
  ];
}
