/*
 * Direct I/O without end: direct-io read|write DEVICE OFFSET DEPTH. Of the requests, 4 KiB each over 64 MiB from the
 * offset on, so many are under way at all times. Its exit code is the number of the error that ended it.
 */
#include <linux/aio_abi.h>
#include "bare.h"

#define O_DIRECT 040000
#define SIZE 4096
#define DEEPEST 256
/* Apart from each other: neighbours would become one request. */
#define STRIDE 65536l
#define PLACES 1024

enum { IO_SETUP = 206, IO_GETEVENTS = 208, IO_SUBMIT = 209 };

static char buffer[SIZE] __attribute__((aligned(SIZE)));
static struct iocb requests[DEEPEST], *list[DEEPEST];
static struct io_event events[DEEPEST];

__attribute__((used)) static void run(long argc, char **argv) {
  if (argc != 5) end(2);
  int writes = argv[1][0] == 'w';
  long offset = number(argv[3]), depth = number(argv[4]), place = 0;
  if (depth < 1 || depth > DEEPEST) end(2);
  long device = must(call(OPENAT, AT_FDCWD, (long)argv[2], O_RDWR | O_DIRECT, 0, 0, 0));
  aio_context_t context = 0;
  must(call(IO_SETUP, depth, (long)&context, 0, 0, 0, 0));
  for (long i = 0; i < depth; i++) {
    requests[i].aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    requests[i].aio_fildes = device;
    requests[i].aio_buf = (unsigned long)buffer;
    requests[i].aio_nbytes = SIZE;
    list[i] = &requests[i];
  }
  for (long ready = depth;;) {
    for (long i = 0; i < ready; i++) list[i]->aio_offset = offset + place++ % PLACES * STRIDE;
    for (long sent = 0; sent < ready;)
      sent += must(call(IO_SUBMIT, context, ready - sent, (long)(list + sent), 0, 0, 0));
    ready = must(call(IO_GETEVENTS, context, 1, depth, (long)events, 0, 0));
    for (long i = 0; i < ready; i++) {
      must(events[i].res);
      list[i] = (struct iocb *)events[i].obj;
    }
  }
}
