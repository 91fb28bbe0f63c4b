/**
 * The command line that runs another one as BlockHost's engine runs a provisioner's commands: user blockhost,
 * everything but its own folders read-only, a /tmp of its own, and no way to more privileges. For use inside the
 * host, by root.
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
];
