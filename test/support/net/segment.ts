import { run } from '../../../src/host/exec.ts';
import { linkLocalOf } from '../../../src/net/guard/guard.ts';
import { tapName, tapPlan } from '../../../src/net/tap.ts';
import { Namespace } from '../namespace.ts';
import { Port } from './port.ts';

export interface Station {
  mac: string;
  ipv4: string;
  ipv6: string;
  linkLocal: string;
}

export const station = (id: number): Station => {
  const mac = `52:54:00:00:00:${id.toString(16).padStart(2, '0')}`;
  return { mac, ipv4: `192.0.2.${id}`, ipv6: `fd00:1::${id}`, linkLocal: linkLocalOf(mac) };
};

/** The machines on the bridge. `host` is the bridge itself. */
export const VM = station(10);
export const NEIGHBOUR = station(11);
export const LAN = station(20);
export const HOST = { ...station(1), mac: '52:54:00:00:01:01' };
export const VM_TAP = tapName(100);
export const NEIGHBOUR_TAP = tapName(101);

/** A bridge with two VMs and one machine of the network outside, a program on each of them and on the host. */
export interface Segment {
  namespace: Namespace;
  vm: Port;
  neighbour: Port;
  lan: Port;
  host: Port;
}

type Scope = { after(hook: () => Promise<void>): void };

/** `before` runs when the bridge is there and the taps are not. */
export async function makeSegment(
  scope: Scope,
  options: { isolated: boolean; before?: (namespace: Namespace) => Promise<void> },
): Promise<Segment> {
  const namespace = await Namespace.make(scope, `${HOST.ipv4}/24`);
  // Where bridges call iptables, they cut IP packets to their length, and with it the marks behind them.
  await namespace.exec(
    'sh',
    '-c',
    'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$f" ] || echo 0 >"$f"; done',
  );
  await namespace.ip(`link set br0 address ${HOST.mac}`);
  await namespace.ip(`addr add ${HOST.ipv6}/64 dev br0 nodad`);
  await namespace.ip('link add uplink0 type veth peer name lan0');
  await namespace.ip(`link set lan0 address ${LAN.mac} addrgenmode none up`);
  await namespace.ip('link set uplink0 master br0 up');
  await options.before?.(namespace);
  const ports: Port[] = [];
  scope.after(async () => {
    await Promise.all(ports.map((port) => port.close()));
  });
  const keep = (port: Port): Port => {
    ports.push(port);
    return port;
  };
  for (const tap of [VM_TAP, NEIGHBOUR_TAP]) {
    const plan = tapPlan(tap, 'br0').filter((line) => options.isolated || !/isolated/.test(line));
    await run('ip', ['-netns', namespace.name, '-batch', '-'], { input: `${plan.join('\n')}\n` });
  }
  return {
    namespace,
    vm: keep(await Port.onTap(namespace, VM_TAP)),
    neighbour: keep(await Port.onTap(namespace, NEIGHBOUR_TAP)),
    lan: keep(await Port.onDevice(namespace, 'lan0')),
    host: keep(await Port.onDevice(namespace, 'br0')),
  };
}

let marks = 0;

/** Eight bytes that no other frame has, behind the frame as padding: no header is changed by them. */
export function marked(frame: Buffer): { frame: Buffer; mark: Buffer } {
  const mark = Buffer.from(`bv${(++marks).toString().padStart(6, '0')}`);
  const padding = Buffer.alloc(Math.max(0, 60 - frame.length - mark.length));
  return { mark, frame: Buffer.concat([frame, padding, mark]) };
}
