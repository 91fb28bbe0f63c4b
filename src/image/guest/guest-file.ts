/** A file the template puts into the guest, in addition to those of its packages. */
export type GuestFile =
  | { path: string; content: string; mode?: number }
  /** A symbolic link. */
  | { path: string; link: string };

/** Programs of the template, out of the way of packages. */
export const GUEST_LIB = '/usr/local/lib/blockhost';
