import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The daemon (or `npm run mock`) that `npm run dev` talks to.
const gateway = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
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
