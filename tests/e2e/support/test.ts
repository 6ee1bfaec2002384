/**
 * The `test` of all specs: a gateway for each worker with two users, a page that is watched, and a page on which the
 * administrator is logged in.
 *
 * Every page of every test is watched: a request to another origin, a breach of the Content-Security-Policy, an
 * exception, or an error in the console fails the test at its end.
 */
import { type BrowserContext, test as base, expect, type Page } from '@playwright/test';
import { ADMINISTRATOR, type Gateway, startGateway, type User, VIEWER } from './gateway.ts';

interface Watch {
  /** Declares that the console may show errors that match. */
  tolerate(pattern: RegExp): void;
}

interface TestFixtures {
  watch: Watch;
  /** A gateway that nobody has visited yet. */
  newGateway: Gateway;
  /** The page on which the administrator is logged in, on the home page with values. */
  home: Page;
}

interface WorkerFixtures {
  /** The gateway of this worker. It has an administrator and a viewer. */
  gateway: Gateway;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  gateway: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const gateway = await startGateway([ADMINISTRATOR, VIEWER]);
      await use(gateway);
      await gateway.stop();
    },
    { scope: 'worker' },
  ],

  newGateway: async ({ context }, use) => {
    const gateway = await startGateway([]);
    await use(gateway);
    // A page that outlives its gateway complains, and rightly so.
    await Promise.all(context.pages().map((page) => page.close()));
    await gateway.stop();
  },

  watch: [
    async ({ context }, use) => {
      const tolerated: RegExp[] = [];
      const complaints = watchContext(context);
      await use({ tolerate: (pattern) => void tolerated.push(pattern) });
      const left = complaints.filter((complaint) => !tolerated.some((pattern) => pattern.test(complaint)));
      expect(left, 'the page asked elsewhere, broke its policy, or complained').toEqual([]);
    },
    { auto: true },
  ],

  home: async ({ page, gateway }, use) => {
    await logIn(page, gateway, ADMINISTRATOR);
    await use(page);
  },
});

export { expect };

function watchContext(context: BrowserContext): string[] {
  const complaints: string[] = [];
  let origin: string | null = null;
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol === 'data:' || url.protocol === 'blob:') return;
    origin ??= url.origin;
    if (url.origin !== origin) complaints.push(`request to ${request.url()}`);
  });
  // A breach of the policy is reported as an error in the console, too.
  context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      complaints.push(`console: ${message.text()}`);
    }
  });
  context.on('weberror', (error) => complaints.push(`exception: ${error.error()}`));
  return complaints;
}

/** Logs in through the page and waits for the house. */
export async function logIn(page: Page, gateway: Gateway, user: User): Promise<void> {
  await page.goto(gateway.origin);
  await page.getByLabel('Name').fill(user.name);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expectHouse(page);
}

/** Waits until the house is there, live, with a value from every room climate. */
export async function expectHouse(page: Page): Promise<void> {
  await expect(page.getByRole('banner').getByText('Live', { exact: true })).toBeVisible();
  await expect(tile(page, 'Living room climate')).toContainText(/\d\s°C/);
}

/** The tile of a device on the home page. */
export function tile(page: Page, name: string) {
  return page.getByRole('article', { name, exact: true });
}

/** The first number that a tile shows. */
export async function numberOn(page: Page, name: string): Promise<number> {
  const text = await tile(page, name).innerText();
  const number = /-?\d+(\.\d+)?(?=\s*°C)/.exec(text);
  if (number === null) throw new Error(`no temperature on the tile ${name}: ${text}`);
  return Number(number[0]);
}
