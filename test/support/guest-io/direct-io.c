/*
 * Direct I/O without end: direct-io read|write DEVICE OFFSET DEPTH. Of the requests, 4 KiB each over 64 MiB from the
 * offset on, so many are under way at all times. Without a C library it is small enough for a guest's command line.
 * Its exit code is the number of the error that ended it.
 */
#include <linux/aio_abi.h>

#define AT_FDCWD (-100)
#define O_RDWR 2
#define O_DIRECT 040000
#define SIZE 4096
#define DEEPEST 256
/* Apart from each other: neighbours would become one request. */
#define STRIDE 65536l
#define PLACES 1024

static long call(long number, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}

enum { EXIT = 60, IO_SETUP = 206, IO_GETEVENTS = 208, IO_SUBMIT = 209, OPENAT = 257 };

static void end(int code) {
  for (;;) call(EXIT, code, 0, 0, 0, 0);
}

static long must(long result) {
  if (result < 0) end(-result);
  return result;
}

static long number(const char *text) {
  long value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
  return value;
}

static char buffer[SIZE] __attribute__((aligned(SIZE)));
static struct iocb requests[DEEPEST], *list[DEEPEST];
static struct io_event events[DEEPEST];

__attribute__((used)) static void run(long argc, char **argv) {
  if (argc != 5) end(2);
  int writes = argv[1][0] == 'w';
  long offset = number(argv[3]), depth = number(argv[4]), place = 0;
  if (depth < 1 || depth > DEEPEST) end(2);
  long device = must(call(OPENAT, AT_FDCWD, (long)argv[2], O_RDWR | O_DIRECT, 0, 0));
  aio_context_t context = 0;
  must(call(IO_SETUP, depth, (long)&context, 0, 0, 0));
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
      sent += must(call(IO_SUBMIT, context, ready - sent, (long)(list + sent), 0, 0));
    ready = must(call(IO_GETEVENTS, context, 1, depth, (long)events, 0));
    for (long i = 0; i < ready; i++) {
      must(events[i].res);
      list[i] = (struct iocb *)events[i].obj;
    }
  }
}

/* What the kernel leaves on the stack: the number of arguments, then they. */
__asm__(
  ".globl _start\n"
  "_start:\n"
  "  mov (%rsp), %rdi\n"
  "  lea 8(%rsp), %rsi\n"
  "  and $-16, %rsp\n"
  "  call run\n");
