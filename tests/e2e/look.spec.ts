import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { answers, button, expect, importTurns, presets, settled, test } from './site';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIEWS = ['', 'agents', 'agents/craftsman', 'agents/+', 'models', 'workbench', 'history', 'settings'];

async function serious(page: import('@playwright/test').Page): Promise<string[]> {
  // Through the devtools: the page's policy lets no such script in.
  return page.evaluate(async () => {
    const run = (window as unknown as { axe: { run(root: Document, options: object): Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe;
    const { violations } = await run.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 200)}`));
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [locale, narrow] of [['zh-CN', false], ['en-US', true]] as const) {
    test.describe(`${colorScheme} ${locale}`, () => {
      test.use({ colorScheme, locale, viewport: narrow ? { width: 360, height: 740 } : { width: 1200, height: 800 } });
      test(`${colorScheme === 'light' && !narrow ? '@smoke ' : ''}axe finds nothing serious and nothing is wider than the window`, async ({ page, site }) => {
        site.setPace(0);
        await page.addInitScript({ content: axe });
        await page.goto(site.url);
        const check = async (what: string) => {
          await page.waitForTimeout(250);
          expect(await serious(page), what).toEqual([]);
          expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${what}: too wide`).toBeLessThanOrEqual(0);
        };
        await expect(presets(page).first()).toBeVisible();
        await check('welcome');
        await presets(page).nth(1).click();
        await settled(page);
        await check('chat');
        await page.getByRole('button', { name: /^(对话选项|Chat options)$/ }).click();
        await check('menu');
        await page.getByRole('menuitem', { name: /^(用 API 调用|Use via API)$/ }).click();
        await expect(page.getByRole('dialog')).toContainText('curl');
        await check('dialog');
        await page.keyboard.press('Escape');
        for (const view of VIEWS) {
          await page.goto(`${site.url}#/${view}`);
          await expect(page.locator('h1').first()).toBeVisible();
          await check(view);
        }
      });
    });
  }
}

test('language and theme switch at once and are remembered', async ({ page, site }) => {
  await page.goto(`${site.url}#/settings`);
  await page.getByLabel('语言').selectOption('en');
  await expect(page.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('en');
  await page.getByLabel('Appearance').selectOption('dark');
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await expect.poll(ground).toBe('rgb(27, 25, 23)');
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible();
  expect(await ground()).toBe('rgb(27, 25, 23)');
});

test('the page can be installed', async ({ page, site }) => {
  await page.goto(site.url);
  const manifest = await page.evaluate(async () => {
    const link = document.querySelector<HTMLLinkElement>('link[rel=manifest]');
    const response = await fetch(link?.href ?? '');
    const body = (await response.json()) as { icons: { src: string }[]; start_url: string; display: string };
    const icon = await fetch(new URL(body.icons[0]?.src ?? '', link?.href));
    return { type: response.headers.get('content-type'), display: body.display, start: body.start_url, icon: icon.headers.get('content-type') };
  });
  expect(manifest).toEqual({ type: 'application/manifest+json', display: 'standalone', start: './', icon: 'image/svg+xml' });
});

test('a phone opens the drawer and closes it by choosing', async ({ page, site }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(site.url);
  await button(page, '打开侧栏').click();
  await page.getByRole('navigation').getByRole('link', { name: '模型' }).click();
  await expect(page.getByRole('heading', { name: '模型', level: 1 })).toBeVisible();
  await expect(page.getByRole('navigation')).toBeHidden();
});

test('500 messages open quickly and show the end; earlier ones come when scrolled to', async ({ page, site }) => {
  await page.goto(site.url);
  const turns = Array.from({ length: 500 }, (_, i) => ({
    role: i % 2 ? ('assistant' as const) : ('user' as const),
    content: i % 2 ? `第 ${i} 条：**回答**\n\n\`\`\`c\nint x${i};\n\`\`\`\n` : `问题 ${i}`,
  }));
  const id = await importTurns(page, turns);
  await page.goto(`${site.url}#/c/${id}`);
  await expect(answers(page).last()).toContainText('第 499 条');
  const made = await page.locator('article').count();
  expect(made).toBeLessThan(100);
  const area = page.getByRole('log');
  await area.hover();
  for (let i = 0; i < 40 && (await page.locator('article').count()) <= made; i += 1) await page.mouse.wheel(0, -1500);
  expect(await page.locator('article').count()).toBeGreaterThan(made);
});
