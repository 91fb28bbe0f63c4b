/* What the two sides of an ordering test share: a page, each field that both touch in a cache line of its own. */
struct shared {
  /* Begun by the host; negative ends it all. */
  volatile long round __attribute__((aligned(128)));
  /* Written by the guest, read by the host. */
  volatile long guests __attribute__((aligned(128)));
  /* Written by the host, read by the guest. */
  volatile long hosts __attribute__((aligned(128)));
  /* What the guest read, and in which round that was. */
  volatile long seen __attribute__((aligned(128)));
  volatile long done;
};
