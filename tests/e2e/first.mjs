// The first minute of a newcomer: ./test --e2e first, on the server of JIANG_URL (what ./run printed).
// Asks the first preset question on a fresh browser and says what came when.
import { chromium } from '@playwright/test';

const root = process.env.JIANG_URL;
if (!root) throw new Error('JIANG_URL is not set: start ./run, and give the address that it prints');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await (await browser.newContext({ locale: 'zh-CN' })).newPage();
const wrong = [];
page.on('pageerror', (error) => wrong.push(String(error)));
const began = Date.now();
const say = (what) => console.log(`${String(Date.now() - began).padStart(6)} ms  ${what}`);

await page.goto(root);
await page.getByText('你好，我是代码匠').first().waitFor();
say('代码匠 greets');
await page.getByRole('group', { name: '试试' }).getByRole('button').first().click();
const answer = page.locator('[data-role=assistant]').last();
await answer.locator('pre code').first().waitFor({ timeout: 60000 });
say('the first program begins');
await page.locator('[data-role=assistant][data-status=done]').last().waitFor({ timeout: 120000 });
say('the answer is whole:');
console.log((await answer.innerText()).slice(0, 400).replace(/^/gm, '    '));
await browser.close();
if (wrong.length > 0) throw new Error(wrong.join('\n'));
