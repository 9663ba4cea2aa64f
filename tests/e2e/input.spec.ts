import { answers, ask, button, composer, expect, presets, questions, settled, test } from './site';

test('@smoke Enter while composing never sends, in both spellings', async ({ page, site }) => {
  site.setPace(0);
  await page.goto(site.url);
  const box = composer(page);
  await box.fill('nihao');
  for (const composing of [{ isComposing: true, keyCode: 13 }, { isComposing: false, keyCode: 229 }]) {
    await box.evaluate((node, init) => {
      const event = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, isComposing: init.isComposing });
      Object.defineProperty(event, 'keyCode', { value: init.keyCode });
      node.dispatchEvent(event);
    }, composing);
    await expect(questions(page)).toHaveCount(0);
  }
  // A real composition, as the browser's own input method interface gives it.
  await box.fill('');
  await box.focus();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Input.imeSetComposition', { text: '你好', selectionStart: 2, selectionEnd: 2 });
  await page.keyboard.press('Enter');
  await expect(questions(page)).toHaveCount(0);
  await devtools.send('Input.insertText', { text: '你好' });
  await box.press('Enter');
  await expect(questions(page)).toHaveCount(1);
  await expect(questions(page).first()).toContainText('你好');
});

test('Enter while composing neither renames nor searches nor saves an edit', async ({ page, site }) => {
  site.setPace(0);
  await page.goto(site.url);
  await ask(page, '原来的问题');
  await settled(page);
  const compose = (selector: ReturnType<typeof composer>) =>
    selector.evaluate((node) => {
      const event = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true });
      Object.defineProperty(event, 'keyCode', { value: 229 });
      node.dispatchEvent(event);
    });
  await questions(page).first().hover();
  await questions(page).first().getByRole('button', { name: '编辑' }).click();
  const editor = page.getByRole('textbox', { name: '编辑消息' });
  await editor.fill('gai');
  await compose(editor);
  await expect(editor).toBeVisible();
  await editor.press('Escape');
  await expect(editor).toHaveCount(0);

  const row = page.locator('.conversation').first();
  await row.hover();
  await row.getByRole('button').click();
  await page.getByRole('menuitem', { name: '改名' }).click();
  const name = page.getByRole('textbox', { name: '改名' });
  await name.fill('xin');
  await compose(name);
  await expect(name).toBeVisible();
  await name.press('Escape');

  const search = page.getByRole('searchbox');
  await search.evaluate((node: HTMLInputElement) => {
    node.value = 'zhong';
    node.dispatchEvent(new InputEvent('input', { bubbles: true, isComposing: true }));
  });
  await compose(search);
  await page.waitForTimeout(400);
  await expect(page.getByText('没有找到')).toHaveCount(0);
});

test('Shift+Enter makes a line, the arrow edits the last message, drafts survive a reload', async ({ page, site }) => {
  site.setPace(0);
  await page.goto(site.url);
  await composer(page).fill('第一行');
  await composer(page).press('Shift+Enter');
  await page.keyboard.type('line two');
  await expect(composer(page)).toHaveValue('第一行\nline two');
  await expect(questions(page)).toHaveCount(0);
  await page.reload();
  await expect(composer(page)).toHaveValue('第一行\nline two');
  await composer(page).press('Enter');
  await settled(page);
  await expect(composer(page)).toHaveValue('');
  await composer(page).press('ArrowUp');
  await expect(page.getByRole('textbox', { name: '编辑消息' })).toHaveValue('第一行\nline two');
});

test('a paste of 1 MB becomes a file and blocks nothing', async ({ page, site }) => {
  await page.goto(site.url);
  await composer(page).focus();
  const blocked = await page.evaluate(async () => {
    const data = new DataTransfer();
    data.setData('text/plain', '很长的文字 '.repeat(170_000));
    const begin = performance.now();
    document.activeElement?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - begin;
  });
  await expect(page.getByText('粘贴的文字 1.txt')).toBeVisible();
  expect(blocked).toBeLessThan(1000);
  await expect(composer(page)).toHaveValue('');
});

test('a text file goes along, a binary one is refused', async ({ page, site }) => {
  site.setPace(0);
  await page.goto(site.url);
  const picker = page.locator('.composer input[type=file]');
  await picker.setInputFiles([{ name: 'main.c', mimeType: 'text/x-c', buffer: Buffer.from('int main(void){}') }]);
  await picker.setInputFiles([{ name: 'a.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0xff, 0xfe, 0, 1]) }]);
  await expect(page.getByText('a.bin 不是文本文件。')).toBeVisible();
  await ask(page, '看看这个文件');
  await expect(questions(page).first().getByText(/main\.c/)).toBeVisible();
});

test('everything can be done with the keyboard alone', async ({ page, site }) => {
  site.setPace(0);
  await page.goto(site.url);
  await expect(presets(page).first()).toBeVisible();
  await page.keyboard.press('Control+K');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.keyboard.press('Shift+Escape');
  await presets(page).first().focus();
  await page.keyboard.press('Enter');
  await settled(page);
  const more = answers(page).first().getByRole('button', { name: '更多' });
  await more.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem').first()).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('menuitem').nth(1)).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(more).toBeFocused();
  await page.keyboard.press('Control+/');
  await expect(page.getByRole('dialog', { name: '快捷键' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: '快捷键' })).toHaveCount(0);
  await page.keyboard.press('Control+Shift+O');
  await expect(presets(page).first()).toBeVisible();
  await expect(button(page, '发送')).toBeDisabled();
});
