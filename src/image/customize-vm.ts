import * as fs from 'node:fs';
import * as path from 'node:path';
import { NotFoundError, ProvisionerError } from '../errors.ts';
import { ExecError, run } from '../host/exec.ts';
import type { Report } from '../types.ts';
import { type CustomizeFacts, customizeLog } from './customize-log.ts';
import { followFile } from './follow-file.ts';
import { makeIso } from './iso.ts';
import { renderNetworkConfig } from './network-config.ts';
import { writeSeed } from './seed.ts';
import { yamlText } from './yaml-text.ts';

export interface CustomizeVmOptions {
  /** The qcow2 to change. */
  image: string;
  /** Filled by writePayload(). */
  payload: string;
  workDir: string;
  accel: 'kvm' | 'tcg';
  qemuBinary: string;
  /** Milliseconds until the guest must have powered itself off. */
  deadlineMs: number;
  report: Report;
  signal?: AbortSignal | undefined;
}

/**
 * Customises a cloud image from inside, by booting it once: cloud-init starts customize.sh from an ISO, which
 * reports through a serial port of its own and powers off. What counts is its last word there.
 */
export async function customizeVm(options: CustomizeVmOptions): Promise<CustomizeFacts> {
  const { workDir, payload, report, signal } = options;
  const seed = path.join(workDir, 'seed.iso');
  const payloadIso = path.join(workDir, 'payload.iso');
  const port = path.join(workDir, 'port.log');
  fs.writeFileSync(path.join(payload, 'run.sh'), RUN);
  await makeIso({ folder: payload, label: LABEL, file: payloadIso, signal });
  await writeSeed(seed, {
    userData: `#cloud-config\n${yamlText({ runcmd: [['sh', '-c', START]] })}`,
    metaData: yamlText({ 'instance-id': `customize-${Date.now()}`, dsmode: 'local' }),
    networkConfig: renderNetworkConfig({ mac: MAC, ipv4: 'dhcp' }),
  });

  fs.writeFileSync(port, '');
  const log = customizeLog(report);
  let done = false;
  const following = followFile(port, (line) => {
    done ||= line.trim() === '@done';
    log.line(line);
  });
  report(
    `starting the image to customise it${options.accel === 'tcg' ? ' (without KVM: slow)' : ''}`,
  );
  try {
    await run(options.qemuBinary, qemuArguments({ ...options, seed, payloadIso, port }), {
      timeoutMs: options.deadlineMs,
      signal,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw explain(error, options, log.failure());
  } finally {
    following.stop();
  }
  if (!done) {
    throw new ProvisionerError(
      `the image could not be customised: ${log.failure() ?? 'the guest powered off early'}`,
      { detail: tailOf(path.join(workDir, CONSOLE)) },
    );
  }
  return log.facts();
}

const MAC = '52:54:00:62:68:71';
const LABEL = 'BHPAYLOAD';
const CONSOLE = 'console.log';

function qemuArguments(
  options: CustomizeVmOptions & { seed: string; payloadIso: string; port: string },
): string[] {
  const drives = [
    { file: options.image, driver: 'qcow2', 'read-only': false, discard: 'unmap' },
    { file: options.seed, driver: 'raw', 'read-only': true },
    { file: options.payloadIso, driver: 'raw', 'read-only': true },
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'q35', '-accel', options.accel],
    ...['-cpu', options.accel === 'kvm' ? 'host' : 'qemu64', '-smp', '2', '-m', '1024'],
    ...drives.flatMap(({ file, driver, ...rest }, i) => [
      '-blockdev',
      JSON.stringify({
        'node-name': `drive${i}`,
        driver,
        ...rest,
        file: { driver: 'file', filename: file },
      }),
      '-device',
      `virtio-blk-pci,drive=drive${i}`,
    ]),
    ...['-netdev', 'user,id=net', '-device', `virtio-net-pci,netdev=net,mac=${MAC},romfile=`],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    ...['-chardev', `file,id=port,path=${comma(options.port)}`],
    ...['-device', 'virtserialport,chardev=port,name=blockhost.customize'],
    ...['-chardev', `file,id=console,path=${comma(path.join(options.workDir, CONSOLE))}`],
    ...['-serial', 'chardev:console'],
  ];
}

/** Doubled, as QEMU's option parser wants it. */
function comma(text: string): string {
  return text.replaceAll(',', ',,');
}

function explain(
  error: unknown,
  options: CustomizeVmOptions,
  failure: string | undefined,
): unknown {
  if (!(error instanceof ExecError)) return error;
  if (error.missing) {
    return new NotFoundError(`${options.qemuBinary} is not installed`, {
      hint: 'install qemu-system-x86',
      cause: error,
    });
  }
  const seconds = Math.round(options.deadlineMs / 1000);
  const reason = error.message.endsWith('in time')
    ? `the guest was not done after ${seconds} s; does the image have cloud-init?`
    : error.message;
  return new ProvisionerError(`the image could not be customised: ${failure ?? reason}`, {
    detail: tailOf(path.join(options.workDir, CONSOLE)),
    cause: error,
  });
}

function tailOf(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').slice(-4000) : undefined;
}

/** Started by cloud-init, but apart from it: it waits for cloud-init to end before it removes its traces. */
const START = `mkdir -p /run/blockhost-payload
mount -o ro "$(blkid -L ${LABEL})" /run/blockhost-payload
systemd-run --unit=blockhost-customize --no-block sh /run/blockhost-payload/run.sh`;

const RUN = `#!/bin/sh
# Runs customize.sh and tells the host how it went.
set -u
for port in /sys/class/virtio-ports/*; do
  if [ "$(cat "$port/name" 2>/dev/null)" = blockhost.customize ]; then exec >"/dev/\${port##*/}" 2>&1; fi
done
end() {
  echo "$1"
  sync
  systemctl poweroff --force
}
until [ -e /run/cloud-init/result.json ]; do sleep 1; done
payload=/run/blockhost-copy
cp -R /run/blockhost-payload "$payload" || end '@failed no room in the guest'
if sh "$payload/customize.sh" "$payload"; then
  fstrim / || true
  end '@done'
else
  end '@failed customize.sh failed'
fi
`;
