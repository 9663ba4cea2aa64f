import { defineConfig, mergeConfig } from 'vitest/config';
import vite from './vite.config.ts';

// Apart from vite.config.ts: building the page needs no vitest.
export default mergeConfig(
  vite,
  defineConfig({
    // Svelte's server build would be chosen otherwise.
    resolve: { conditions: ['browser'] },
    test: { include: ['src/**/*.test.ts', 'mock/**/*.test.ts'], environment: 'node' },
  }),
);
