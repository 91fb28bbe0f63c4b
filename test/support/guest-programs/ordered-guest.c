/*
 * The guest's side of ordered-host.c: ordered-guest fence|lock RESOURCE, where the resource is the memory of an ivshmem
 * device (/sys/bus/pci/devices/.../resource2).
 */
#include "bare.h"
#include "ordered.h"

#define READ_WRITE 3
#define SHARED 1

__attribute__((used)) static void run(long argc, char **argv) {
  if (argc != 3) end(2);
  int locks = argv[1][0] == 'l';
  long device = must(call(OPENAT, AT_FDCWD, (long)argv[2], O_RDWR, 0, 0, 0));
  long page = must(call(MMAP, 0, sizeof(struct shared), READ_WRITE, SHARED, device, 0));
  struct shared *shared = (struct shared *)page;
  for (long round = 1;; round++) {
    while (shared->round != round)
      if (shared->round < 0) end(0);
    shared->guests = round;
    /* Linux's own barrier towards virtio devices is the second one. */
    if (locks)
      __asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
    else
      __asm__ volatile("mfence" ::: "memory");
    shared->seen = shared->hosts;
    shared->done = round;
  }
}
