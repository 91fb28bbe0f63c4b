import * as fs from 'node:fs';
import { run } from '../../../src/host/exec.ts';
import type { Vm, World } from './world.ts';

interface Link {
  ifname: string;
  master?: string;
  linkinfo?: { info_slave_data?: { isolated?: boolean } };
}

/** Taps, bridge ports and rules of the network namespace, against the VMs on a bridge that run. */
export async function auditKernel(world: World, vms: readonly Vm[]): Promise<string[]> {
  const ask = async (...argv: string[]): Promise<string> => {
    const [command = '', ...args] = [...(world.prefix ?? []), ...argv];
    return (await run(command, args, { okCodes: [0, 1] })).stdout;
  };
  const links = JSON.parse((await ask('ip', '-j', '-d', 'link', 'show')) || '[]') as Link[];
  const wanted = new Map<string, string>();
  for (const { config, qemus } of vms)
    if (qemus.length > 0 && config?.network.mode === 'bridge')
      wanted.set(config.network.tap ?? '', config.network.bridge ?? '');
  const lines: string[] = [];
  for (const { ifname } of links)
    if (/^(tap|ifb)\d+i0$/.test(ifname) && !wanted.has(ifname.replace('ifb', 'tap')))
      lines.push(`stray device ${ifname}`);
  for (const [tap, bridge] of wanted) {
    const link = links.find(({ ifname }) => ifname === tap);
    if (link === undefined) lines.push(`${tap} is missing`);
    else if (link.master !== bridge) lines.push(`${tap} is a port of ${link.master}`);
    else if (link.linkinfo?.info_slave_data?.isolated !== true)
      lines.push(`${tap} is not isolated`);
  }
  const table = await ask('nft', 'list', 'table', 'bridge', 'blockhost_qemu');
  const guarded = new Set(table.match(/\btap\d+i0\b/g) ?? []);
  for (const tap of guarded) if (!wanted.has(tap)) lines.push(`rules for ${tap}, which nobody has`);
  for (const tap of wanted.keys()) if (!guarded.has(tap)) lines.push(`no rules for ${tap}`);
  return lines;
}

/** Scopes, where systemd is: one for every VM that runs, none else. */
export async function auditScopes(vms: readonly Vm[]): Promise<string[]> {
  if (!fs.existsSync('/run/systemd/system')) return [];
  const { stdout } = await run('systemctl', [
    ...['list-units', '--all', '--plain', '--no-legend', '--type=scope', 'blockhost-vm-*'],
  ]);
  const scopes = stdout
    .split('\n')
    .map((line) => /^blockhost-vm-(\S+)\.scope/.exec(line)?.[1])
    .filter((name) => name !== undefined);
  const running = vms.filter(({ qemus }) => qemus.length > 0).map(({ name }) => name);
  return [
    ...scopes.filter((name) => !running.includes(name)).map((name) => `stray scope of ${name}`),
    ...running.filter((name) => !scopes.includes(name)).map((name) => `no scope of ${name}`),
  ];
}
