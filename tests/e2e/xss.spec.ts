import { corpus } from './xss_corpus';
import { answers, expect, importTurns, test } from './site';

const inputs = corpus();

test('the corpus is large enough', () => {
  expect(inputs.length).toBeGreaterThanOrEqual(300);
  expect(new Set(inputs).size).toBe(inputs.length);
});

// A few of every kind: each tenth of the corpus, beginning where the seed says.
const SEED = 7;
const sample = inputs.filter((_, at) => at % 10 === SEED % 10);

for (const [name, texts] of [['@smoke a sample', sample], ['all', inputs]] as const) test(`${name}: nothing of it runs and nothing is fetched, in answers, questions, titles and agents`, async ({ page, site, watch }) => {
  test.setTimeout(180_000);
  const dialogs: string[] = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await page.addInitScript(() => Object.assign(window, { pwned: 0 }));
  await page.goto(site.url);
  const BATCH = 60;
  for (let at = 0; at < texts.length; at += BATCH) {
    const batch = texts.slice(at, at + BATCH);
    // Apart, each in an answer of its own: one that leaves a fence open must not shield the next.
    const id = await importTurns(page, batch.flatMap((content) => [{ role: 'user' as const, content }, { role: 'assistant' as const, content }]));
    await page.evaluate(async ([chat, title]) => {
      await fetch(`jiang/v1/conversations/${chat}`, { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ title }) });
    }, [id, batch.slice(0, 3).join(' ').slice(0, 180)] as const);
    await page.goto(`${site.url}#/c/${id}`);
    await expect(answers(page).last()).toBeVisible();
    // All of them, not only the window at the end.
    const area = page.getByRole('log');
    await area.hover();
    for (let i = 0; i < 60 && (await page.locator('article').count()) < batch.length * 2; i += 1) {
      await area.evaluate((node) => (node.scrollTop = 0));
      await page.mouse.wheel(0, -50);
      const more = page.getByRole('button', { name: '更早的消息' });
      if (await more.count()) await more.click().catch(() => undefined);
      await page.waitForTimeout(30);
    }
    expect(await page.locator('article').count()).toBe(batch.length * 2);
    // What a person could set off by touching it.
    const found = await page.evaluate(() => {
      const bad: string[] = [];
      for (const root of document.querySelectorAll('.prose, .bubble, nav')) {
        for (const node of root.querySelectorAll('*')) {
          if (/^(script|iframe|object|embed|img|video|audio|form|base|meta|link|style|math|animate|set|use|foreignobject)$/i.test(node.tagName) && !node.closest('.katex')) bad.push(node.outerHTML);
          for (const { name, value } of node.attributes) {
            if (name.startsWith('on') || /^\s*(javascript|data|vbscript):/i.test(value)) bad.push(`${name}=${value}`);
            if (name === 'href' && !/^(https?:|mailto:|#|jiang\/)/.test(value)) bad.push(`${name}=${value}`);
          }
        }
      }
      return bad;
    });
    expect(found).toEqual([]);
    expect(await page.evaluate(() => (window as unknown as { pwned: number }).pwned)).toBe(0);
  }
  // The same words as an agent's fields and in an agent that greets.
  await page.evaluate(async (words) => {
    await fetch(`jiang/v1/agents/${encodeURIComponent('evil')}`, {
      method: 'PUT', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: words[0]?.slice(0, 60), avatar: '🦊', introduction: words[1], instructions: words[2], skills: words.slice(3, 8), code: false, web: false, opening: words[8], questions: words.slice(9, 14), model: '', parameters: {} }),
    });
  }, texts.filter((text) => !text.includes('\u0000')).slice(0, 20));
  for (const view of ['#/agents', '#/agents/evil', '#/?agent=evil', '#/agents/evil/edit', '#/history']) {
    await page.goto(`${site.url}${view}`);
    await page.waitForTimeout(250);
    expect(await page.evaluate(() => (window as unknown as { pwned: number }).pwned)).toBe(0);
  }
  expect(dialogs).toEqual([]);
  expect(watch.foreign).toEqual([]);
});
