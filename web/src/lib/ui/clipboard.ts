/**
 * Copies a text that stands in an element. Over plain HTTP browsers hide the clipboard; there the element is selected and
 * copied the old way, and stays selected, so that the keyboard can copy what the page could not.
 */
export async function copyText(text: string, shownIn: Element): Promise<boolean> {
  if (window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed: go on with the selection.
    }
  }
  getSelection()?.selectAllChildren(shownIn);
  return document.execCommand('copy');
}
