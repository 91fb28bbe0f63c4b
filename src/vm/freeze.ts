import { messageOf } from '../errors.ts';
import { AgentClient } from '../qmp/agent/client.ts';
import { isAgentOpen } from '../qmp/agent/is-open.ts';
import { withQmp } from '../qmp/with-qmp.ts';
import type { VmName } from '../types.ts';
import type { RootContext } from './host.ts';

/** A guest whose disks are busy flushes for a while; whoever waits for a snapshot can wait as well. */
const FREEZE_MS = 20_000;
const THAW_MS = 10_000;

/**
 * Does `work` while the guest's file systems are at rest, if its agent can bring them to rest; else does
 * it all the same. @returns whether they were.
 */
export async function withFrozenGuest(
  host: RootContext,
  name: VmName,
  work: () => Promise<void>,
): Promise<boolean> {
  const agent = await openAgent(host, name);
  if (agent === undefined) {
    await work();
    return false;
  }
  try {
    const frozen = await freeze(host, agent);
    try {
      await work();
    } finally {
      // Also when freezing seemed to fail: a guest that answered late is frozen all the same.
      await thaw(host, name, agent);
    }
    return frozen;
  } finally {
    agent.close();
  }
}

/**
 * For file systems that somebody who died has left at rest; a guest that was not frozen takes no notice.
 * @throws QmpError when its agent is there and does not do it: then it is to be tried again.
 */
export async function thawGuest(host: RootContext, name: VmName): Promise<void> {
  const agent = await openAgent(host, name);
  if (agent === undefined) return;
  try {
    await agent.execute('guest-fsfreeze-thaw', undefined, { deadlineMs: THAW_MS });
  } finally {
    agent.close();
  }
}

async function openAgent(host: RootContext, name: VmName): Promise<AgentClient | undefined> {
  const files = host.paths.vm(name);
  try {
    const able = await withQmp(
      files.probe,
      async (qmp) => (await qmp.execute('query-status')).running && (await isAgentOpen(qmp)),
      { deadlineMs: 2000, signal: host.signal },
    );
    return able ? await AgentClient.open(files.agent, { deadlineMs: 3000 }) : undefined;
  } catch (error) {
    host.verbose(`guest agent: ${messageOf(error)}`);
    return undefined;
  }
}

async function freeze(host: RootContext, agent: AgentClient): Promise<boolean> {
  try {
    const options = { deadlineMs: FREEZE_MS };
    return (await agent.execute('guest-fsfreeze-freeze', undefined, options)) > 0;
  } catch (error) {
    host.verbose(`the guest's file systems do not come to rest: ${messageOf(error)}`);
    return false;
  }
}

async function thaw(host: RootContext, name: VmName, agent: AgentClient): Promise<void> {
  try {
    await agent.execute('guest-fsfreeze-thaw', undefined, { deadlineMs: THAW_MS });
  } catch (error) {
    host.report(`VM ${name}: thawing the guest's file systems failed: ${messageOf(error)}`);
  }
}
