import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, test } from 'node:test';
import {
  openBrowser,
  openPage,
  overflow,
  picture,
  SIZES,
  servePages,
} from '../../support/browser.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const HOSTILE = '</pre><script>alert(1)</script><img src=x onerror=alert(2)>';
const directory = temporaryDirectory({ after });
const calls = path.join(directory, 'calls');
const vms = path.join(directory, 'vms');
prepareHost();
const address = await servePages({ after }, ['admin', vms], {
  PATH: `${directory}:${process.env.PATH}`,
});
const browser = await openBrowser({ after });

for (const size of Object.keys(SIZES) as (keyof typeof SIZES)[]) {
  test(`${size}: every VM has its state, charts, limits and buttons, and fits`, async () => {
    const { page, faults } = await openPage(browser, size);
    await page.goto(`${address}/qemu`);
    await picture(page, `admin-${size}`);
    assert.equal(await page.locator('[data-vm]').count(), 3);
    const web1 = page.locator('[data-vm=web1]');
    assert.equal(await web1.locator('svg path').count(), 4);
    assert.match(await web1.innerText(), /agent answers/);
    assert.match(await web1.innerText(), /limit: cpu quota 50/);
    assert.equal(await page.locator('[data-vm=web2] button', { hasText: 'Start' }).count(), 1);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(faults, []);
  });
}

test('what the guest writes is shown as text and runs nothing', async () => {
  const { page, faults } = await openPage(browser, 'desktop');
  await page.goto(`${address}/qemu`);
  const web1 = page.locator('[data-vm=web1]');
  await web1.locator('summary', { hasText: 'Console' }).click();
  await picture(page, 'admin-console-desktop');
  assert.ok((await web1.locator('pre').innerText()).includes(HOSTILE));
  assert.equal(await page.locator('img').count(), 0);
  assert.deepEqual(faults, []);
});

test('a button runs its verb and tells how it went', async () => {
  const { page, faults } = await openPage(browser, 'phone');
  await page.goto(`${address}/qemu`);
  await page.locator('[data-vm=web1] button', { hasText: 'Stop' }).click();
  await page.waitForSelector('[role=status]');
  assert.match(await page.innerText('[role=status]'), /stop of web1: done/);
  await page.locator('[data-vm=web1] button', { hasText: 'Kill' }).click();
  await page.waitForSelector('.alert-error');
  assert.ok((await page.innerText('.alert-error')).includes(HOSTILE));
  assert.equal(fs.readFileSync(calls, 'utf8'), 'stop web1\nkill web1\n');
  assert.deepEqual(faults, []);
});

test('destroying asks for a confirmation first', async () => {
  const { page } = await openPage(browser, 'desktop');
  await page.goto(`${address}/qemu`);
  const web2 = page.locator('[data-vm=web2]');
  await web2.locator('summary', { hasText: 'Destroy' }).click();
  await web2.locator('button', { hasText: 'Destroy' }).click();
  assert.equal(await page.locator('[role=status]').count(), 0);
  await web2.locator('input[name=confirm]').check();
  await web2.locator('button', { hasText: 'Destroy' }).click();
  await page.waitForSelector('[role=status]');
  assert.match(fs.readFileSync(calls, 'utf8'), /^destroy web2$/m);
});

function prepareHost(): void {
  const wave = Array.from({ length: 300 }, (_, i) => ({
    time: 't',
    cpu_percent: 50 + 40 * Math.sin(i / 12),
    memory_used_mb: 300 + i,
    disk_read_bytes_sec: i % 50 === 0 ? 5e6 : 2e5,
    disk_write_bytes_sec: 1e5,
    net_rx_bytes_sec: 1e4 * (1 + Math.cos(i / 20)),
    net_tx_bytes_sec: 2e3,
  }));
  command('blockhost-qemu', JSON.stringify({ fine: { every_seconds: 2, points: wave } }));
  command(
    'blockhost-vm-metrics',
    JSON.stringify({
      ...wave.at(-1),
      cpu_count: 1,
      memory_total_mb: 1024,
      guest_agent_responsive: true,
      uptime_seconds: 7260,
    }),
  );
  const named = (name: string, status: string, ip: string) => ({
    name,
    status,
    ip,
    created: '2026-01-02',
  });
  command(
    'blockhost-vm-list',
    JSON.stringify([
      named('web1', 'active', '192.0.2.10'),
      named('web2', 'suspended', HOSTILE),
      named('an-old-machine-with-a-very-long-name-that-goes-on-and-on-and-on1', 'destroyed', ''),
    ]),
  );
  for (const verb of ['stop', 'destroy']) {
    script(`blockhost-vm-${verb}`, `echo "${verb} $*" >>'${calls}'`);
  }
  script('blockhost-vm-kill', `echo "kill $*" >>'${calls}'; echo '${HOSTILE}' >&2; exit 1`);
  const web1 = path.join(vms, 'web1');
  fs.mkdirSync(web1, { recursive: true });
  fs.writeFileSync(path.join(web1, 'vm.json'), JSON.stringify({ limits: { cpu_quota: 50 } }));
  fs.writeFileSync(path.join(web1, 'console.log'), `[  OK  ] booted\n${HOSTILE}\nweb1 login: `);
}

function command(name: string, prints: string): void {
  const file = path.join(directory, `${name}.json`);
  fs.writeFileSync(file, prints);
  script(name, `cat '${file}'`);
}

function script(name: string, body: string): void {
  fs.writeFileSync(path.join(directory, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}
