// Sizes and timings of the page: ./test --e2e measure. On the stand-in server unless JIANG_URL is set
// (then only what needs no scripted answer is measured).
import { gzipSync } from 'node:zlib';
import { chromium } from '@playwright/test';
import { startMock } from '../../web/mock/server.mjs';

const mock = process.env.JIANG_URL ? null : await startMock({ pace: 0, prefillMs: 0 });
const root = process.env.JIANG_URL ?? `http://127.0.0.1:${mock.address().port}/`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--enable-precise-memory-info', '--js-flags=--expose-gc'] });
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? 0;
const say = (what, value, limit) => console.log(`${what.padEnd(58)} ${String(value).padStart(12)}${limit ? `   limit ${limit}` : ''}`);

// What is fetched before anything is asked.
{
  const page = await (await browser.newContext({ locale: 'zh-CN' })).newPage();
  let bytes = 0;
  const files = [];
  page.on('response', async (response) => {
    const path = new URL(response.url()).pathname;
    if (path.includes('/jiang/v1/')) return;
    const body = await response.body().catch(() => Buffer.alloc(0));
    const size = gzipSync(body, { level: 9 }).length;
    bytes += size;
    files.push([path, size]);
  });
  await page.goto(root);
  await page.getByRole('textbox', { name: '输入消息' }).waitFor();
  await page.waitForTimeout(500);
  say('first page, gzipped', `${(bytes / 1000).toFixed(1)} KB`, '300 KB');
  for (const [path, size] of files) say(`  ${path}`, `${(size / 1000).toFixed(1)} KB`);
}

// From the navigation to a box that can be typed into.
{
  const times = [];
  for (let i = 0; i < 7; i += 1) {
    const context = await browser.newContext({ locale: 'zh-CN' });
    const page = await context.newPage();
    await page.addInitScript(() => {
      const look = () => {
        const box = document.querySelector('.composer textarea');
        if (box && !box.disabled) window.interactive = performance.now();
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    await page.goto(root);
    await page.waitForFunction(() => window.interactive !== undefined);
    times.push(await page.evaluate(() => window.interactive));
    await context.close();
  }
  say('time to interactive on loopback, cold cache, median of 7', `${median(times).toFixed(0)} ms`, '500 ms');
}

const timeFrames = () => {
  window.frames = [];
  window.blocked = [];
  const plain = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (work) => plain((at) => {
    const begin = performance.now();
    work(at);
    window.frames.push(performance.now() - begin);
  });
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.blocked.push(entry.duration))).observe({ type: 'longtask' });
};

async function fill(page, turns) {
  return page.evaluate(async (list) => {
    const now = Date.now();
    const messages = list.map((content, i) => ({
      id: `x${i}`, parent: i ? `x${i - 1}` : null, role: i % 2 ? 'assistant' : 'user', content, reasoning: '', parts: [], status: 'done', error: null,
      created: now + i, model: '', stats: null, feedback: null, run: null, run_event: 0, attachments: [],
    }));
    const response = await fetch('jiang/v1/conversations/import', {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ format: 'jiang.conversation', version: 1, conversation: { id: 'x', title: 'x', agent_id: null, model: '', folder: '', pinned: false, created: now, updated: now, leaf: messages.at(-1).id, settings: {} }, messages }),
    });
    return (await response.json()).ids[0];
  }, turns);
}

if (mock) {
  // An answer of 20,000 pieces, as fast as it comes and drawn while it grows.
  const page = await (await browser.newContext({ locale: 'zh-CN' })).newPage();
  await page.addInitScript(timeFrames);
  await page.goto(root);
  const text = Array.from({ length: 1000 }, (_, i) => `第 ${i} 段，这里有**粗体**、\`code\` 和一些普通的文字，句子不长也不短。`).join('\n\n');
  mock.world.pace = 1;
  await page.getByRole('textbox', { name: '输入消息' }).waitFor();
  await page.evaluate((words) => {
    const box = document.querySelector('.composer textarea');
    box.value = words;
    box.dispatchEvent(new Event('input', { bubbles: true }));
  }, `说 ${text}`);
  const before = await page.evaluate(() => performance.memory.usedJSHeapSize);
  await page.keyboard.press('Enter');
  await page.locator('[data-role=assistant][data-status=done]').waitFor({ timeout: 180_000 });
  const { frames, blocked } = await page.evaluate(() => ({ frames: window.frames, blocked: window.blocked }));
  const drawn = frames.filter((ms) => ms > 0.3);
  say(`a long answer (${Math.round(text.length / 1.6)} tokens or so): frames that drew`, drawn.length);
  say('  work of such a frame, median', `${median(drawn).toFixed(1)} ms`, '8 ms');
  say('  work of such a frame, 95 %', `${quantile(drawn, 0.95).toFixed(1)} ms`);
  say('  longest block of the page', `${Math.max(0, ...blocked).toFixed(0)} ms`, '200 ms');
  const heap = async () => page.evaluate(async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    window.gc?.();
    return performance.memory.usedJSHeapSize;
  });
  const after = await heap();
  const later = await heap();
  say('  heap after it, and one second later', `${(after / 1e6).toFixed(1)} / ${(later / 1e6).toFixed(1)} MB`);
  say('  (before it)', `${(before / 1e6).toFixed(1)} MB`);
  await page.context().close();
}

{
  const page = await (await browser.newContext({ locale: 'zh-CN' })).newPage();
  await page.addInitScript(timeFrames);
  await page.goto(root);
  const id = await fill(page, Array.from({ length: 500 }, (_, i) => (i % 2 ? `第 ${i} 条 **回答**\n\n\`\`\`c\nint x${i} = ${i};\n\`\`\`\n` : `问题 ${i}`)));
  const opens = [];
  for (let i = 0; i < 5; i += 1) {
    await page.goto(`${root}#/agents`);
    await page.locator('h1').first().waitFor();
    opens.push(await page.evaluate(async (to) => {
      const begin = performance.now();
      location.hash = to;
      while (!document.querySelector('article .prose')?.textContent) await new Promise((resolve) => requestAnimationFrame(resolve));
      return performance.now() - begin;
    }, `#/c/${id}`));
  }
  say('a chat of 500 messages opens, median of 5', `${median(opens).toFixed(0)} ms`, '300 ms');
  const box = page.getByRole('textbox', { name: '输入消息' });
  await box.focus();
  await page.evaluate(() => {
    window.typed = [];
    document.querySelector('.composer textarea').addEventListener('input', (event) => {
      requestAnimationFrame(() => window.typed.push(performance.now() - event.timeStamp));
    });
  });
  await page.keyboard.type('typing in a long chat is quick', { delay: 30 });
  await page.waitForTimeout(200);
  const typed = await page.evaluate(() => window.typed);
  say('  a key is drawn after, median', `${median(typed).toFixed(0)} ms`, '50 ms');
}
await browser.close();
mock?.close();
mock?.closeAllConnections();
