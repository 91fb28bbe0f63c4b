import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Page } from 'playwright-core';
import {
  openBrowser,
  openPage,
  overflow,
  picture,
  SIZES,
  servePages,
} from '../../support/browser.ts';

const address = await servePages({ after }, ['installer']);
const browser = await openBrowser({ after });
const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>';

for (const size of Object.keys(SIZES) as (keyof typeof SIZES)[]) {
  test(`${size}: the page fits, and shows what was found`, async () => {
    const { page, faults } = await loggedIn(size);
    await picture(page, `wizard-${size}`);
    assert.equal(await page.inputValue('#bridge'), 'br0');
    assert.equal(await page.inputValue('#ip_network'), '192.168.7.0/24');
    assert.match(await page.innerText('.step.active'), /QEMU/);
    assert.match(await page.innerText('.alert-warning'), /no working KVM/);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(faults, []);
  });

  test(`${size}: bad and hostile input is told beside its field, and runs nothing`, async () => {
    const { page, faults } = await loggedIn(size);
    await page.fill('#bridge', HOSTILE);
    await page.fill('#ip_end', '400');
    await page.fill('#storage_path', '/etc');
    await page.click('button[type=submit]');
    await page.waitForSelector('[role=alert]');
    await picture(page, `wizard-errors-${size}`);
    assert.equal(await page.inputValue('#bridge'), HOSTILE);
    assert.match(await page.innerText('#bridge-help'), /name has up to 15 letters/);
    assert.match(await page.innerText('#ip_end-help'), /from 1 to 254/);
    assert.match(await page.innerText('#storage_path-help'), /cannot be kept there/);
    assert.equal(await page.locator('[aria-invalid]').count(), 3);
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(faults, []);
  });
}

test('good input leads on, and stands in the summary', async () => {
  const { page, faults } = await loggedIn('desktop');
  await page.fill('#ip_start', '100');
  await page.fill('#ip_end', '150');
  await page.click('button[type=submit]');
  await page.waitForURL('**/wizard/connectivity');
  await page.goto(`${address}/summary`);
  const said = await page.innerText('.summary-section');
  assert.match(said, /192\.168\.7\.0\/24, \.100 to \.150/);
  await picture(page, 'wizard-summary-desktop');
  assert.deepEqual(faults, []);
});

test('without being logged in there is nothing to see', async () => {
  const { page } = await openPage(browser, 'desktop');
  const answer = await page.request.get(`${address}/wizard/qemu`, { maxRedirects: 0 });
  assert.equal(answer.status(), 302);
  assert.equal(answer.headers().location, '/login');
});

async function loggedIn(size: keyof typeof SIZES): Promise<{ page: Page; faults: string[] }> {
  const opened = await openPage(browser, size);
  await opened.page.goto(`${address}/login`);
  return opened;
}
