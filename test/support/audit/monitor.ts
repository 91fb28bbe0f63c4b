import * as path from 'node:path';
import { messageOf } from '../../../src/errors.ts';
import { LineSocket } from '../tiny-guest/line-socket.ts';
import type { Vm, World } from './world.ts';

interface Node {
  'node-name': string;
  'dirty-bitmaps'?: unknown[];
}

/** What a VM is started with. */
const NODES = /^(template|seed|disk|extra\d+)(-file|-image)?$/;
/** Many QEMUs emulate at once meanwhile. */
const SOON_MS = 30_000;

/** What QEMU itself says, asked without the product's client: whose it is, whether it runs, what limits it has. */
export async function auditMonitor(world: World, { name, config, qemus }: Vm): Promise<string[]> {
  if (qemus.length === 0 || config === undefined) return [];
  const lines: string[] = [];
  const differ = (what: string, found: unknown, wanted: unknown): void => {
    if (found !== wanted) lines.push(`vm ${name}: QEMU's ${what} is ${found}, not ${wanted}`);
  };
  try {
    const socket = await LineSocket.connect(path.join(world.run, name, 'probe.sock'));
    const ask = async (execute: string, args = {}): Promise<unknown> => {
      socket.send({ execute, arguments: args });
      for (;;) {
        const message = JSON.parse(await socket.line(SOON_MS));
        if ('return' in message) return message.return;
        if ('error' in message) throw new Error(`${execute}: ${message.error.desc}`);
      }
    };
    try {
      await socket.line(SOON_MS);
      await ask('qmp_capabilities');
      differ('name', ((await ask('query-name')) as { name: string }).name, name);
      const { status } = (await ask('query-status')) as { status: string };
      if (!['running', 'paused'].includes(status))
        lines.push(`vm ${name}: QEMU's status is ${status}`);
      const memory = (await ask('query-memory-size-summary')) as { 'base-memory': number };
      differ('memory', memory['base-memory'] / 1024 ** 2, config.memory_mb);
      for (const { id } of (await ask('query-jobs')) as { id: string }[])
        lines.push(`vm ${name}: QEMU has a job ${id}`);
      for (const node of (await ask('query-named-block-nodes', { flat: true })) as Node[]) {
        const of = node['node-name'];
        if (!NODES.test(of)) lines.push(`vm ${name}: QEMU has a node ${of}`);
        const bitmaps = node['dirty-bitmaps'] ?? [];
        if (bitmaps.length > 1) lines.push(`vm ${name}: ${of} has ${bitmaps.length} bitmaps`);
      }
      const limits = { path: '/objects/limits0', property: 'limits' };
      const found = (await ask('qom-get', limits)) as Record<string, number>;
      for (const key of ['iops_read', 'iops_write', 'bps_read', 'bps_write'])
        differ(key, found[key.replace('_', '-')], config.limits?.[key] ?? 0);
    } finally {
      socket.close();
    }
  } catch (error) {
    lines.push(`vm ${name}: QEMU does not answer: ${messageOf(error)}`);
  }
  return lines;
}
