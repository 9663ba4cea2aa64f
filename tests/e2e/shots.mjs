// Screenshots of the page: ./test --e2e shots [FOLDER]; against the mock unless JIANG_URL is set.
import { mkdirSync } from 'node:fs';
import { chromium } from '@playwright/test';
import { startMock } from '../../web/mock/server.mjs';

const folder = process.argv[2] ?? 'docs/shots';
mkdirSync(folder, { recursive: true });
const mock = process.env.JIANG_URL ? null : await startMock({ pace: 4, prefillMs: 200 });
const root = process.env.JIANG_URL ?? `http://127.0.0.1:${mock.address().port}/`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

const looks = [
  { name: 'desktop-zh-light', locale: 'zh-CN', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'desktop-en-dark', locale: 'en-US', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone-zh-dark', locale: 'zh-CN', colorScheme: 'dark', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  { name: 'phone-en-light', locale: 'en-US', colorScheme: 'light', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
];
for (const { name, ...options } of looks) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log(`${name}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${name}: ${error}`));
  const shot = (what) => page.screenshot({ path: `${folder}/${name}-${what}.png` });
  await page.goto(root);
  await page.getByRole('group', { name: /试试|Try/ }).getByRole('button').first().waitFor();
  await page.waitForTimeout(300);
  await shot('1-welcome');
  await page.getByRole('group', { name: /试试|Try/ }).getByRole('button').nth(1).click();
  await page.locator('[data-role=assistant][data-status=done]').waitFor();
  await page.waitForTimeout(600);
  await shot('2-answer');
  for (const view of ['agents', 'agents/craftsman', 'agents/+', 'models', 'workbench', 'settings']) {
    await page.goto(`${root}#/${view}`);
    await page.locator('h1').first().waitFor();
    await page.waitForTimeout(300);
    await shot(`3-${decodeURIComponent(view).replace('/', '-').replace('+', 'new')}`);
  }
  if (options.isMobile) {
    await page.getByRole('button', { name: /打开侧栏|Open the sidebar/ }).click();
    await page.waitForTimeout(400);
    await shot('4-drawer');
  }
  await context.close();
}
await browser.close();
mock?.close();
mock?.closeAllConnections();
