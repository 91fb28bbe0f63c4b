/** What is to happen at one point of a verb's dealings with what lies outside of its process. */
/** `stop`: it stands still there, until somebody sends SIGCONT. */
export type How = 'kill' | 'kill after' | 'error' | 'hang' | 'stop';

export interface Orders {
  /** Only what concerns this directory is a point. */
  base: string;
  /** Gets a line for every point, in order. */
  log: string;
  fault?: { point: string; how: How };
}

/** The environment variable that holds them. The program does not know it; only the preload does. */
export const ORDERS = 'FAULT_INJECTION';
