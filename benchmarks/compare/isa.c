// Hides instruction sets from a process into which it is preloaded.
//
// The instruction CPUID, by which libraries and compilers choose their code, is
// made to trap (Linux, where /proc/cpuinfo lists cpuid_fault), and answered
// without the sets that are wider than the environment's HIDE_ABOVE: "avx2"
// or "avx512".
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

static int keep_avx512;

static long set_traps(int on) {
  return syscall(SYS_arch_prctl, ARCH_SET_CPUID, !on);
}

static void answer(int number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  const uint8_t *code = (const uint8_t *)r[REG_RIP];
  if (code[0] != 0x0f || code[1] != 0xa2) {  // Not CPUID: a real error.
    signal(number, SIG_DFL);
    return;
  }
  uint32_t leaf = r[REG_RAX], part = r[REG_RCX], a, b, c, d;
  set_traps(0);
  __cpuid_count(leaf, part, a, b, c, d);
  set_traps(1);
  if (leaf == 7 && part == 0) {
    d &= ~(BIT(22) | BIT(24) | BIT(25));  // AMX
    if (!keep_avx512) {
      b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) |
             BIT(30) | BIT(31));
      c &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
      d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(23));
    }
  } else if (leaf == 7 && part == 1) {
    a &= ~BIT(21);  // AMX in float16
    if (!keep_avx512) a &= ~BIT(5);
  }
  r[REG_RAX] = a;
  r[REG_RBX] = b;
  r[REG_RCX] = c;
  r[REG_RDX] = d;
  r[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void) {
  const char *widest = getenv("HIDE_ABOVE");
  if (!widest) return;
  keep_avx512 = !strcmp(widest, "avx512");
  struct sigaction action = {.sa_sigaction = answer,
                             .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  if (set_traps(1)) {
    static const char message[] = "isa.c: this machine cannot trap CPUID\n";
    _exit(write(2, message, sizeof message - 1) ? 1 : 2);
  }
}
