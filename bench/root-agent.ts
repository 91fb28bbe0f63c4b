import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { poll } from '../src/host/time.ts';
import { programFile, projectRoot } from '../test/support/program.ts';
import type { Sandbox } from '../test/support/sandbox.ts';
import { timed } from './world.ts';

/** nobody and nogroup. */
const ID = 65_534;

interface Scope {
  after(end: () => Promise<void>): unknown;
}

/**
 * A caller without privileges: what root has to do for it goes through the stand-in for BlockHost's root agent and
 * our own actions there, on the VMs of this sandbox.
 * @returns a call of a verb, which gives its seconds
 */
export async function callerByAgent(
  scope: Scope,
  sandbox: Sandbox,
  prefix: readonly string[],
): Promise<(verb: string, args: readonly string[]) => Promise<number>> {
  const base = path.dirname(sandbox.state);
  const [front, socket] = [path.join(base, 'front'), path.join(base, 'agent.sock')];
  fs.mkdirSync(front);
  fs.copyFileSync(sandbox.config.paths.records, path.join(front, 'vms.json'));
  for (const file of [front, path.join(front, 'vms.json')]) fs.chownSync(file, ID, ID);
  await startAgent(scope, sandbox, prefix, socket);
  const config = path.join(base, 'caller.yaml');
  const settings = { ...sandbox.config.settings, root: 'agent', root_agent_socket: socket };
  fs.writeFileSync(config, JSON.stringify({ ...settings, front_dir: front, front_user: 'nobody' }));
  const env = { ...process.env, ...sandbox.env, BLOCKHOST_QEMU_CONFIG: config };
  const become = ['setpriv', '--reuid', `${ID}`, '--regid', `${ID}`, '--clear-groups'];
  return async (verb, args) => {
    const [command = '', ...rest] = [...prefix, ...become, programFile(`blockhost-vm-${verb}`)];
    return (await timed(command, [...rest, ...args], env)).seconds;
  };
}

async function startAgent(
  scope: Scope,
  sandbox: Sandbox,
  prefix: readonly string[],
  socket: string,
): Promise<void> {
  const support = path.join(projectRoot(), 'test/support/root-agent');
  const actions = path.join(path.dirname(sandbox.state), 'actions');
  fs.mkdirSync(actions);
  fs.writeFileSync(path.join(actions, 'qemu.py'), OURS);
  const [command = '', ...args] = [
    ...prefix,
    '/usr/bin/python3',
    '-B',
    `${support}/blockhost-root-agent`,
  ];
  const agent = spawn(command, args, {
    stdio: 'ignore',
    env: {
      ...process.env,
      ...sandbox.env,
      BLOCKHOST_ROOT_AGENT_SOCKET: socket,
      BLOCKHOST_ROOT_AGENT_ACTIONS: actions,
      BLOCKHOST_ROOT_AGENT_GROUP: 'nogroup',
      QEMU_ACTIONS: path.join(projectRoot(), 'python/root-agent-actions/qemu.py'),
      QEMU_PROGRAM: programFile('blockhost-qemu'),
    },
  });
  scope.after(() => {
    agent.kill('SIGKILL');
    return Promise.resolve();
  });
  const there = (): true | undefined => (fs.existsSync(socket) ? true : undefined);
  if ((await poll(there, { deadlineMs: 20_000, everyMs: 20 })) === undefined)
    throw new Error('the root agent does not start');
}

/** Our actions as they are installed, but for where the program and its VMs lie. */
const OURS = `import importlib.util
import os

spec = importlib.util.spec_from_file_location("installed", os.environ["QEMU_ACTIONS"])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.PROGRAM = os.environ["QEMU_PROGRAM"]
module.ENVIRONMENT = dict(os.environ)
ACTIONS = module.ACTIONS
`;
