import { answers, ask, button, composer, expect, settled, test } from './site';

// Programs run for real here: the stand-in has no box.
test.beforeEach(({ site }) => {
  test.skip(!site.real, 'needs the real binary');
  site.setPace(1);
});

async function box(page: import('@playwright/test').Page): Promise<boolean> {
  return page.evaluate(async () => ((await (await fetch('jiang/v1/abilities')).json()) as { code: { available: boolean } }).code.available);
}

test('代码匠 writes a program, runs it in the box, and the result is in the answer', async ({ page, site }) => {
  await page.goto(site.url);
  test.skip(!(await box(page)), 'no box holds on this machine');
  await ask(page, '请编写一个C语言程序，实现数组排序。');
  await settled(page);
  const answer = answers(page).first();
  // A real model sorts numbers of its own.
  const sorted = process.env['JIANG_E2E_MODEL'] ? /\d+( \d+)+/ : '1 2 3';
  await expect(answer).toContainText(sorted === '1 2 3' ? '输出是 1 2 3' : '已验证：编译没有警告');
  await expect(answer.locator('.part', { hasText: '运行结果' })).toContainText(sorted);
  await expect(answer.locator('.part', { hasText: '运行结果' })).toContainText('退出码 0');
  // The parts are of the message: they come back with it.
  await page.reload();
  await expect(answers(page).first().locator('.part', { hasText: '运行结果' })).toContainText(sorted);
});

test('Run works on an edited program with typed input', async ({ page, site }) => {
  await page.goto(site.url);
  test.skip(!(await box(page)), 'no box holds on this machine');
  await ask(page, '请编写一个C语言程序，实现数组排序。');
  await settled(page);
  const code = answers(page).first().locator('figure.code').first();
  await code.getByRole('button', { name: '运行' }).click();
  await code.getByRole('button', { name: '修改' }).click();
  const program = code.getByLabel('程序', { exact: true });
  await program.fill((await program.inputValue()).replace('%d %d %d', '%d,%d,%d'));
  await code.getByLabel('程序的输入（标准输入）').fill('30 10 20');
  await code.locator('.output').getByRole('button', { name: '运行' }).click();
  await expect(code.locator('.output')).toContainText('10,20,30');
  await program.fill('int main(void) { retrun 0; }');
  await code.locator('.output').getByRole('button', { name: '运行' }).click();
  await expect(code.locator('.output')).toContainText('编译没有通过');
});

test('with 代码能力 off there is no way to run anything', async ({ page, site }) => {
  site.writeAgentFile?.('bare', 'name = "空手"\n');
  await page.goto(`${site.url}#/?agent=bare`);
  await expect(composer(page)).toBeVisible();
  await ask(page, '数组排序');
  await settled(page);
  await expect(answers(page).first().locator('figure.code').first()).toBeVisible();
  await expect(button(page, '运行')).toHaveCount(0);
  await expect(answers(page).first().locator('.part')).toHaveCount(0);
});

test('what leaves the machine is asked about; Stop ends a program', async ({ page, site }) => {
  await page.goto(site.url);
  await ask(page, '联网搜索 C 语言');
  const question = page.getByRole('group', { name: /web_search/ });
  await question.getByRole('button', { name: '不允许' }).click();
  await expect(question).toContainText('已拒绝');
  await settled(page);
  await expect(answers(page).first()).toContainText('did not allow');
  test.skip(!(await box(page)), 'no box holds on this machine');
  await ask(page, '写一个死循环');
  await expect(answers(page).nth(1).locator('figure.code')).toBeVisible();
  await page.getByRole('button', { name: '停止' }).click();
  await expect(answers(page).nth(1)).toHaveAttribute('data-status', 'stopped', { timeout: 5000 });
});
