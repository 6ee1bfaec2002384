/** A page without TLS says so, the certificate is for everybody, and the page can be put on a home screen. */
import { chromium } from '@playwright/test';
import { expectAccessible } from '../support/accessibility.ts';
import { ADMINISTRATOR, startGateway } from '../support/gateway.ts';
import { expect, test } from '../support/test.ts';

interface Icon {
  src: string;
  sizes: string;
  type: string;
  purpose: string;
}

test('each icon of the manifest is there, and as large as it says', async ({ page, gateway }) => {
  await page.goto(gateway.origin);
  const response = await page.request.get(`${gateway.origin}/manifest.webmanifest`);
  const manifest = (await response.json()) as { id: string; icons: Icon[] };
  expect(manifest.id).toBe('/');
  const touch = await page.locator('link[rel="apple-touch-icon"]').getAttribute('href');
  const icons = [...manifest.icons, { src: touch ?? '', sizes: '180x180', type: 'image/png', purpose: 'apple' }].filter(
    ({ sizes }) => sizes !== 'any',
  );
  expect(icons.map(({ sizes, purpose }) => `${sizes} ${purpose}`)).toEqual([
    '192x192 any',
    '512x512 any',
    '512x512 maskable',
    '180x180 apple',
  ]);
  for (const { src, sizes, type } of icons) {
    const answer = await page.request.get(`${gateway.origin}${src}`);
    expect(answer.headers()['content-type'], src).toBe(type);
    expect(answer.headers()['etag'], `${src} is not sent twice`).toBeTruthy();
    const pixels = await page.evaluate(async (path) => {
      const { width, height } = await createImageBitmap(await (await fetch(path)).blob());
      return `${width}x${height}`;
    }, src);
    expect(pixels, src).toBe(sizes);
  }
});

test('who opens the page without TLS is told so, and led to the one with TLS', async ({}, info) => {
  const gateway = await startGateway([ADMINISTRATOR], '[gateway]\nname = "Casa"\n[dashboard]\nhosts = ["casa.lan"]\n');
  // No name service has this name: the browser is told.
  const browser = await chromium.launch({
    executablePath: process.env['GATEHOUSE_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--host-resolver-rules=MAP casa.lan 127.0.0.1'],
  });
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
    const page = await context.newPage();
    const note = page.getByRole('complementary', { name: 'Without TLS' });
    await page.goto(gateway.origin);
    await expect(page.getByLabel('Password', { exact: true })).toBeVisible();
    await expect(note, 'nothing crosses a network here').toHaveCount(0);

    const plain = `http://casa.lan:${new URL(gateway.origin).port}`;
    await page.goto(`${plain}/settings`);
    await expect(note).toContainText('Others in this network can read what you type here.');
    await expectAccessible(page, 'the log-in without TLS');
    await page.screenshot({ path: info.outputPath('log-in.png') });
    await note.getByRole('link', { name: 'First install the gateway’s certificate' }).click();
    await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
    const session = (await (await page.request.get(`${gateway.origin}/api/v1/session`)).json()) as {
      authority_sha256: string;
    };
    await expect(page.getByText(session.authority_sha256)).toBeVisible();
    await page.getByLabel('This device', { exact: true }).selectOption('iPhone, iPad');
    await expect(page.getByRole('link', { name: 'Profile for iPhone, iPad and Mac' })).toBeVisible();
    await expectAccessible(page, 'the page of the certificate');
    await page.screenshot({ path: info.outputPath('certificate.png'), fullPage: true });

    await page.getByRole('link', { name: 'Back' }).click();
    await note.getByRole('link', { name: /^https:/ }).click();
    await expect(page).toHaveURL(/^https:\/\/casa\.lan:\d+\/$/);
    await expect(page.getByLabel('Password', { exact: true })).toBeVisible();
    await expect(note).toHaveCount(0);
  } finally {
    await browser.close();
    await gateway.stop();
  }
});
