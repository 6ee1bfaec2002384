import type { Page } from '@playwright/test';

import { expectAccessible } from '../support/accessibility.ts';
import { VIEWER } from '../support/gateway.ts';
import { expect, logIn, test } from '../support/test.ts';

/** Publishes as the person who is logged in, without leaving the page. */
async function publish(page: Page, topic: string, payload: string, retain: boolean): Promise<void> {
  const status = await page.evaluate(
    async (body) => {
      const answer = await fetch('/api/v1/messages', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return answer.status;
    },
    { topic, payload, retain, qos: 1 },
  );
  expect(status, `publishing to ${topic}`).toBe(204);
}

test('a message is published, seen to pass, found retained, and cleared', async ({ home, gateway }) => {
  const main = home.getByRole('navigation', { name: 'Main' });
  await main.getByRole('link', { name: 'Messages' }).click();
  await expect(home.getByRole('heading', { level: 1 })).toHaveText('Messages');
  await home.getByRole('navigation', { name: 'Parts of the messages' }).getByRole('link', { name: 'Publish' }).click();

  // What is wrong is said before anything is sent.
  await home.getByRole('button', { name: 'Publish' }).click();
  await expect(home.getByText('Type a topic.')).toBeVisible();
  await home.getByRole('textbox', { name: 'Topic' }).fill('garden/+');
  await expect(home.getByText(/are wildcards/)).toBeVisible();

  await home.getByRole('textbox', { name: 'Topic' }).fill('garden/note');
  await home.getByRole('textbox', { name: 'Payload' }).fill('water the roses');
  await home.getByRole('radio', { name: '1, at least once' }).check();
  await home.getByRole('checkbox', { name: 'Retain' }).check();
  await home.getByText('MQTT 5 properties').click();
  await home.getByRole('textbox', { name: 'Content type' }).fill('text/plain');
  await home.getByRole('textbox', { name: 'User properties' }).fill('mood=dry');
  await expectAccessible(home, 'the form with everything open');
  await home.getByRole('button', { name: 'Publish' }).click();
  await expect(home.getByText(/^Published to garden\/note/)).toBeVisible();

  await home.goto(`${gateway.origin}/messages?filter=garden/%23`);
  await home.getByText('water the roses').first().click();
  await expect(home.getByText('text/plain')).toBeVisible();
  await expect(home.getByText('mood=dry')).toBeVisible();
  await expect(home.getByText(/at the dashboard/)).toBeVisible();
  await expectAccessible(home, 'a retained message');
  await home.getByRole('button', { name: 'Clear', exact: true }).click();
  await home.getByRole('button', { name: 'Clear it' }).click();
  await expect(home.getByText('Nothing is retained under this filter.')).toBeVisible();
  // The empty message that clears is one that passes.
  const passing = home.getByRole('region', {
    name: 'Messages, the newest first',
  });
  await expect(passing.getByText('garden/note').first()).toBeVisible();
});

test('the house passes by, and stands still when told to', async ({ home, gateway }) => {
  await home.goto(`${gateway.origin}/messages`);
  const passing = home.getByRole('region', {
    name: 'Messages, the newest first',
  });
  await expect(passing.getByRole('listitem').first()).toBeVisible();
  await home.getByRole('button', { name: 'Pause' }).click();
  await expect(home.getByText(/^Paused\./)).toBeVisible();
  await expect(home.getByText(/^Paused\. [1-9]/)).toBeVisible({
    timeout: 20_000,
  });
  await expectAccessible(home, 'messages that pass');

  await home.getByRole('textbox', { name: 'Topic filter' }).fill('a#');
  await expect(home.getByText(/^A wildcard fills a whole level/)).toBeVisible();
  await home.getByRole('textbox', { name: 'Topic filter' }).fill('$SYS/#');
  await expect(home.getByText('$SYS/', { exact: true })).toBeVisible();
});

test('topics that only pass join the tree, are said not to be kept, and follow what passes', async ({
  home,
  gateway,
}) => {
  await home.goto(`${gateway.origin}/messages?filter=porch/%23`);
  const topics = home.getByRole('region', { name: 'Topics' });
  await expect(topics.getByText('Nothing is retained under this filter.')).toBeVisible();
  await publish(home, 'porch/light', 'on', true);
  await publish(home, 'porch/bell', 'ding', false);
  await publish(home, 'elsewhere/bell', 'not in the filter', false);

  await expect(topics.getByText('1 retained')).toBeVisible();
  await expect(topics.getByText('1 passed by')).toBeVisible();
  const bell = topics.getByRole('group').filter({ hasText: 'bell' }).last();
  await expect(bell).toContainText(/bell\s*ding\s*Not kept, passed at \d\d:\d\d:\d\d/);
  const light = topics.getByRole('group').filter({ hasText: 'light' }).last();
  await expect(light).toContainText('on');
  await expect(light).not.toContainText('Not kept');

  // Both follow what passes.
  await publish(home, 'porch/light', 'off', true);
  await publish(home, 'porch/bell', 'dong', false);
  await expect(light).toContainText('off');
  await expect(bell).toContainText('dong');
  await expect(topics.getByText('elsewhere')).toHaveCount(0);

  // There is nothing to clear where nothing is kept.
  await bell.getByText('dong').first().click();
  await expect(bell.getByText('ana at the dashboard')).toBeVisible();
  await expect(bell.getByRole('button', { name: 'Clear', exact: true })).toHaveCount(0);
  await expectAccessible(home, 'a topic that only passed');
  await light.getByText('off').first().click();
  await expect(light.getByRole('button', { name: 'Clear', exact: true })).toBeVisible();
});

test('a branch is cleared after asking with its number, and the gateway’s own topics stay', async ({
  home,
  gateway,
  watch,
}) => {
  watch.tolerate(/409/);
  await home.goto(`${gateway.origin}/messages?filter=home/%23`);
  for (const name of ['one', 'two']) await publish(home, `home/shelf/${name}`, 'old', true);
  await home.reload();
  const topics = home.getByRole('region', { name: 'Topics' });
  await topics.getByRole('button', { name: 'Clear all below home/', exact: true }).click();
  const question = topics.getByRole('group', { name: 'Clear all below home/', exact: true });
  await expect(question).toContainText('Clear what is retained below home/? Topics: 2.');
  await expect(question).toContainText(/The gateway’s own topics stay as they are: [1-9]/);
  await expectAccessible(home, 'the question before a branch is cleared');

  // The first refusal ends it, and it is said how far it came.
  await home.route('**/api/v1/messages/retained?topic=home%2Fshelf%2Ftwo', (route) =>
    route.fulfill({ status: 409, json: { error: { code: 'refused', message: 'Somebody holds it.' } } }),
  );
  await question.getByRole('button', { name: 'Clear all 2' }).click();
  const stopped = 'Stopped at home/shelf/two. Cleared before that: 1 of 2.';
  await expect(topics.getByRole('alert')).toContainText(stopped);
  await expect(topics.getByRole('alert')).toContainText('Somebody holds it.');

  await home.unroute('**/api/v1/messages/retained?topic=home%2Fshelf%2Ftwo');
  await topics.getByRole('button', { name: 'Clear all below home/', exact: true }).click();
  await question.getByRole('button', { name: 'Clear all 1' }).click();
  await expect(topics.getByText('Cleared: 1.')).toBeVisible();
  await expect(topics.getByText('shelf/', { exact: true })).toHaveCount(0);
});

test('what only the gateway says is refused with the reason', async ({ home, gateway, watch }) => {
  watch.tolerate(/409/);
  await home.goto(`${gateway.origin}/messages/publish?topic=home/living-room/temperature`);
  await home.getByRole('textbox', { name: 'Payload' }).fill('99');
  await home.getByRole('button', { name: 'Publish' }).click();
  await expect(home.getByRole('alert').getByText(/is what the gateway itself says/)).toBeVisible();
});

test('a viewer sees no messages', async ({ page, gateway }) => {
  await logIn(page, gateway, VIEWER);
  const main = page.getByRole('navigation', { name: 'Main' });
  await expect(main.getByRole('link', { name: 'Messages' })).toHaveCount(0);
  await page.goto(`${gateway.origin}/messages`);
  await expect(page.getByText('This is for administrators. Ask one of them.')).toBeVisible();
});
