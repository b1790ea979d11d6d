/*
 * A library for LD_PRELOAD that kills its process, with SIGKILL, just before the n-th call that changes a file,
 * whoever makes it: Python, seedless, or the driver of a token. `kill_before(n)` says which, counted from now;
 * 0 is none. What SoftHSM writes goes out at fflush and fclose, so these count and fwrite does not.
 *
 * Spared is token.object: SoftHSM writes it in place at each login, and a process that is killed meanwhile takes
 * the whole token with it, whatever program it was. So are locks, which hold nothing and are opened to read, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long left;

void kill_before(long calls) { left = calls; }

static void count(const char *path) {
  const char *name = strrchr(path, '/');
  const char *end = strrchr(path, '.');
  if ((name && !strcmp(name, "/token.object")) || (end && !strcmp(end, ".lock"))) return;
  if (left > 0 && --left == 0) kill(getpid(), SIGKILL);
}

static void count_open(int file) {
  char link[32], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, path, sizeof path - 1);
  path[size > 0 ? size : 0] = 0;
  if (file > 2) count(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest); \
    if (flags & (O_CREAT | O_TRUNC)) count(path); \
    return REAL(name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define FOPEN(name) \
  FILE *name(const char *path, const char *mode) { \
    if (strpbrk(mode, "wa+")) count(path); \
    return REAL(name)(path, mode); \
  }
FOPEN(fopen)
FOPEN(fopen64)

#define STREAM(name, is_given) \
  int name(FILE *file) { \
    if (is_given && __fwritable(file)) count_open(fileno(file)); \
    return REAL(name)(file); \
  }
STREAM(fflush, file) /* NULL is all files */
STREAM(fclose, 1)    /* newer C libraries declare that it takes no NULL, and compilers refuse to compare */

ssize_t write(int file, const void *data, size_t size) {
  count_open(file);
  return REAL(write)(file, data, size);
}

int fsync(int file) {
  count_open(file);
  return REAL(fsync)(file);
}

int ftruncate(int file, off_t size) {
  count_open(file);
  return REAL(ftruncate)(file, size);
}

#define PATH(name, parameters, arguments) \
  int name parameters { \
    count(path); \
    return REAL(name) arguments; \
  }
PATH(rename, (const char *path, const char *to), (path, to))
PATH(unlink, (const char *path), (path))
PATH(remove, (const char *path), (path))
PATH(mkdir, (const char *path, mode_t mode), (path, mode))
