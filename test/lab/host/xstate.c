/*
 * Lets User-mode Linux run on CPUs with AMX. Its kernel keeps 2696 bytes of a process's extended registers, all
 * there was before AMX; Linux accepts them back by ptrace only as a whole, 11008 bytes there, and gives EFAULT
 * otherwise. So what is missing is filled up with the initial state. Nothing inside can have used AMX: that
 * takes a system call that User-mode Linux does not have. Loaded before libc (LD_PRELOAD).
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define LARGEST 65536
/* Where an XSAVE area says which of its components are not initial, and those within the first 2696 bytes. */
#define XSTATE_BV 512
#define KEPT_COMPONENTS 0x2ff

static unsigned char area[LARGEST];
static size_t area_size;
static long (*real_ptrace)(enum __ptrace_request, pid_t, void *, void *);

__attribute__((constructor)) static void look(void) {
  unsigned int eax, size = 0, ecx, edx;
  if (__get_cpuid_count(0xd, 0, &eax, &size, &ecx, &edx)) area_size = size;
  real_ptrace = dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...) {
  va_list list;
  va_start(list, request);
  pid_t pid = va_arg(list, pid_t);
  void *address = va_arg(list, void *);
  void *data = va_arg(list, void *);
  va_end(list);

  struct iovec *given = data;
  if (request != PTRACE_SETREGSET || (uintptr_t)address != NT_X86_XSTATE ||
      given->iov_len >= area_size || area_size > LARGEST)
    return real_ptrace(request, pid, address, data);

  /* What follows the given part is never written, and so stays zero. */
  memcpy(area, given->iov_base, given->iov_len);
  uint64_t components;
  memcpy(&components, area + XSTATE_BV, sizeof components);
  components &= KEPT_COMPONENTS;
  memcpy(area + XSTATE_BV, &components, sizeof components);
  struct iovec whole = {area, area_size};
  return real_ptrace(request, pid, address, &whole);
}
