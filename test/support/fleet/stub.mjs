// Stands in for many QEMUs at once: serves, per VM, the observation monitor and the guest agent with replies
// as QEMU 7.2 and its agent give them. Run as a process of its own, so that what a sampler costs can be told apart.
// usage: node stub.mjs RUN-DIRECTORY '[{"name":"vm1","agent":"good"}, …]'; says "ready" when all sockets are there.
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';

const [, , run, list] = process.argv;
const began = performance.now();
const recorded = fs.readFileSync(path.join(import.meta.dirname, 'blockstats.txt'), 'utf8').trim();

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "stub"}, "capabilities": ["oob"]}}\r\n';

/** Bytes a second the guests claim to write: their figures are known. */
const WRITTEN_PER_SECOND = 1_000_000;

function reply(command, vm) {
  switch (command) {
    case 'query-blockstats':
      return recorded.replace(
        '"wr_bytes": 4096',
        `"wr_bytes": ${Math.floor(((performance.now() - began) / 1000) * WRITTEN_PER_SECOND)}`,
      );
    case 'query-status':
      return '{"status": "running", "singlestep": false, "running": true}';
    case 'qom-get':
      return '{"stats": {"stat-htlb-pgalloc": 0, "stat-swap-out": 0, "stat-available-memory": 633405440, "stat-htlb-pgfail": 0, "stat-free-memory": 573603840, "stat-minor-faults": 1292, "stat-major-faults": 0, "stat-total-memory": 1010827264, "stat-swap-in": 0, "stat-disk-caches": 9351168}, "last-update": 1795632505}';
    case 'query-chardev':
      return JSON.stringify(
        ['qmp', 'stat', 'probe', 'console', 'qga'].map((label) => ({
          'frontend-open': label !== 'qga' || vm.agent !== 'none',
          filename: `disconnected:unix:${run}/${vm.name}/${label}.sock,server=on`,
          label,
        })),
      );
    case 'query-cpus-fast':
      return `[{"thread-id": ${process.pid}, "props": {"core-id": 0, "thread-id": 0, "socket-id": 0}, "qom-path": "/machine/unattached/device[0]", "cpu-index": 0, "target": "x86_64"}]`;
    case 'query-balloon':
      return '{"actual": 1073741824}';
    default:
      return '{}';
  }
}

function serveMonitor(vm, socket) {
  socket.write(GREETING);
  eachLine(socket, (line) => {
    const { execute, id } = JSON.parse(line);
    socket.write(`{"return": ${reply(execute, vm)}, "id": ${JSON.stringify(id)}}\r\n`);
  });
}

const AGENT = {
  'guest-get-fsinfo': [
    { name: 'vda1', mountpoint: '/', type: 'ext4', 'used-bytes': 500_000_000, 'total-bytes': 4e9 },
  ],
  'guest-network-get-interfaces': [],
  'guest-file-open': 1000,
  'guest-file-read': {
    count: 20,
    'buf-b64': Buffer.from('TCP: inuse 3 orphan 0 tw 0 alloc 4 mem 1\n').toString('base64'),
    eof: true,
  },
};

function serveAgent(vm, socket) {
  socket.on('error', () => {});
  if (vm.agent === 'drip') {
    // A byte now and then, for ever.
    const timer = setInterval(() => socket.write('{'), 100);
    socket.on('close', () => clearInterval(timer));
  }
  if (vm.agent !== 'good' && vm.agent !== 'lie') return;
  eachLine(socket, (text) => {
    const line = text.slice(text.lastIndexOf('\xff') + 1);
    const { execute, id, arguments: args } = JSON.parse(line);
    if (execute === 'guest-sync-delimited') {
      socket.write(Buffer.from(`\xff{"return": ${args.id}}\n`, 'latin1'));
    } else if (vm.agent === 'lie') {
      socket.write(`${JSON.stringify({ return: [{ name: 1e300, 'used-bytes': -5 }], id })}\n`);
    } else {
      socket.write(`${JSON.stringify({ return: AGENT[execute] ?? {}, id })}\n`);
    }
  });
}

function eachLine(socket, onLine) {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop();
    for (const line of lines) onLine(line);
  });
  socket.on('error', () => {});
}

await Promise.all(
  JSON.parse(list).flatMap((vm) => {
    const directory = path.join(run, vm.name);
    fs.mkdirSync(directory, { recursive: true });
    const listen = (file, serve) =>
      new Promise((resolve) => {
        net.createServer(serve).listen(path.join(directory, file), resolve);
      });
    return [
      listen('stat.sock', (socket) => serveMonitor(vm, socket)),
      listen('probe.sock', (socket) => serveMonitor(vm, socket)),
      ...(vm.agent === 'none' ? [] : [listen('qga.sock', (socket) => serveAgent(vm, socket))]),
    ];
  }),
);
process.stdout.write('ready\n');
