import { writeFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// The daemon (or `npm run mock`) that `npm run dev` talks to.
const gateway = 'http://127.0.0.1:8080';

// Notes which npm packages are in the built files: the Debian package carries their licences (scripts/lib/licences.mjs).
const bundledPackages: Plugin = {
  name: 'bundled-packages',
  apply: 'build',
  generateBundle(_options, bundle) {
    const names = new Set<string>();
    for (const file of Object.values(bundle)) {
      if (file.type !== 'chunk') continue;
      for (const module of file.moduleIds) {
        const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module)?.[1];
        if (name !== undefined) names.add(name);
      }
    }
    writeFileSync('node_modules/.gatehouse-bundled.json', JSON.stringify([...names].sort()));
  },
};

export default defineConfig({
  plugins: [svelte(), bundledPackages],
  build: {
    // Wall tablets are old: five years back is served.
    target: ['es2021', 'chrome100', 'firefox100', 'safari15.4'],
    // The Content-Security-Policy of the gateway allows no inline script and no inline style, and the page needs no
    // data: addresses either.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  server: {
    proxy: { '/api': gateway, '/health': gateway },
  },
  test: {
    include: ['src/**/*.test.ts'],
    // Ages and clock times are tested in one zone and the page shows them in the browser's.
    env: { TZ: 'Europe/Madrid' },
  },
});
