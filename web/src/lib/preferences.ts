/** Choices that stay in this browser. A browser that keeps nothing (private mode) just forgets them. */

export function readChoice<Choice>(key: string, isChoice: (text: unknown) => text is Choice): Choice | null {
  try {
    const text = localStorage.getItem(key);
    return isChoice(text) ? text : null;
  } catch {
    return null;
  }
}

export function writeChoice(key: string, choice: string | null) {
  try {
    if (choice === null) localStorage.removeItem(key);
    else localStorage.setItem(key, choice);
  } catch {
    // The choice holds until the tab is closed.
  }
}
