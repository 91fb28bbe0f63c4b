/** What each command takes, in QMP's own names; `undefined` for nothing (QEMU QMP reference manual). */
export interface CommandArguments {
  'query-status': undefined;
  'query-version': undefined;
  'query-block': undefined;
  'query-blockstats': undefined | { 'query-nodes'?: boolean };
  'query-chardev': undefined;
  'query-balloon': undefined;
  'query-cpus-fast': undefined;
  'query-named-block-nodes': undefined | { flat?: boolean };
  'query-jobs': undefined;
  'query-stats': {
    target: 'vm' | 'vcpu' | 'cryptodev';
    vcpus?: string[];
    providers?: { provider: string; names?: string[] }[];
  };
  stop: undefined;
  cont: undefined;
  quit: undefined;
  system_powerdown: undefined;
  system_reset: undefined;
  /** Bytes of memory the guest shall keep. */
  balloon: { value: number };
  'qom-list': { path: string };
  'qom-get': { path: string; property: string };
  'qom-set': { path: string; property: string; value: unknown };
  block_set_io_throttle: ThrottleLimits & { id: string };
  block_resize: { 'node-name': string; size: number };
  /** `device` may be the name of a root node. */
  'blockdev-snapshot-internal-sync': { device: string; name: string };
  'blockdev-snapshot-delete-internal-sync': { device: string; name: string };
  /** Further options of the driver go beside it. */
  'blockdev-add': { driver: string; 'node-name': string; [option: string]: unknown };
  'blockdev-del': { 'node-name': string };
  /** All of them at one moment, or none. */
  transaction: { actions: readonly TransactionAction[] };
  /** Further properties of the device go beside `driver`. */
  device_add: { driver: string; id: string; bus?: string; [property: string]: unknown };
  device_del: { id: string };
  'chardev-change': { id: string; backend: { type: string; data: Record<string, unknown> } };
  'ringbuf-read': { device: string; size: number; format?: 'utf8' | 'base64' };
  'job-cancel': { id: string };
  'job-dismiss': { id: string };
}

interface BitmapOfNode {
  node: string;
  name: string;
}

export type TransactionAction =
  | {
      type: 'block-dirty-bitmap-add';
      data: BitmapOfNode & { granularity: number; persistent: boolean; disabled?: boolean };
    }
  | { type: 'block-dirty-bitmap-enable' | 'block-dirty-bitmap-remove'; data: BitmapOfNode }
  | {
      type: 'block-dirty-bitmap-merge';
      data: { node: string; target: string; bitmaps: readonly BitmapOfNode[] };
    }
  | { type: 'blockdev-backup'; data: BackupJob };

export interface BackupJob {
  'job-id': string;
  /** Names of nodes. */
  device: string;
  target: string;
  sync: 'full' | 'bitmap';
  /** With `sync` bitmap: what to copy; `never`: it stays as it is, and goes on recording. */
  bitmap?: string;
  'bitmap-mode'?: 'never';
  /** Bytes per second; 0 means no limit. */
  speed: number;
  'on-source-error': 'report';
  'on-target-error': 'report';
  'auto-dismiss': boolean;
}

/** Per second; 0 means no limit. */
export interface ThrottleLimits {
  bps: number;
  bps_rd: number;
  bps_wr: number;
  iops: number;
  iops_rd: number;
  iops_wr: number;
  bps_max?: number;
  bps_rd_max?: number;
  bps_wr_max?: number;
  iops_max?: number;
  iops_rd_max?: number;
  iops_wr_max?: number;
  iops_size?: number;
  group?: string;
}

export type CommandName = keyof CommandArguments;
