import * as dgram from 'node:dgram';
import * as net from 'node:net';
import { ProvisionerError } from '../errors.ts';
import type { Paths } from '../host/paths.ts';
import { allConfigs } from '../store/all-configs.ts';
import type { Forward, VmConfig } from '../store/vm-config.ts';
import type { VmName } from '../types.ts';

/** @throws ProvisionerError naming the port, and the VM that has it when it is one of ours. */
export async function assertForwardsFree(paths: Paths, config: VmConfig): Promise<void> {
  for (const forward of config.forwards ?? []) {
    if (await canListen(forward)) continue;
    const { protocol, host_ip, host_port } = forward;
    const owner = ownerOf(paths, config.name, forward);
    const who = owner === undefined ? '' : `: VM ${owner} has it`;
    throw new ProvisionerError(
      `VM ${config.name}: ${protocol} port ${host_port} of ${host_ip} is in use${who}`,
      { hint: 'forward another port, or end what listens there' },
    );
  }
}

function canListen({ protocol, host_ip, host_port }: Forward): Promise<boolean> {
  return new Promise((resolve) => {
    if (protocol === 'udp') {
      const socket = dgram.createSocket('udp4');
      socket.once('error', () => socket.close(() => resolve(false)));
      socket.bind({ address: host_ip, port: host_port, exclusive: true }, () =>
        socket.close(() => resolve(true)),
      );
      return;
    }
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: host_ip, port: host_port, exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

function ownerOf(paths: Paths, asking: string, wanted: Forward): VmName | undefined {
  const same = ({ protocol, host_port }: Forward): boolean =>
    protocol === wanted.protocol && host_port === wanted.host_port;
  return allConfigs(paths).find(({ name, config }) => {
    if (name === asking || config === undefined) return false;
    const { forwards = [], network } = config;
    return (
      forwards.some(same) || (network.mode === 'user' && network.ssh_port === wanted.host_port)
    );
  })?.name;
}
