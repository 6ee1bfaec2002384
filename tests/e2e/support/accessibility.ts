/** The axe accessibility check, run inside the page as a person's browser extension would. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect, type Page } from '@playwright/test';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Checks the page as it stands; `where` names it in a failure. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  // Evaluated through the debugger: the Content-Security-Policy stays as it is.
  await page.evaluate(source);
  const results = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as AxeResults;
  const found = results.violations.map((violation) => ({
    rule: violation.id,
    help: violation.help,
    nodes: violation.nodes.map((node) => `${node.html}: ${node.failureSummary}`),
  }));
  // Soft: one run tells everything that is wrong.
  expect.soft(found, `accessibility of ${where}`).toEqual([]);
}
