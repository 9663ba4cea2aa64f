// The server under test: the mock of web/mock, or the real binary (JIANG_BIN). Each test has its own.
import { test as base, expect, type BrowserContext, type Page } from '@playwright/test';
// @ts-expect-error: plain JavaScript
import { startMock } from '../../web/mock/server.mjs';
import { startReal } from './real';

export interface Site {
  url: string;
  real: boolean;
  /** Milliseconds between two pieces of the mock's answers. */
  setPace(ms: number): void;
  setPrefill(ms: number): void;
  /** Logs this browser in (the real server asks for its one-time link). */
  enter(context: BrowserContext): Promise<void>;
  /** Kills the server as a crash would, and starts it again on the same port and data. */
  restart: () => Promise<void>;
  /** Writes agents/ID.toml, where the server has such files. */
  writeAgentFile?: (id: string, text: string) => void;
  close(): Promise<void>;
}

async function mockSite(prefix: string): Promise<Site> {
  let server = await startMock({ pace: 6, prefillMs: 120, prefix });
  const { port } = server.address();
  const stop = () => new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${port}${prefix}/`,
    real: false,
    setPace: (ms) => (server.world.pace = ms),
    setPrefill: (ms) => (server.world.prefillMs = ms),
    enter: async () => undefined,
    restart: async () => {
      const { world } = server;
      await stop();
      world.crash();
      server = await startMock({ port, prefix, world });
    },
    close: stop,
  };
}

export const test = base.extend<{ prefix: string; site: Site; watch: Watch }>({
  prefix: ['', { option: true }],
  site: async ({ prefix }, use) => {
    const site = process.env['JIANG_BIN'] ? await startReal(process.env['JIANG_BIN'], prefix) : await mockSite(prefix);
    await use(site);
    await site.close();
  },
  watch: async ({ context, site }, use) => {
    const watch = new Watch(new URL(site.url).origin);
    watch.add(context);
    await use(watch);
    expect(watch.foreign, 'requests to elsewhere').toEqual([]);
    expect(watch.errors, 'errors in the console').toEqual([]);
  },
  page: async ({ page, site, context, watch: _ }, use) => {
    await site.enter(context);
    await use(page);
  },
});
export { expect };

/** What must never happen on any page: a request to elsewhere, an error, a refusal by the policy. */
export class Watch {
  readonly foreign: string[] = [];
  readonly errors: string[] = [];
  /** Console errors that a test brings about itself. */
  ignore = /net::ERR_|Failed to load resource/;

  constructor(private readonly origin: string) {}

  add(context: BrowserContext): void {
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.origin}/`) && !url.startsWith('data:') && !url.startsWith('blob:')) this.foreign.push(url);
    });
    context.on('console', (message) => {
      if (message.type() === 'error' && !this.ignore.test(message.text())) this.errors.push(message.text());
    });
    context.on('weberror', (error) => this.errors.push(String(error.error())));
  }
}

export const composer = (page: Page) => page.getByRole('textbox', { name: /^(输入消息|Message)$/ });
export const answers = (page: Page) => page.locator('[data-role=assistant]');
export const questions = (page: Page) => page.locator('[data-role=user]');
export const presets = (page: Page) => page.getByRole('group', { name: /试试这样问|Try asking/ }).getByRole('button');
export const button = (page: Page, name: RegExp | string) => page.getByRole('button', { name });

export async function ask(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press('Enter');
}
export async function settled(page: Page, nth = 0): Promise<void> {
  await expect(answers(page).nth(nth)).toHaveAttribute('data-status', /done|length/, { timeout: 40_000 });
}

type Turn = { role: 'user' | 'assistant'; content: string };

/** A conversation that holds exactly these turns, through the import of the API. */
export async function importTurns(page: Page, turns: Turn[]): Promise<string> {
  return page.evaluate(async (list) => {
    const now = Date.now();
    const messages = list.map((turn, i) => ({
      id: `x${i}`, parent: i === 0 ? null : `x${i - 1}`, role: turn.role, content: turn.content, reasoning: '', parts: [], status: 'done',
      error: null, created: now + i, model: '', stats: null, feedback: null, run: null, run_event: 0, attachments: [],
    }));
    const conversation = {
      id: 'x', title: 'imported', agent_id: null, model: '', folder: '', pinned: false, created: now, updated: now,
      leaf: messages.at(-1)?.id ?? null, settings: {},
    };
    const response = await fetch('jiang/v1/conversations/import', {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ format: 'jiang.conversation', version: 1, conversation, messages }),
    });
    const body = (await response.json()) as { ids?: string[] };
    if (!body.ids?.[0]) throw new Error(`import: ${response.status} ${JSON.stringify(body)}`);
    return body.ids[0];
  }, turns);
}
