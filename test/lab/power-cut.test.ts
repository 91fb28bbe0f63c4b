import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { sleep } from '../../src/host/time.ts';
import { driverFile } from '../support/bundle-driver.ts';
import { Random } from '../support/random.ts';
import { LabHost } from './host/lab-host.ts';

// Power is cut at random moments of verbs; what is there when the host is up again has to be whole.

const CUTS = Number(process.env.POWER_CUTS ?? 5);
const SETTINGS = {
  store: 'embedded',
  root: 'own',
  network: 'bridge',
  bridge: 'br0',
  ip_pool: { network: '192.0.2.0/24', start: 10, end: 99, gateway: '192.0.2.1' },
};
const LONG = { timeoutMs: 200_000 };
const CREATE =
  'blockhost-vm-create NAME --image /srv/blank.qcow2 --memory 96 --disk 1 --apply --no-wait';
const DISK = '/var/lib/blockhost-qemu/vms/kept/disk.qcow2';

const host = await LabHost.boot({ after });
const random = new Random();

before(async () => {
  fs.copyFileSync(await driverFile('audit/main'), path.join(host.share, 'audit.mjs'));
  // Without a boot sector its BIOS halts: a VM that runs costs next to nothing.
  await host.sh(
    `
    mkdir -p /etc/blockhost-qemu
    cat >/etc/blockhost-qemu/config.yaml <<'YAML'
${JSON.stringify(SETTINGS)}
YAML
    qemu-img create -q -f qcow2 /srv/blank.qcow2 1M
    ${CREATE.replace('NAME', 'kept')}
    blockhost-vm-kill kept
    qemu-io -f qcow2 -c 'write -P 0x5a 512M 64k' ${DISK}
    blockhost-vm-start kept
    sync`,
    LONG,
  );
});

/** As `qemu-img check` reports it; what is 0 is left out but for `check-errors`. */
interface Check {
  'check-errors': number;
  corruptions?: number;
  leaks?: number;
}

/** A cut may leave a cluster that was taken and is used by nobody: that wastes room, and harms no data. */
function damageOf(check: Check, cuts: number): string[] {
  const { corruptions = 0, leaks = 0 } = check;
  if (corruptions > 0 || check['check-errors'] > 0) return ['its disk is damaged'];
  return leaks > cuts ? [`${leaks} clusters leaked by ${cuts} cuts`] : [];
}

/** Each is begun anew after every cut, whatever became of the one before. */
const VERBS = [
  CREATE.replace('NAME', 'comes'),
  'blockhost-vm-throttle kept --iops-read RANDOM',
  'blockhost-vm-snapshot create kept sRANDOM',
  'blockhost-vm-destroy comes',
  'blockhost-vm-kill kept',
];

test(`${CUTS} power cuts while verbs are under way: nothing lost, nothing left`, async (t) => {
  t.diagnostic(random.told);
  const found: string[] = [];
  for (let cut = 0; cut < CUTS; cut++) {
    const verb = (VERBS[cut % VERBS.length] ?? '').replace(
      'RANDOM',
      String(100 + random.below(900)),
    );
    if (/destroy/.test(verb)) await host.sh(`${VERBS[0]} || true`, LONG);
    const afterMs = random.below(4000);
    const under = host.sh(verb, LONG).catch(() => undefined);
    await sleep(afterMs);
    await host.cutPower();
    await under;
    await host.switchOn();
    const text = await host.sh(
      `
      systemctl start blockhost-qemu-vms.service
      blockhost-vm-gc --execute >&2
      node /lab/share/audit.mjs /var/lib/blockhost-qemu /run/blockhost-qemu
      blockhost-vm-kill kept >&2
      qemu-io -f qcow2 -c 'read -P 0x5a 512M 64k' ${DISK} | grep 'verification failed' || :
      qemu-img check --output=json ${DISK} >/tmp/check.json || :
      blockhost-vm-start kept >&2`,
      LONG,
    );
    const check = JSON.parse(await host.sh('cat /tmp/check.json')) as Check;
    const what = `${verb} cut after ${afterMs} ms`;
    t.diagnostic(`${what}: ${text === '' ? 'clean' : text}, ${check.leaks ?? 0} clusters leaked`);
    if (text !== '') found.push(`${what}: ${text}`);
    found.push(...damageOf(check, cut + 1).map((line) => `${what}: ${line}`));
  }
  assert.deepEqual(found, []);
});
