/*
 * Stands between a process and its files (LD_PRELOAD): ends it inside a write, fails a write or a sync, and notes what
 * a power cut could not take. Only files under CRASH_DIR count.
 *   CRASH_PLAN  OP:N:ACTION  at the Nth call of write, sync or rename: kill (before it), torn (half of it, then dead),
 *               fail (EIO), full (ENOSPC); sync is fsync and fdatasync
 *   CRASH_LOG   a file: "S size path" after each sync, "R from\tto" before each rename
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *dir;
static const char *action;
static char op[16];
static long turn;
static long count;
static int log_fd = -1;
static int broken;

__attribute__((constructor)) static void begin(void) {
  dir = getenv("CRASH_DIR");
  const char *plan = getenv("CRASH_PLAN");
  const char *log = getenv("CRASH_LOG");
  static char text[64];
  if (plan != NULL && strlen(plan) < sizeof text) {
    strcpy(text, plan);
    char *first = strchr(text, ':');
    char *second = first == NULL ? NULL : strchr(first + 1, ':');
    if (second != NULL && first - text < (long)sizeof op) {
      memcpy(op, text, first - text);
      turn = atol(first + 1);
      action = second + 1;
    }
  }
  if (log != NULL) log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int path_of(int fd, char *out, size_t size) {
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, size - 1);
  if (length <= 0) return 0;
  out[length] = 0;
  return dir != NULL && strncmp(out, dir, strlen(dir)) == 0;
}

static void die(const char *where) {
  char line[64];
  int length = snprintf(line, sizeof line, "at inside:%s\n", where);
  syscall(SYS_write, 1, line, length);
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

/* Whether the plan says that this call is the one; a failure stays: later calls of this kind fail too. */
static int due(const char *name) {
  if (action == NULL || strcmp(op, name) != 0) return 0;
  if (broken) return 1;
  if (__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) != turn) return 0;
  if (strcmp(action, "kill") == 0) die(name);
  if (strcmp(action, "fail") == 0 || strcmp(action, "full") == 0) broken = 1;
  return 1;
}

static int fault(void) {
  errno = strcmp(action, "full") == 0 ? ENOSPC : EIO;
  return -1;
}

static void note(const char *format, long size, const char *a, const char *b) {
  char line[2 * 4096 + 64];
  int length = size >= 0 ? snprintf(line, sizeof line, format, size, a) : snprintf(line, sizeof line, format, a, b);
  if (log_fd >= 0 && length > 0) syscall(SYS_write, log_fd, line, length);
}

ssize_t write(int fd, const void *bytes, size_t size) {
  char path[4096];
  if (action != NULL && fd > 2 && path_of(fd, path, sizeof path) && due("write")) {
    if (strcmp(action, "torn") != 0) return fault();
    syscall(SYS_write, fd, bytes, size / 2);
    die("torn-write");
  }
  return syscall(SYS_write, fd, bytes, size);
}

/* Where each descriptor's file ended after its last flush. */
static long flushed[4096];

/* LevelDB writes its files through streams; a flush is where their bytes leave the process. */
int fflush_unlocked(FILE *stream) {
  static int (*next)(FILE *);
  if (next == NULL) next = (int (*)(FILE *))dlsym(RTLD_NEXT, "fflush_unlocked");
  int fd = stream == NULL ? -1 : fileno(stream);
  char path[4096];
  if (action == NULL || fd < 0 || fd >= 4096 || !path_of(fd, path, sizeof path)) return next(stream);
  int hit = due("write");
  if (hit && strcmp(action, "torn") != 0) return fault();
  int result = next(stream);
  struct stat after;
  if (fstat(fd, &after) != 0) return -1;
  if (flushed[fd] > after.st_size) flushed[fd] = 0;
  if (hit) {
    if (ftruncate(fd, flushed[fd] + (after.st_size - flushed[fd]) / 2) != 0) return -1;
    die("torn-write");
  }
  flushed[fd] = after.st_size;
  return result;
}

static int synced(int fd, long call) {
  char path[4096];
  int ours = path_of(fd, path, sizeof path);
  if (ours && due("sync")) return fault();
  struct stat before;
  if (ours && fstat(fd, &before) != 0) return -1;
  int result = syscall(call, fd);
  if (ours && result == 0) note("S %ld %s\n", (long)before.st_size, path, NULL);
  return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }

int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int rename(const char *from, const char *to) {
  int ours = dir != NULL && strncmp(to, dir, strlen(dir)) == 0;
  if (ours && due("rename")) return fault();
  /* Before it: whoever is killed in between would have the size of the old file told of the new one. */
  if (ours) note("R %s\t%s\n", -1, from, to);
  return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
