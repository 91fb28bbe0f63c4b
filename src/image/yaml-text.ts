/**
 * JSON in one line, which is also YAML. Characters that JSON lets through and YAML does not count as
 * printable (YAML 1.2, 5.1) are escaped.
 */
export function yamlText(value: unknown): string {
  const json = JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${json}\n`;
}
