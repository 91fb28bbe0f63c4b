import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

interface Scope {
  after(hook: () => Promise<void> | void): void;
}

export const SIZES = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 360, height: 740 },
} as const;

/** Debian's Chromium. What a page must not do (run a script it was fed, fail in one of its own) is noted. */
export async function openBrowser(scope: Scope): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  scope.after(() => browser.close());
  return browser;
}

/** A page, and what went wrong in it so far. */
export async function openPage(
  browser: Browser,
  size: keyof typeof SIZES,
): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext({ viewport: SIZES[size] });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('dialog', async (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  return { page, faults };
}

/** Nothing is cut off at the side. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  );
}

/** For people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = path.resolve('build', 'screenshots');
  fs.mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** One of the stand-ins for BlockHost's web applications. @returns its address. */
export async function servePages(
  scope: Scope,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const script = path.resolve('test/support/blockhost/pages/serve.py');
  const child: ChildProcess = spawn('/usr/bin/python3', ['-B', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  scope.after(() => void child.kill('SIGKILL'));
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (text: Buffer) => resolve(text.toString().trim()));
    child.once('close', (code) => reject(new Error(`the pages ended with exit code ${code}`)));
  });
  return `http://127.0.0.1:${port}`;
}
