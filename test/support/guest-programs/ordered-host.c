/*
 * ordered-host FILE SECONDS: rounds in which guest and host each write a word, pass a barrier, and read the other's. At least one
 * of them has to see what the other wrote. This is how virtio's two sides agree whether a notice is needed.
 * Prints the number of rounds, and in how many of them neither saw anything.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include "ordered.h"

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int file = open(argv[1], O_RDWR);
  struct shared *shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || shared == MAP_FAILED) return 1;
  double end = now() + atof(argv[2]);
  long round = 0, neither = 0;
  unsigned random = 1;
  while (now() < end) {
    shared->round = ++round;
    /* The guest needs a while to see it; not always the same. */
    random = random * 1103515245 + 12345;
    for (volatile unsigned i = (random >> 16) % 60; i > 0; i--) continue;
    shared->hosts = round;
    __sync_synchronize();
    int seen = shared->guests == round;
    while (shared->done != round)
      if (now() > end) {
        printf("%ld %ld\n", round - 1, neither);
        shared->round = -1;
        return 0;
      }
    if (!seen && shared->seen != round) neither++;
  }
  shared->round = -1;
  printf("%ld %ld\n", round, neither);
}
