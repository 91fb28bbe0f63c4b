/** What a test file inside tells of its tests while it runs; one JSON object a line, after MARK. */
export interface TestEvent {
  type: 'begin' | 'pass' | 'fail';
  name: string;
  /** 0 for a test, more for its subtests. */
  nesting: number;
  /** Why it was not really run. */
  skip?: string;
  error?: string;
}

/** ASCII's record separator: what the tests themselves print stands between. */
export const MARK = '\u001e';
