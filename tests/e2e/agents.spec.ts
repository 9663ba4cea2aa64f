import { readFileSync } from 'node:fs';
import { answers, ask, button, expect, presets, settled, test } from './site';

const SECRET = '绝密配置：只用文言文回答';

async function create(page: import('@playwright/test').Page, url: string, name = '小先生'): Promise<void> {
  await page.goto(`${url}#/agents/+`);
  await page.getByLabel('名称', { exact: true }).fill(name);
  await page.getByLabel('头像', { exact: true }).fill('🎓');
  await page.getByLabel('简介', { exact: true }).fill('教人写字');
  await page.getByLabel('配置信息', { exact: true }).fill(`${SECRET}\n-第二行`);
  await page.getByLabel('开场白', { exact: true }).fill('你好呀');
  await page.getByLabel('问题 1', { exact: true }).fill('今天学什么？');
  await button(page, '保存').click();
  await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible();
}

test('an agent is made in the form, chats, is changed and deleted', async ({ page, site }) => {
  site.setPace(0);
  await create(page, site.url);
  await expect(page.getByText(SECRET)).toBeVisible();
  await page.getByRole('link', { name: '开始聊天' }).click();
  await expect(page.getByText('你好呀')).toBeVisible();
  await presets(page).first().click();
  await settled(page);
  await page.goto(`${site.url}#/agents/${encodeURIComponent('小先生')}/edit`);
  await page.getByLabel('简介', { exact: true }).fill('改过的简介');
  await button(page, '保存').click();
  await expect(page.getByText('改过的简介')).toBeVisible();
  await button(page, '删除').click();
  await page.getByRole('dialog').getByRole('button', { name: '删除' }).click();
  await expect(page.getByRole('main').getByText('小先生')).toHaveCount(0);
});

test('代码匠 has its fields verbatim', async ({ page, site }) => {
  await page.goto(site.url);
  const agents = await page.evaluate(async () => (await (await fetch('jiang/v1/agents')).json()) as { items: Record<string, unknown>[] });
  const craftsman = agents.items.find((agent) => agent['name'] === '代码匠');
  expect(craftsman).toMatchObject({
    built_in: true,
    introduction: 'C语言代码一键生成，编程master亲自讲授，知识点同步掌握！',
    opening: '你好，我是代码匠，专帮你解决C语言编程难题，让我们猛猛开始吧！',
    code: true,
    web: true,
  });
  expect(String(craftsman?.['instructions']).split('\n').filter((line) => line.startsWith('-'))).toEqual([
    '-解析用户需求，快速生成C语言代码。', '-列出编写代码所需的知识点。', '-鼓励用户学习并理解代码逻辑。',
  ]);
  await page.goto(`${site.url}#/agents/${encodeURIComponent(String(craftsman?.['id']))}`);
  await expect(page.getByText('-列出编写代码所需的知识点。')).toBeVisible();
});

test('export and import give the same agent', async ({ page, site }) => {
  await create(page, site.url);
  for (const format of ['TOML', 'JSON']) {
    await page.goto(`${site.url}#/agents/${encodeURIComponent('小先生')}`);
    const waiting = page.waitForEvent('download');
    await button(page, `导出 ${format}`).click();
    const text = readFileSync(await (await waiting).path());
    await page.goto(`${site.url}#/agents`);
    await page.locator('.page input[type=file]').setInputFiles({ name: `a.${format.toLowerCase()}`, mimeType: 'text/plain', buffer: text });
    await expect(page.getByLabel('名称', { exact: true })).toHaveValue('小先生');
    await expect(page.getByLabel('配置信息', { exact: true })).toHaveValue(`${SECRET}\n-第二行`);
    await expect(page.getByLabel('问题 1', { exact: true })).toHaveValue('今天学什么？');
    page.once('dialog', (dialog) => void dialog.accept());
  }
});

test('one sentence fills the form', async ({ page, site }) => {
  await page.goto(`${site.url}#/agents/+`);
  await page.getByRole('textbox', { name: '一句话创建' }).fill('一个教拼音的老师');
  await button(page, '帮我填好').click();
  await expect(page.getByLabel('名称', { exact: true })).not.toHaveValue('');
});

test('a stranger with the link chats and never sees the configuration', async ({ page, site, browser, watch }) => {
  site.setPace(0);
  await create(page, site.url);
  await button(page, '分享').click();
  await button(page, '生成链接').click();
  const field = page.getByRole('dialog').getByRole('textbox').first();
  await expect(field).toHaveValue(/\/s\//);
  const link = await field.inputValue();

  const stranger = await browser.newContext({ locale: 'zh-CN' });
  watch.add(stranger);
  const bodies: Promise<string>[] = [];
  stranger.on('response', (response) => {
    if (!/event-stream/.test(response.headers()['content-type'] ?? '')) bodies.push(response.text().catch(() => ''));
  });
  const visitor = await stranger.newPage();
  await visitor.goto(link);
  await expect(visitor.getByText('你好呀')).toBeVisible();
  await presets(visitor).first().click();
  await settled(visitor);
  await visitor.goto(`${site.url}#/agents/${encodeURIComponent('小先生')}`);
  await expect(visitor.getByRole('heading', { name: '小先生', level: 1 })).toBeVisible();
  await expect(visitor.getByText('配置信息')).toHaveCount(0);
  const everything = (await Promise.all(bodies)).join('\n') + (await visitor.content());
  expect(everything).not.toContain('绝密配置');

  await page.getByRole('dialog').getByRole('button', { name: '收回' }).click();
  await expect(page.getByText('链接已失效')).toBeVisible();
  const late = await browser.newContext();
  const closed = await (await late.newPage()).goto(link);
  expect(closed?.status()).toBeGreaterThanOrEqual(400);
  await late.close();
  await stranger.close();
});

test('an agent as a file shows within a second, and a broken file shows its line', async ({ page, site }) => {
  test.skip(!site.writeAgentFile, 'the mock has no files');
  await page.goto(`${site.url}#/agents`);
  site.writeAgentFile?.('先生', 'name = "文件先生"\nintroduction = "来自文件"\ninstructions = "x"\nopening = "文件你好"\n');
  await expect(page.getByRole('heading', { name: '文件先生' })).toBeVisible({ timeout: 3000 });
  site.writeAgentFile?.('先生', 'name = "文件先生"\nintroduction = = "坏了"\n');
  await expect(page.getByRole('alert')).toContainText('2', { timeout: 3000 });
  await expect(page.getByRole('heading', { name: '文件先生' })).toBeVisible();
});

test('unsaved changes are not lost without a question', async ({ page, site }) => {
  await page.goto(`${site.url}#/agents/+`);
  await page.getByLabel('名称', { exact: true }).fill('半成品');
  let asked = 0;
  page.on('dialog', (dialog) => {
    asked += 1;
    void dialog.dismiss();
  });
  await page.getByRole('link', { name: '模型', exact: true }).click();
  await expect.poll(() => asked).toBe(1);
  await expect(page.getByLabel('名称', { exact: true })).toHaveValue('半成品');
});

test('the workbench runs one question with two settings and shows the exact prompt', async ({ page, site }) => {
  site.setPace(0);
  await page.goto(`${site.url}#/workbench`);
  const left = page.getByRole('region', { name: '甲' });
  const right = page.getByRole('region', { name: '乙' });
  await left.getByLabel('系统提示').fill('你是{{角色}}。');
  await right.getByLabel('系统提示').fill('');
  await page.getByLabel('角色').fill('诗人');
  await page.getByRole('textbox', { name: '问题', exact: true }).fill('写一个计算器');
  await button(page, '两边一起跑').click();
  await expect(left.locator('dl')).toBeVisible({ timeout: 40_000 });
  await expect(right.locator('dl')).toBeVisible({ timeout: 40_000 });
  await left.getByRole('button', { name: '看真正的提示' }).click();
  await expect(page.getByRole('dialog')).toContainText('你是诗人。');
  await expect(page.getByRole('dialog')).toContainText(/\d+ 个词元/);
});

test('code in an answer is copied to the byte and runs', async ({ page, site, context }) => {
  test.skip(site.real, 'hands.spec runs programs for real');
  site.setPace(0);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(site.url);
  await ask(page, '数组排序');
  await settled(page);
  await button(page, '复制代码').click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(/^#include <stdio\.h>\n[\s\S]*\}\n$/);
  await button(page, '运行').click();
  await expect(page.getByText('1 2 5 7 9')).toBeVisible();
  await expect(answers(page).first().locator('.katex').first()).toBeVisible();
});

test('a model is downloaded from the honest card, with progress', async ({ page, site }) => {
  test.skip(site.real, 'there is no hub to download from in a test');
  await page.goto(site.url);
  const card = page.getByRole('region', { name: '先说句实话' });
  await expect(card).toContainText('它只懂 C 语言');
  await card.getByRole('button', { name: /下载/ }).click();
  await expect(card.getByRole('progressbar')).toBeVisible();
  await expect(page.getByText('已经装好')).toBeVisible();
});
