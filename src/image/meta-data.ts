import { InputError } from '../errors.ts';
import { quote } from '../types.ts';
import { hostnameFor } from './hostname.ts';
import { yamlText } from './yaml-text.ts';

export interface MetaDataSpec {
  /** New for each VM, also for one that gets a used name again: cloud-init sets up anew when it changes. */
  instanceId: string;
  hostname: string;
}

/**
 * `dsmode: local` lets cloud-init make accounts and files in its first stage, before the network, which
 * saves a Python start on the way to a usable VM. The price: user-data cannot be an #include of a URL.
 */
export function renderMetaData(spec: MetaDataSpec): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/.test(spec.instanceId))
    throw new InputError(`${quote(spec.instanceId)} is not a valid instance id`);
  return yamlText({
    'instance-id': spec.instanceId,
    'local-hostname': hostnameFor(spec.hostname),
    dsmode: 'local',
  });
}
