/** Tabs that nobody looks at, and streams that die without a word. */
import type { BrowserContext, Page } from '@playwright/test';
import { expect, expectHouse, test } from '../support/test.ts';

/** Connections that a browser opens to one host over HTTP/1.1. */
const CONNECTIONS = 6;

/** Within this time people see that what is on the page is not live. */
const SEEN_MS = 5_000;

/** What the page is made to hold, for the test to look at. */
interface Watched {
  streams: EventSource[];
  behind: boolean;
}
declare global {
  interface Window {
    watched: Watched;
  }
}

/** A tab that counts its streams, and believes that it lies behind others. Every page of a test is looked at otherwise. */
async function tabBehind(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.addInitScript(() => {
    const watched: Watched = { streams: [], behind: true };
    window.watched = watched;
    Object.defineProperty(document, 'hidden', { get: () => watched.behind });
    Object.defineProperty(document, 'visibilityState', { get: () => (watched.behind ? 'hidden' : 'visible') });
    window.EventSource = class extends EventSource {
      constructor(address: string | URL) {
        super(address);
        watched.streams.push(this);
      }
    };
  });
  return page;
}

const openStreams = (page: Page) =>
  page.evaluate(() => window.watched.streams.filter(({ readyState }) => readyState !== EventSource.CLOSED).length);

const look = (page: Page, behind: boolean) =>
  page.evaluate((now) => {
    window.watched.behind = now;
    document.dispatchEvent(new Event('visibilitychange'));
  }, behind);

// Each of six tabs behind others kept a stream, and the browser had no connection left for the seventh.
test('any number of tabs behind others hold no stream, and the one that is looked at loads', async ({
  home,
  gateway,
}) => {
  const context = home.context();
  const behind: Page[] = [];
  for (let count = 0; count < CONNECTIONS; count += 1) {
    const page = await tabBehind(context);
    await page.goto(gateway.origin);
    await expect(page.getByRole('banner').getByText('Connecting')).toBeVisible();
    // The network that comes back opens nothing either.
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    behind.push(page);
  }
  for (const page of behind) expect(await openStreams(page)).toBe(0);

  const looked = await context.newPage();
  await looked.goto(gateway.origin);
  await expectHouse(looked);

  // One that is looked at later is as live as any, and lets go a while after it is left.
  const [first] = behind;
  await look(first!, false);
  await expectHouse(first!);
  expect(await openStreams(first!)).toBe(1);
  await look(first!, true);
  await expect.poll(() => openStreams(first!)).toBe(0);
});

test('a tab that comes back to a dead network says so within five seconds', async ({ home, gateway }) => {
  const page = await tabBehind(home.context());
  await page.goto(gateway.origin);
  await look(page, false);
  await expectHouse(page);
  await look(page, true);
  await expect.poll(() => openStreams(page)).toBe(0);
  // Requests go out, and nothing comes back.
  await page.route('**/api/**', () => {});
  await look(page, false);
  await expect(page.getByText(/^Connection lost\. Last heard/)).toBeVisible({ timeout: SEEN_MS });
  await page.unroute('**/api/**');
  await expectHouse(page);
});

test('messages whose stream says nothing are not shown as live', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/messages`);
  const passing = home.getByRole('region', { name: 'Messages, the newest first' });
  await expect(passing.getByRole('listitem').first()).toBeVisible();
  // What has passed stays: the stream was not begun anew meanwhile.
  await expect.poll(() => passing.getByRole('listitem').count()).toBeGreaterThan(1);
  await home.route('**/api/v1/messages/stream**', () => {});
  await home.getByRole('textbox', { name: 'Topic filter' }).fill('home/#');
  await expect(home.getByText(/^Not connected\. What passes now/)).toBeVisible();
  await home.unroute('**/api/v1/messages/stream**');
  await expect(passing.getByRole('listitem').first()).toBeVisible();
  await expect(home.getByText(/^Not connected/)).toHaveCount(0);
});
