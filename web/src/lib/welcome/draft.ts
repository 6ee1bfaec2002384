/**
 * What was typed before there is an account to keep it under: the browser keeps it for this tab, so that a reload goes on where
 * it was. The password is never kept.
 */

const KEY = 'gatehouse.set-up';

export interface Draft {
  /** The set-up code, once the gateway has said that it is right. */
  code: string;
  /** The name of the gateway, once it was checked. */
  gatewayName: string | null;
}

export function readDraft(): Draft | null {
  try {
    const draft: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    if (typeof draft !== 'object' || draft === null || !('code' in draft)) return null;
    const { code, gatewayName } = draft as Partial<Draft>;
    if (typeof code !== 'string') return null;
    return { code, gatewayName: typeof gatewayName === 'string' ? gatewayName : null };
  } catch {
    // A browser that keeps nothing, or somebody else's text: it is typed again.
    return null;
  }
}

export function writeDraft(draft: Draft | null) {
  try {
    if (draft === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // A reload then asks again.
  }
}
