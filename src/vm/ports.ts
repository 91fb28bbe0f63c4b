import * as net from 'node:net';
import { ProvisionerError } from '../errors.ts';
import type { VmFiles } from '../host/paths.ts';
import { type VmConfig, writeVmConfig } from '../store/vm-config.ts';
import type { RootContext } from './host.ts';

const FIRST_PORT = 22_000;
const PORTS = 10_000;
const TRIES = 200;

/** A loopback port nobody listens on, at the place the VM's number gives it if that is free. */
export async function freeSshPort(vmid: number): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST_PORT + ((vmid - 100 + i) % PORTS);
    if (await isFree(port)) return port;
  }
  throw new ProvisionerError(`no free port on 127.0.0.1 from ${FIRST_PORT} on`, {
    hint: 'end some of the programs that listen there',
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** Somebody else may have taken the loopback port while the VM was off: then it gets another one. */
export async function withFreePort(
  context: RootContext,
  files: VmFiles,
  config: VmConfig,
): Promise<VmConfig> {
  const { network } = config;
  if (network.mode !== 'user' || (await isFree(network.ssh_port))) return config;
  const port = await freeSshPort(config.vmid);
  context.report(`port ${network.ssh_port} is in use: ssh leads through 127.0.0.1:${port} now`);
  const changed: VmConfig = { ...config, network: { mode: 'user', ssh_port: port } };
  writeVmConfig(files, changed);
  return changed;
}
