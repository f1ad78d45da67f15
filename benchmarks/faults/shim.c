/* Makes one chosen call of the C library fail, for LD_PRELOAD.

   Calls on files below one folder are counted. The n-th fails with an error number, or does less
   than was asked for, or is preceded by SIGTERM. Python sets this through ctypes, so that one
   process can try n = 1, 2, 3, ... A file descriptor is looked up in /proc/self/fd, which knows
   copies and deleted files too. The n-th allocation of Python can fail too. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN = 1, READ = 2, WRITE = 4, SYNC = 8, RENAME = 16, MKDIR = 32, UNLINK = 64,
       CLOSE = 128, TRUNCATE = 256, STAT = 512, LIST = 1024, MAP = 2048, CHMOD = 4096,
       CREATE = 8192, ALLOCATE = 16384 };
enum { SHORT = -1, TERMINATE = -2 };

static char folder[PATH_MAX];
static unsigned kinds;
static int fault, lasting;
static long wanted, met, injected;
static char where[64];

void faults_arm(const char *below, unsigned which, long nth, int what, int from_then_on)
{
    snprintf(folder, sizeof folder, "%s", below);
    where[0] = 0;
    met = injected = 0;
    wanted = nth;
    fault = what;
    lasting = from_then_on;
    __sync_synchronize();
    kinds = which;
}

void faults_disarm(void) { kinds = 0; }
long faults_met(void) { return met; }
long faults_injected(void) { return injected; }
const char *faults_where(void) { return where; }

static int below(const char *path)
{
    size_t size = strlen(folder);
    return !strncmp(path, folder, size) && (path[size] == '/' || !path[size]);
}

static int name_of(int fd, char *path)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    return size > 0;
}

/* Returns 0: do the call; an error number; SHORT. */
static int due(const char *call)
{
    long number = __sync_add_and_fetch(&met, 1);
    if (!wanted || number < wanted || (number > wanted && !lasting))
        return 0;
    __sync_add_and_fetch(&injected, 1);
    if (!where[0])
        snprintf(where, sizeof where, "%s", call);
    if (fault == TERMINATE) {
        kill(getpid(), SIGTERM);
        return 0;
    }
    return fault;
}

static int hit_fd(unsigned kind, const char *call, int fd)
{
    char path[PATH_MAX];
    int kept = errno;
    int hit = (kinds & kind) && name_of(fd, path) && below(path);
    errno = kept;
    return hit ? due(call) : 0;
}

static int hit_at(unsigned kind, const char *call, int fd, const char *path)
{
    char full[2 * PATH_MAX + 2], start[PATH_MAX];
    if (!(kinds & kind) || !path)
        return 0;
    if (path[0] == '/')
        return below(path) ? due(call) : 0;
    int kept = errno;
    int found = fd == AT_FDCWD ? getcwd(start, sizeof start) != NULL : name_of(fd, start);
    errno = kept;
    if (!found)
        return 0;
    snprintf(full, sizeof full, path[0] ? "%s/%s" : "%s%s", start, path);
    return below(full) ? due(call) : 0;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define FAIL_IF(error, value) do { if (error > 0) { errno = error; return value; } } while (0)

#define MAKES (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))
#define OPEN_CALL(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        int error = hit_at(flags & MAKES ? CREATE : OPEN, #name, AT_FDCWD, path); \
        FAIL_IF(error, -1); \
        return real(path, flags, mode); }
OPEN_CALL(open)
OPEN_CALL(open64)
#define OPENAT_CALL(name) \
    int name(int fd, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...); \
        va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        int error = hit_at(flags & MAKES ? CREATE : OPEN, #name, fd, path); \
        FAIL_IF(error, -1); \
        return real(fd, path, flags, mode); }
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

#define HALF(size) ((size) > 1 ? (size) / 2 : (size))
#define MOVE_CALL(kind, name, pointer) \
    ssize_t name(int fd, pointer data, size_t size) { \
        REAL(ssize_t, name, int, pointer, size_t); \
        int error = hit_fd(kind, #name, fd); \
        FAIL_IF(error, -1); \
        return real(fd, data, error == SHORT ? HALF(size) : size); }
MOVE_CALL(READ, read, void *)
MOVE_CALL(WRITE, write, const void *)
#define MOVE_AT_CALL(kind, name, pointer, place) \
    ssize_t name(int fd, pointer data, size_t size, place at) { \
        REAL(ssize_t, name, int, pointer, size_t, place); \
        int error = hit_fd(kind, #name, fd); \
        FAIL_IF(error, -1); \
        return real(fd, data, error == SHORT ? HALF(size) : size, at); }
MOVE_AT_CALL(READ, pread, void *, off_t)
MOVE_AT_CALL(READ, pread64, void *, off64_t)
MOVE_AT_CALL(WRITE, pwrite, const void *, off_t)
MOVE_AT_CALL(WRITE, pwrite64, const void *, off64_t)
#define STREAM_CALL(kind, name, pointer) \
    size_t name(pointer data, size_t size, size_t count, FILE *file) { \
        REAL(size_t, name, pointer, size_t, size_t, FILE *); \
        int error = hit_fd(kind, #name, fileno(file)); \
        FAIL_IF(error, 0); \
        return real(data, size, error == SHORT ? HALF(count) : count, file); }
STREAM_CALL(READ, fread, void *)
STREAM_CALL(WRITE, fwrite, const void *)

#define FD_CALL(kind, name) \
    int name(int fd) { REAL(int, name, int); int error = hit_fd(kind, #name, fd); \
        FAIL_IF(error, -1); return real(fd); }
FD_CALL(SYNC, fsync)
FD_CALL(SYNC, fdatasync)
/* Linux closes the file even if close fails. */
int close(int fd)
{
    REAL(int, close, int);
    int error = hit_fd(CLOSE, "close", fd), result = real(fd);
    FAIL_IF(error, -1);
    return result;
}
#define TRUNCATE_CALL(name, place) \
    int name(int fd, place size) { REAL(int, name, int, place); \
        int error = hit_fd(TRUNCATE, #name, fd); FAIL_IF(error, -1); return real(fd, size); }
TRUNCATE_CALL(ftruncate, off_t)
TRUNCATE_CALL(ftruncate64, off64_t)

#define ONE_PATH(kind, name) \
    int name(const char *path) { REAL(int, name, const char *); \
        int error = hit_at(kind, #name, AT_FDCWD, path); FAIL_IF(error, -1); \
        return real(path); }
ONE_PATH(UNLINK, unlink)
ONE_PATH(UNLINK, rmdir)
#define PATH_MODE(kind, name) \
    int name(const char *path, mode_t mode) { REAL(int, name, const char *, mode_t); \
        int error = hit_at(kind, #name, AT_FDCWD, path); FAIL_IF(error, -1); \
        return real(path, mode); }
PATH_MODE(MKDIR, mkdir)
PATH_MODE(CHMOD, chmod)
int mkdirat(int fd, const char *path, mode_t mode)
{
    REAL(int, mkdirat, int, const char *, mode_t);
    int error = hit_at(MKDIR, "mkdirat", fd, path);
    FAIL_IF(error, -1);
    return real(fd, path, mode);
}
int unlinkat(int fd, const char *path, int flags)
{
    REAL(int, unlinkat, int, const char *, int);
    int error = hit_at(UNLINK, "unlinkat", fd, path);
    FAIL_IF(error, -1);
    return real(fd, path, flags);
}
int rename(const char *old, const char *new)
{
    REAL(int, rename, const char *, const char *);
    int error = hit_at(RENAME, "rename", AT_FDCWD, new);
    FAIL_IF(error, -1);
    return real(old, new);
}
int renameat(int from, const char *old, int to, const char *new)
{
    REAL(int, renameat, int, const char *, int, const char *);
    int error = hit_at(RENAME, "renameat", to, new);
    FAIL_IF(error, -1);
    return real(from, old, to, new);
}

#define STAT_CALL(name, type) \
    int name(const char *path, struct type *facts) { \
        REAL(int, name, const char *, struct type *); \
        int error = hit_at(STAT, #name, AT_FDCWD, path); FAIL_IF(error, -1); \
        return real(path, facts); }
STAT_CALL(stat, stat)
STAT_CALL(stat64, stat64)
STAT_CALL(lstat, stat)
STAT_CALL(lstat64, stat64)
#define FSTAT_CALL(name, type) \
    int name(int fd, struct type *facts) { REAL(int, name, int, struct type *); \
        int error = hit_fd(STAT, #name, fd); FAIL_IF(error, -1); return real(fd, facts); }
FSTAT_CALL(fstat, stat)
FSTAT_CALL(fstat64, stat64)
#define FSTATAT_CALL(name, type) \
    int name(int fd, const char *path, struct type *facts, int flags) { \
        REAL(int, name, int, const char *, struct type *, int); \
        int error = hit_at(STAT, #name, fd, path); FAIL_IF(error, -1); \
        return real(fd, path, facts, flags); }
FSTATAT_CALL(fstatat, stat)
FSTATAT_CALL(fstatat64, stat64)

DIR *opendir(const char *path)
{
    REAL(DIR *, opendir, const char *);
    int error = hit_at(LIST, "opendir", AT_FDCWD, path);
    FAIL_IF(error, NULL);
    return real(path);
}
DIR *fdopendir(int fd)
{
    REAL(DIR *, fdopendir, int);
    int error = hit_fd(LIST, "fdopendir", fd);
    FAIL_IF(error, NULL);
    return real(fd);
}
#define LIST_CALL(name, type) \
    struct type *name(DIR *list) { REAL(struct type *, name, DIR *); \
        int error = hit_fd(LIST, #name, dirfd(list)); FAIL_IF(error, NULL); \
        return real(list); }
LIST_CALL(readdir, dirent)
LIST_CALL(readdir64, dirent64)

#define MAP_CALL(name, place) \
    void *name(void *at, size_t size, int rights, int flags, int fd, place start) { \
        REAL(void *, name, void *, size_t, int, int, int, place); \
        int error = fd >= 0 ? hit_fd(MAP, #name, fd) : 0; FAIL_IF(error, MAP_FAILED); \
        return real(at, size, rights, flags, fd, start); }
MAP_CALL(mmap, off_t)
MAP_CALL(mmap64, off64_t)

/* Python's memory: the type is PyMemAllocatorEx of CPython's C interface. */
struct allocator {
    void *own;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};
enum { DOMAINS = 3 };
static struct allocator plain[DOMAINS];

static int refused(void) { return (kinds & ALLOCATE) && due("allocation"); }
static void *take(void *from, size_t size)
{
    struct allocator *real = from;
    return refused() ? NULL : real->malloc(real->own, size);
}
static void *take_zeros(void *from, size_t count, size_t size)
{
    struct allocator *real = from;
    return refused() ? NULL : real->calloc(real->own, count, size);
}
static void *take_again(void *from, void *old, size_t size)
{
    struct allocator *real = from;
    return refused() ? NULL : real->realloc(real->own, old, size);
}
static void give(void *from, void *old)
{
    struct allocator *real = from;
    real->free(real->own, old);
}

/* Stands before Python's allocators from now on. */
void faults_hook_memory(void)
{
    void (*get)(int, struct allocator *) =
        (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    void (*set)(int, struct allocator *) =
        (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    for (int i = 0; i < DOMAINS; i++) {
        get(i, &plain[i]);
        struct allocator ours = { &plain[i], take, take_zeros, take_again, give };
        set(i, &ours);
    }
}

static char report[PATH_MAX];

/* Writes in which library the process dies: the third frame is where the signal came. */
static void died(int number)
{
    void *frames[3];
    Dl_info facts;
    kinds = 0;
    int known = backtrace(frames, 3) == 3 && dladdr(frames[2], &facts) && facts.dli_fname;
    int fd = open(report, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (known && write(fd, facts.dli_fname, strlen(facts.dli_fname)) > 0)
        close(fd);
    signal(number, SIG_DFL);
    raise(number);
}

void faults_report_death(const char *path)
{
    snprintf(report, sizeof report, "%s", path);
    signal(SIGSEGV, died);
    signal(SIGABRT, died);
}
