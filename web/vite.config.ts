import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vite';

// Every browser that runs this page reads woff2: the older copies would double what is embedded.
function onlyWoff2(): Plugin {
  return {
    name: 'only-woff2',
    enforce: 'pre',
    transform(code, id) {
      if (!/katex.*\.css$/.test(id.split('?')[0] ?? '')) return null;
      return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'][a-z]+["']\)/g, '');
    },
  };
}

export default defineConfig({
  // Relative: the page must work below any path of a proxy.
  base: './',
  plugins: [onlyWoff2(), svelte()],
  build: {
    outDir: process.env['JIANG_WEB_OUT'] ?? '../build/web/dist',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing inlined as data: or as script, so that the policy of the page can stay 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { '/jiang': 'http://127.0.0.1:8089', '/v1': 'http://127.0.0.1:8089' } },
});
