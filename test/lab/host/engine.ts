/**
 * The command line that runs another one as BlockHost's engine runs a provisioner's commands: user blockhost,
 * everything but its own folders read-only, a /tmp of its own, and no way to more privileges. For use inside the
 * host, by root. `/run/blockhost` is given to the group first, as the engine's unit does before it starts.
 */
export function asEngine(argv: readonly string[], env: Record<string, string> = {}): string[] {
  const all = {
    HOME: '/var/lib/blockhost',
    NODE_OPTIONS: '--dns-result-order=ipv4first',
    ...env,
  };
  return [
    ...['systemd-run', '--quiet', '--wait', '--pipe', '--collect'],
    ...PROPERTIES.map((property) => `--property=${property}`),
    ...Object.entries(all).map(([name, value]) => `--setenv=${name}=${value}`),
    '--',
    ...argv,
  ];
}

const PROPERTIES = [
  'User=blockhost',
  'Group=blockhost',
  'WorkingDirectory=/var/lib/blockhost',
  'ProtectSystem=strict',
  'ReadWritePaths=/var/lib/blockhost /run/blockhost',
  'PrivateTmp=yes',
  'NoNewPrivileges=yes',
  'ExecStartPre=+/usr/bin/install -d -o root -g blockhost -m 2775 /run/blockhost',
];
