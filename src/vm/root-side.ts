import * as z from 'zod/mini';
import { BackupHeader } from '../image/backup/format.ts';
import { STAGING_NAME } from '../image/staging-name.ts';
import { TemplateManifest } from '../image/template-manifest.ts';
import type { Publish } from '../image/template-store.ts';
import { Ender } from '../store/last-run.ts';
import { Forward, RestartPolicy, Segment, type VmConfig } from '../store/vm-config.ts';
import { VmLimits } from '../store/vm-limits.ts';
import { isVmName, type VmName } from '../types.ts';

/**
 * What needs privileges, as requests of values: never a path, an option or a command line. The root side
 * derives every path from the name and takes each field for hostile. `src/root` implements this interface:
 * in the same process, or at the other end of a socket.
 */
export interface RootSide {
  /** Makes a VM's directory, vm.json, overlay and seed. When it fails nothing of it is left. */
  createFiles(request: CreateFiles): Promise<VmConfig>;
  /** Starts QEMU and continues the guest; one that was paused goes on. When it fails the VM is off. */
  start(request: StartVm): Promise<Started>;
  /** Ends QEMU; when it is gone, takes away what the run left on the host. */
  end(request: EndVm): Promise<Ended>;
  /** Removes directory and run of a VM. @throws ProvisionerError while its QEMU may live. */
  remove(request: RemoveVm): Promise<void>;
  /** Puts a running VM's limits in force, all of them, and into its record those that are. */
  limit(request: LimitVm): Promise<Limited>;
  /** Finds, and takes away when asked to, what is left on the host of VMs and commands that are gone. */
  care(request: CareForHost): Promise<Cared>;
  /** Makes an immutable template of what lies in a staging directory. */
  publish: Publish;
  /** Ends what a backup has left that was killed. @throws BusyError while it goes on. */
  settleBackup(request: SettleBackup): Promise<void>;
  /** Of a command that makes a backup. */
  backup: BackupSide;
  /** Of a command that restores one. */
  restore: RestoreSide;
}

/** A backup on the side that has the disks. Where it goes to stands on the command line, and in no request. */
export interface BackupSide {
  /** The VM's lock is held. One that is off is backed up then; of one that runs QEMU copies the disks. */
  begin(request: BeginBackup): Promise<BackupState>;
  /** Waits for QEMU and writes the copies; other verbs may work on the VM meanwhile. */
  write(): Promise<BackupState>;
  /** What was begun has to be ended. */
  end(request: EndBackup): Promise<void>;
}

/** The files of a backup, which stand on the command line. */
export interface RestoreSide {
  /** Reads all of them through. @throws InputError naming the file that is damaged or does not follow. */
  verify(): Promise<VerifiedBackup>;
  /** Fills the disks of a VM that was made for it. */
  fill(request: FillVm): Promise<void>;
}

export const Name = z.custom<VmName>(isVmName, { error: 'a valid VM name' });
const Vmid = z.int().check(z.gte(1), z.lte(999_999));
const Device = z.string().check(z.regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/));
const NoAddress = z.literal('');
const Username = z.string().check(z.regex(/^[a-z_][a-z0-9_-]{0,31}$/));
const TemplateId = TemplateManifest.shape.id;

/** A further disk: empty, or a copy of what was imported as a template. */
const ExtraDisk = z.union([
  z.strictObject({ bytes: z.int().check(z.gte(1), z.lte(2 ** 54)) }),
  z.strictObject({ template: TemplateId }),
]);
export type ExtraDisk = z.infer<typeof ExtraDisk>;

export const CreateFiles = z.strictObject({
  name: Name,
  vmid: Vmid,
  vcpus: z.int().check(z.gte(1), z.lte(255)),
  memory_mb: z.int().check(z.gte(64), z.lte(16_777_216)),
  disk_bytes: z.int().check(z.gte(1)),
  template: TemplateId,
  username: Username,
  network: z.discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('user'),
      ssh_port: z.int().check(z.gte(1024), z.lte(65_535)),
    }),
    z.strictObject({
      mode: z.literal('bridge'),
      bridge: Device,
      ipv4: z.union([NoAddress, z.ipv4()]),
      ipv6: z.union([NoAddress, z.ipv6()]),
    }),
  ]),
  extras: z.optional(
    z.strictObject({
      hostname: z.optional(z.string().check(z.maxLength(253))),
      forwards: z.array(Forward).check(z.maxLength(64)),
      segments: z
        .array(z.pick(Segment, { address: true, prefix_length: true }))
        .check(z.maxLength(8)),
      disks: z.array(ExtraDisk).check(z.maxLength(16)),
      restart: z.optional(RestartPolicy),
    }),
  ),
  seed: z.strictObject({
    user_data: z.string().check(z.maxLength(1_048_576)),
    /** What the guest is told of its card; addresses are checked again when it is rendered. */
    ipv4: z.union([
      z.literal('dhcp'),
      z.strictObject({
        address: z.ipv4(),
        prefixLength: z.int().check(z.gte(1), z.lte(32)),
        gateway: z.optional(z.ipv4()),
      }),
    ]),
    ipv6: z.optional(z.strictObject({ address: z.ipv6(), gateway: z.ipv6() })),
    nameservers: z.array(z.union([z.ipv4(), z.ipv6()])).check(z.maxLength(8)),
  }),
});
export type CreateFiles = z.infer<typeof CreateFiles>;

export const StartVm = z.strictObject({ name: Name });
export type StartVm = z.infer<typeof StartVm>;

export const Started = z.strictObject({
  /** `running`: it was running already. */
  outcome: z.enum(['started', 'continued', 'running']),
});
export type Started = z.infer<typeof Started>;

export const EndVm = z.strictObject({
  name: Name,
  /** `quit` lets QEMU flush and end, `kill` does not, `tidy` only takes away what a run left that has ended. */
  how: z.enum(['quit', 'kill', 'tidy']),
  /** Milliseconds to wait for the end. */
  wait_ms: z.int().check(z.gte(0), z.lte(60_000)),
  /** From the record: names the tap when vm.json is damaged. */
  vmid: z.optional(Vmid),
  /** For whom; kept with how the run ended. */
  by: z.optional(Ender),
});
export type EndVm = z.infer<typeof EndVm>;

export const Ended = z.strictObject({
  /** Whether there was a QEMU. */
  ran: z.boolean(),
  /** Whether there is none now. */
  gone: z.boolean(),
});
export type Ended = z.infer<typeof Ended>;

export const LimitVm = z.strictObject({ name: Name, limits: VmLimits });
export type LimitVm = z.infer<typeof LimitVm>;

export const Limited = z.strictObject({
  /** As they stand in the record now. */
  limits: VmLimits,
  /** What is not in force as asked, and why. */
  failed: z.array(
    z.strictObject({
      group: z.enum(['CPU', 'disk', 'network']),
      error: z.string(),
      /** QEMU has not answered: what it was told may be in force, or come into force, all the same. */
      unanswered: z.boolean(),
    }),
  ),
  /** Whoever was not answered had little time for it. */
  again: z.boolean(),
});
export type Limited = z.infer<typeof Limited>;

export const RemoveVm = z.strictObject({ name: Name, vmid: z.optional(Vmid) });
export type RemoveVm = z.infer<typeof RemoveVm>;

export const CareForHost = z.strictObject({ mend: z.boolean() });
export type CareForHost = z.infer<typeof CareForHost>;

export const Leftover = z.strictObject({
  kind: z.enum(['trash', 'temporary', 'filter', 'shaper', 'scope', 'unguarded', 'unshaped']),
  name: z.string(),
});
export type Leftover = z.infer<typeof Leftover>;

export const Cared = z.strictObject({
  /** As it was found, before anything was taken away. */
  left: z.array(Leftover),
  /** What could not be looked at or taken away. */
  troubles: z.array(z.string()),
});
export type Cared = z.infer<typeof Cared>;

const Text = z.string().check(z.maxLength(1000));

export const PublishTemplate = z.strictObject({
  /** Name of the directory below the staging directory that holds `disk.qcow2`. */
  token: z.string().check(z.regex(STAGING_NAME)),
  label: z.string().check(z.regex(/^[a-z0-9][a-z0-9.-]{0,40}$/)),
  source: TemplateManifest.shape.source,
  os: z.optional(Text),
  packages: z.array(Text).check(z.maxLength(10_000)),
  packageFiles: TemplateManifest.shape.packageFiles,
  defaultUser: Username,
  tuned: z.boolean(),
  make_current: z.boolean(),
});
export type PublishTemplate = z.infer<typeof PublishTemplate>;

export const Published = z.strictObject({ id: TemplateId });
export type Published = z.infer<typeof Published>;

export const SettleBackup = z.strictObject({ name: Name });
export type SettleBackup = z.infer<typeof SettleBackup>;

export const BeginBackup = z.strictObject({
  name: Name,
  /** Only what was written since the last backup. */
  incremental: z.boolean(),
  /** Bytes per second at which the disks of a running VM are copied; 0 means no limit. */
  speed: z.int().check(z.gte(0)),
});
export type BeginBackup = z.infer<typeof BeginBackup>;

export const BackupState = z.strictObject({
  id: z.uuid(),
  parent: z.nullable(z.uuid()),
  sequence: z.int().check(z.gte(0)),
  quiesced: z.nullable(z.boolean()),
  disks: z.int(),
  /** Bytes of disk content that are written. */
  bytes: z.int(),
  /** Whether QEMU copies the disks, and they are still to be written. */
  copying: z.boolean(),
});
export type BackupState = z.infer<typeof BackupState>;

export const EndBackup = z.strictObject({
  /** The VM's lock is held, but for `leave`: then the next verb undoes what was begun. */
  how: z.enum(['advance', 'undo', 'leave']),
});
export type EndBackup = z.infer<typeof EndBackup>;

export const VerifiedBackup = z.strictObject({
  /** Of the last file. */
  header: BackupHeader,
  /** Bytes of disk content in all files. */
  bytes: z.int(),
});
export type VerifiedBackup = z.infer<typeof VerifiedBackup>;

export const FillVm = z.strictObject({ name: Name });
export type FillVm = z.infer<typeof FillVm>;
