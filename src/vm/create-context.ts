import type { Allocation } from '../store/record.ts';
import type { VmConfig } from '../store/vm-config.ts';
import type { CreateSite } from './create-site.ts';
import type { CreateSpec } from './create-spec.ts';
import type { Host } from './host.ts';
import type { ExtraDisk } from './root-side.ts';
import type { ChosenTemplate } from './template-choice.ts';

/** What the steps of `create` hand to each other. */
export interface CreateContext {
  host: Host;
  spec: CreateSpec;
  site: CreateSite;
  template: ChosenTemplate;
  disks: ExtraDisk[];
  allocation: Allocation;
  ip: string;
  /** Once its files are made. */
  config?: VmConfig;
}
