/** What each agent command takes, in the agent's own names (QEMU Guest Agent Protocol Reference). */
export interface AgentArguments {
  'guest-ping': undefined;
  'guest-info': undefined;
  'guest-exec': {
    path: string;
    arg?: string[];
    /** NAME=value; what the command gets as its whole environment. */
    env?: string[];
    /** Base64. */
    'input-data'?: string;
    'capture-output'?: boolean;
  };
  /** Can be read once after the end; then the agent has forgotten the process. */
  'guest-exec-status': { pid: number };
  'guest-get-fsinfo': undefined;
  'guest-get-host-name': undefined;
  'guest-get-osinfo': undefined;
  'guest-get-vcpus': undefined;
  'guest-network-get-interfaces': undefined;
  'guest-file-open': { path: string; mode?: string };
  'guest-file-read': { handle: number; count?: number };
  'guest-file-close': { handle: number };
  'guest-fsfreeze-status': undefined;
  /** While frozen, guest-exec is refused. */
  'guest-fsfreeze-freeze': undefined;
  'guest-fsfreeze-freeze-list': { mountpoints?: string[] };
  'guest-fsfreeze-thaw': undefined;
  /** `password` is base64. */
  'guest-set-user-password': { username: string; password: string; crypted: boolean };
}

export type AgentCommandName = keyof AgentArguments;
