/** The title of the tab: the state first when something is wrong, then the page, then the house. Pure. */
export function titleOf(parts: { trouble: string; page: string; gateway: string }): string {
  return [parts.trouble, parts.page, parts.gateway].filter((part) => part !== '').join(' · ');
}
