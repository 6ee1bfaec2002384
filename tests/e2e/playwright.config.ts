/**
 * Browser tests of the dashboard: the real daemon with its simulated house, a data directory for each worker, and the
 * Chromium of the distribution.
 *
 * Environment variables:
 * - GATEHOUSE_BIN: the daemon to test; unset: the debug build in the target directory.
 * - GATEHOUSE_CHROMIUM: the browser; unset: /usr/bin/chromium.
 * - GATEHOUSE_SCREENSHOT: where the picture of the README goes; unset: it is made and thrown away.
 */
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'specs',
  // Two cores run a browser and a daemon for each worker.
  workers: 2,
  fullyParallel: false,
  // A test that passes at the second try is a bug that somebody else will have to find.
  retries: 0,
  forbidOnly: true,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: { executablePath: process.env['GATEHOUSE_CHROMIUM'] ?? '/usr/bin/chromium' },
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Madrid',
    colorScheme: 'light',
    trace: 'retain-on-failure',
  },
});
