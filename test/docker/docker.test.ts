/** # Docker: what docker/ says is true of the program: its flags are known, its metrics exist, its image has no root. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { NodeMetrics } from '../../src/metrics/node-metrics.ts';
import { maitoken } from '../cli/run.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DOCKER = join(ROOT, 'docker');
const read = (path: string): string => readFileSync(join(DOCKER, path), 'utf8');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

const compose = parse(read('devnet.compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const instructions = read('Dockerfile')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line));

/** What the node serves. */
async function served(): Promise<Set<string>> {
  const nothing = {
    best: 0,
    finalized: 0,
    syncTarget: 0,
    isSyncing: false,
    peers: 0,
    syncPeers: 0,
    clockSkew: 0,
    queuedBlocks: 0,
  };
  const sample = {
    ...nothing,
    readyTransactions: 0,
    leaves: 1,
    databaseCacheBytes: 0,
    difficulty: 1,
    miners: 0,
    received: 0,
    sent: 0,
    signatures: { waiting: 0, verified: 0 },
    grandpa: { round: 0, prevotes: 0, precommits: 0 },
  };
  const about = { chain: 'dev', name: 'n', version: 'v', isAuthority: false, startedAt: 0 };
  const text = await new NodeMetrics(about, () => ({ ...sample, certificates: 0, jobs: [] })).text();
  return new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name as string));
}

function metricsIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:substrate|compute|miner)_[a-z0-9_]+/g)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, (end) => (name.endsWith('peers_count') ? end : '')),
  );
}

test('every metric that the dashboard and the alerts ask for is served', async () => {
  const names = await served();
  const asked = new Set<string>();
  const dashboards = readdirSync(join(DOCKER, 'grafana/dashboards'));
  assert.ok(dashboards.length > 0);
  for (const file of dashboards) {
    const { panels, templating } = JSON.parse(read(`grafana/dashboards/${file}`));
    for (const { targets } of panels)
      for (const { expr } of targets) for (const name of metricsIn(expr)) asked.add(name);
    for (const { query } of templating.list) for (const name of metricsIn(query)) asked.add(name);
  }
  for (const { rules } of parse(read('alerts.yml')).groups) {
    for (const { expr, annotations } of rules)
      for (const name of metricsIn(expr + annotations.summary)) asked.add(name);
  }
  assert.ok(asked.size > 15);
  assert.deepEqual(
    [...asked].filter((name) => !names.has(name)),
    [],
  );
});

test('the commands of the compose file and the image are command lines that the program takes', async () => {
  const cmd = instructions.find((line) => line.startsWith('CMD '))?.slice(4) ?? '[]';
  const lines = [JSON.parse(cmd) as string[]];
  for (const { image, command } of Object.values(compose.services)) {
    if (image === 'maitoken') lines.push([...(command ?? [])]);
  }
  assert.equal(lines.length, 3);
  for (const line of lines) {
    const ran = await maitoken(...line, '--help');
    assert.equal(ran.code, 0, `${line.join(' ')}: ${ran.err}`);
  }
  assert.equal((await maitoken('--no-such-flag', '--help')).code, 2);
});

test('the image is built in stages from pinned bases, and the last one runs as nobody special', () => {
  const bases = instructions.filter((line) => line.startsWith('FROM '));
  assert.equal(bases.length, 2);
  for (const base of bases) assert.match(base, /^FROM \S+:\d+\.\d+\.\d+\S*/);
  const last = instructions.slice(instructions.lastIndexOf(bases[1] as string));
  const user = last.findLast((line) => line.startsWith('USER '));
  assert.match(user ?? '', /^USER [1-9]\d*:[1-9]\d*$/);
  assert.ok(last.every((line) => !line.startsWith('RUN ') || !/apt|npm|curl/.test(line)));
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.match(bases[1] as string, new RegExp(`node:${engines.node.replace('>=', '')}\\.`));
});

test('what the image copies and the compose file mounts is in the tree', () => {
  const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  for (const line of instructions.filter((text) => /^COPY (?!--from)/.test(text))) {
    for (const source of line.split(/\s+/).slice(1, -1)) {
      assert.ok(existsSync(join(ROOT, source)), source);
      assert.ok(ignored.includes(`!${source.replace('./', '')}`), `${source} is left out by .dockerignore`);
    }
  }
  for (const [name, { volumes }] of Object.entries(compose.services)) {
    for (const volume of volumes ?? []) {
      const [source = ''] = volume.split(':');
      const isThere = source.startsWith('.') ? existsSync(join(DOCKER, source)) : source in compose.volumes;
      assert.ok(isThere, `${name}: ${volume}`);
    }
  }
});

test('services are pinned, drop every capability, write to volumes alone, and are open to this machine alone', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.ok(service.image === 'maitoken' || /:v?\d+\.\d+\.\d+$/.test(service.image), `${name}: ${service.image}`);
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, `${name}: ${port}`);
  }
  const { scrape_configs: scrapes } = parse(read('prometheus.yml'));
  assert.deepEqual(scrapes[0].static_configs[0].targets, ['node:9615']);
});
