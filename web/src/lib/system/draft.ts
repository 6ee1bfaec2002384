/** A text that somebody left without saving it; it is there when they come back to it. */
let kept: string | null = null;

export const keptText = {
  get: (): string | null => kept,
  set: (text: string | null): void => void (kept = text),
};
