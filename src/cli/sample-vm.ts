import * as fs from 'node:fs';
import * as net from 'node:net';
import { loadConfig } from '../host/config.ts';
import { identify } from '../host/process.ts';
import { EmbeddedStore } from '../store/embedded.ts';
import { writeIncarnation } from '../store/incarnation.ts';
import type { VmRecord } from '../store/record.ts';
import { parseVmName } from '../types.ts';

const VERSION = { qemu: { micro: 0, minor: 0, major: 8 }, package: '' };
const GREETING = { QMP: { version: VERSION, capabilities: [] } };
const RUNNING = { status: 'running', singlestep: false, running: true };

/**
 * A VM that runs, for whoever wants to see the verbs at work without one: a record in the directory of
 * BLOCKHOST_QEMU_STATE_DIR, this process for its QEMU, and a monitor that answers. It does not keep the process alive.
 */
export async function sampleVm(word: string): Promise<void> {
  const name = parseVmName(word);
  const { paths } = await loadConfig();
  const files = paths.vm(name);
  const identity = identify(process.pid);
  if (identity === undefined) throw new Error('/proc does not show this process');
  for (const directory of [files.directory, files.run])
    fs.mkdirSync(directory, { recursive: true });
  const started_at = new Date().toISOString();
  writeIncarnation(files, { ...identity, runner: 'direct', accel: 'tcg', started_at });
  await new EmbeddedStore(paths.records).register(recordOf(name, started_at));
  await new Promise<void>((resolve) =>
    net.createServer(serve).listen(files.probe, resolve).unref(),
  );
}

function recordOf(vm_name: string, time: string): VmRecord {
  const times = { created_at: time, expires_at: time };
  const addresses = { ip_address: '', ipv6_address: '', network_mode: 'user' };
  const whose = { owner: '', purpose: '', wallet_address: '', username: '' };
  return { vm_name, vmid: 100, status: 'active', ...times, ...addresses, ...whose };
}

function serve(socket: net.Socket): void {
  const send = (message: object): void => void socket.write(`${JSON.stringify(message)}\r\n`);
  socket.on('error', () => undefined);
  send(GREETING);
  socket.on('data', (data) => {
    for (const line of data.toString().trim().split('\n')) {
      const { id, execute } = JSON.parse(line) as { id: unknown; execute: string };
      send({ return: execute === 'query-status' ? RUNNING : {}, id });
    }
  });
}
