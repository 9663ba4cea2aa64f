import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

// The licences of what is bundled ask to go along with it: licences.txt, linked from the settings.
function licences(): Plugin {
  return {
    name: 'licences',
    generateBundle(_options, bundle) {
      const found = new Map<string, string>();
      for (const chunk of Object.values(bundle)) {
        for (const id of chunk.type === 'chunk' ? Object.keys(chunk.modules) : []) {
          const folder = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
          if (folder === undefined || found.has(folder)) continue;
          const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>;
          const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
          const text = file ? readFileSync(join(folder, file), 'utf8').trim() : '';
          found.set(folder, `${name} ${version} (${license})\n\n${text}\n`);
        }
      }
      const line = '\n----------------------------------------\n\n';
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: [...found.values()].sort().join(line) });
    },
  };
}

export default defineConfig({
  // Relative: the page must work below any path of a proxy.
  base: './',
  plugins: [onlyWoff2(), svelte(), licences()],
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
