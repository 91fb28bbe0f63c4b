import { Argument } from 'commander';
import { InputError } from '../../errors.ts';
import { parseVmName, type VmName } from '../../types.ts';
import type { Host } from '../../vm/host.ts';
import { createSnapshot, deleteSnapshot, restoreSnapshot, snapshotsOf } from '../../vm/snapshot.ts';
import type { ActingVerb, Output } from '../invocation.ts';

const ACTIONS = ['create', 'list', 'restore', 'delete'] as const;

export const verb: ActingVerb = {
  summary: 'keep what the disks of a VM hold, and bring it back',
  declare(command) {
    command
      .addArgument(new Argument('<action>', 'what to do').choices([...ACTIONS]))
      .argument('<name>', 'the VM')
      .argument('[snapshot]', 'name of the snapshot')
      .option('--json', 'print the list as JSON')
      .addHelpText(
        'after',
        `
A snapshot holds the disks, not the memory, and lives inside the VM's disks. create also takes one of a running
VM, with its file systems at rest when the guest agent answers. restore needs the VM to be off.`,
      );
  },
  async run({ args, options, host, out }) {
    const [action = '', vm, label] = args;
    const name = parseVmName(vm);
    if (action === 'list') await list(host, name, options.json === true, out);
    else if (label === undefined) {
      throw new InputError(`snapshot ${action} needs the name of a snapshot`);
    } else await change(host, name, action, label, out);
    return 0;
  },
};

async function list(host: Host, name: VmName, json: boolean, out: Output): Promise<void> {
  const snapshots = await snapshotsOf(host, name);
  if (json) out.line(JSON.stringify(snapshots));
  else for (const { name, created_at } of snapshots) out.line(`${name}\t${created_at}`);
}

async function change(
  host: Host,
  name: VmName,
  action: string,
  label: string,
  out: Output,
): Promise<void> {
  if (action === 'restore') {
    await restoreSnapshot(host, name, label);
    out.line(`VM ${name} is back at snapshot ${label}`);
  } else if (action === 'delete') {
    await deleteSnapshot(host, name, label);
    out.line(`snapshot ${label} of VM ${name} is deleted`);
  } else {
    const { quiesced } = await createSnapshot(host, name, label);
    const how =
      quiesced === null ? '' : quiesced ? ' (file systems at rest)' : ' (as after a crash)';
    out.line(`snapshot ${label} of VM ${name} is made${how}`);
  }
}
