/** # Names: the metrics that public dashboards ask a Substrate node for, and that this node serves. */

/** With what polkadot-sdk calls them (substrate-prometheus-endpoint), as docs/spec/metrics.md lists them. */
export const PUBLIC_NAMES = [
  'substrate_block_height',
  'substrate_finality_grandpa_round',
  'substrate_finality_grandpa_prevotes_total',
  'substrate_finality_grandpa_precommits_total',
  'substrate_sub_libp2p_peers_count',
  'substrate_sub_libp2p_incoming_connections_total',
  'substrate_sub_libp2p_is_major_syncing',
  'substrate_sub_libp2p_network_bytes_total',
  'substrate_sub_libp2p_connections_opened_total',
  'substrate_sub_libp2p_connections_closed_total',
  'substrate_sub_libp2p_distinct_peers_connections_opened_total',
  'substrate_sync_peers',
  'substrate_sync_queued_blocks',
  'substrate_ready_transactions_number',
  'substrate_sub_txpool_submitted_transactions',
  'substrate_sub_txpool_validations_scheduled',
  'substrate_sub_txpool_validations_finished',
  'substrate_sub_txpool_validations_invalid',
  'substrate_sub_txpool_block_transactions_pruned',
  'substrate_proposer_block_constructed',
  'substrate_proposer_number_of_transactions',
  'substrate_block_verification_time',
  'substrate_block_verification_and_import_time',
  'substrate_import_queue_processed_total',
  'substrate_rpc_sessions_opened',
  'substrate_rpc_sessions_closed',
  'substrate_rpc_requests_started',
  'substrate_rpc_requests_finished',
  'substrate_rpc_calls_started',
  'substrate_rpc_calls_finished',
  'substrate_rpc_calls_time',
  'substrate_node_roles',
  'substrate_number_leaves',
  'substrate_build_info',
  'substrate_process_start_time_seconds',
  'substrate_database_cache_bytes',
  'substrate_tasks_spawned_total',
  'substrate_unbounded_channel_len',
] as const;

/** A sample by its name and labels, `chain` left out: `substrate_block_height{status="best"}`. */
export function samples(text: string): Map<string, number> {
  const out = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const labels = [...(match[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)]
      .filter(([, name]) => name !== 'chain')
      .map(([all]) => all)
      .sort();
    out.set(labels.length === 0 ? (match[1] as string) : `${match[1]}{${labels.join(',')}}`, Number(match[3]));
  }
  return out;
}
