/** Times of fields and addresses. Pure: the zone is the browser's, as everywhere on the page. */

const two = (value: number) => String(value).padStart(2, '0');

/** A time for an `<input type="datetime-local">`, in the browser's zone, to the minute. */
export function fieldOf(at: number): string {
  const time = new Date(at);
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** The time that such a field holds; nothing when it holds none. */
export function timeOfField(text: string): number | null {
  if (text === '') return null;
  const at = new Date(text).getTime();
  return Number.isNaN(at) ? null : at;
}

/** A time of an address, in milliseconds since 1970; nothing when it is none. */
export function timeOfAddress(text: string | null): number | null {
  if (text === null || !/^\d{10,14}$/.test(text)) return null;
  return Number(text);
}
