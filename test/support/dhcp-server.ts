import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { temporaryDirectory } from './temporary.ts';

/** A DHCP server on the bridge of a `Namespace`, 192.0.2.1/24, with one address: 192.0.2.77. */
export function startDhcpServer(
  scope: Parameters<typeof temporaryDirectory>[0],
  prefix: readonly string[],
): void {
  const folder = temporaryDirectory(scope);
  const [leases, config] = [path.join(folder, 'leases'), path.join(folder, 'udhcpd.conf')];
  fs.writeFileSync(leases, '');
  fs.writeFileSync(
    config,
    `start 192.0.2.77
end 192.0.2.77
interface br0
lease_file ${leases}
pidfile ${folder}/pid
option subnet 255.255.255.0
option router 192.0.2.1
`,
  );
  const [command = '', ...args] = [...prefix, 'busybox', 'udhcpd', '-f', config];
  const server = spawn(command, args, { stdio: 'ignore' });
  scope.after(() => {
    server.kill('SIGKILL');
  });
}
