import { defineConfig } from '@playwright/test';

// ./test --e2e: everything, on the real binary; JIANG_E2E=mock: on the stand-in of web/mock.
export default defineConfig({
  testDir: '.',
  outputDir: '../../build/web/e2e',
  fullyParallel: true,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    launchOptions: { executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
    locale: 'zh-CN',
    colorScheme: 'light',
    viewport: { width: 1200, height: 800 },
    actionTimeout: 15_000,
    trace: 'retain-on-failure',
  },
});
