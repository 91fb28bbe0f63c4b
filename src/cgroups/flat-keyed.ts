/** The value of a key in a file of lines `KEY VALUE`, or null when it is not there. */
export function keyed(text: string, key: string): number | null {
  const start = text.startsWith(`${key} `) ? 0 : text.indexOf(`\n${key} `) + 1;
  if (start === 0 && !text.startsWith(`${key} `)) return null;
  const value = Number.parseInt(text.slice(start + key.length + 1), 10);
  return Number.isNaN(value) ? null : value;
}
