import { messageOf } from '../../errors.ts';
import { currentTemplate } from '../../image/template-store.ts';
import { parseVmName } from '../../types.ts';
import type { ReadHost } from '../../vm/host.ts';
import { inspectAll, inspectVm } from '../../vm/inspect.ts';
import type { LookingVerb } from '../invocation.ts';

export const verb: LookingVerb = {
  summary: 'describe VMs as JSON, for programs',
  declare(command) {
    command.argument('[name...]', 'the VMs; none means all').addHelpText(
      'after',
      `
With one name, an object; else {"template": ID or null, "vms": [objects]}. "state" is absent, off, running,
paused, preparing (a create or destroy is under way) or unknown ("reason" says why).`,
    );
  },
  async run({ args, host, out }) {
    const names = args.map(parseVmName);
    const [only, ...more] = names;
    if (only !== undefined && more.length === 0) {
      out.line(JSON.stringify(await inspectVm(host, only)));
      return 0;
    }
    const vms =
      names.length === 0
        ? await inspectAll(host)
        : await Promise.all(names.map((name) => inspectVm(host, name)));
    out.line(JSON.stringify({ template: templateOf(host), vms }));
    return 0;
  },
};

function templateOf(host: ReadHost): string | null {
  try {
    return currentTemplate(host.paths).id;
  } catch (error) {
    host.verbose(messageOf(error));
    return null;
  }
}
