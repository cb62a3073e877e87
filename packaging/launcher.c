/* The beginning of the executable: a static program that needs nothing, in front of one that PyInstaller made.

   1. It takes the program behind itself (the file's last 8 bytes say its size, little-endian) into a new folder in the
      first of $TMPDIR, /tmp, /var/tmp, /dev/shm and the executable's own folder whose files may be executed. The program
      unpacks its libraries there, too, since it gets that folder as its TMPDIR.
   2. It waits for the program, passes signals on to it, removes the folder, and ends as the program has ended.
   3. Its own errors are one line on stderr and the exit code 8 (the host), as of the program's errors. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_ERROR 8
#define OPEN_FOLDERS 16

static char folder[PATH_MAX]; /* ours, once it is made */
static volatile pid_t child;

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *level) {
    (void)status, (void)kind, (void)level;
    return remove(path);
}

static void clean(void) {
    if (folder[0] && geteuid() == getuid())
        nftw(folder, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void fail(const char *what, const char *why) {
    clean();
    fprintf(stderr, "airpatch: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    exit(HOST_ERROR);
}

/* Whether the C library of this host is older than GLIBC, with which the interpreter was built; "" if that is unknown. */
static const char *older_glibc(void) {
    static const char *places[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib64/libc.so.6",
                                   "/usr/lib/libc.so.6", "/lib/libc.so.6"};
    static const char mark[] = "stable release version ";
    static char found[16];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct stat status;
        int fd = open(places[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        void *content = MAP_FAILED;
        if (fstat(fd, &status) == 0)
            content = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        if (content == MAP_FAILED)
            continue;
        const char *at = memmem(content, status.st_size, mark, sizeof mark - 1);
        int major = 0, minor = 0, needed_major = 0, needed_minor = 0;
        int known = at && sscanf(at + sizeof mark - 1, "%d.%d", &major, &minor) == 2;
        munmap(content, status.st_size);
        sscanf(GLIBC, "%d.%d", &needed_major, &needed_minor);
        if (!known || major > needed_major || (major == needed_major && minor >= needed_minor))
            return NULL;
        snprintf(found, sizeof found, "%d.%d", major, minor);
        return found;
    }
    return "";
}

/* Whether files in `place` may be mapped for execution, as libraries are: a mount option or a policy may forbid it. */
static int permits_execution(const char *place) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/airpatch-XXXXXX", place) >= (int)sizeof path)
        return 0;
    int fd = mkstemp(path);
    if (fd < 0)
        return 0;
    unlink(path);
    void *page = MAP_FAILED;
    if (ftruncate(fd, 1) == 0)
        page = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return 0;
    munmap(page, 1);
    return 1;
}

/* Make `folder` in `place` and put the program there, `size` bytes from `start` on. Returns whether that was possible. */
static int unpack(int self, off_t start, off_t size, const char *place, char *program) {
    if (!place || place[0] != '/' || !permits_execution(place))
        return 0;
    if (snprintf(folder, sizeof folder, "%s/airpatch-XXXXXX", place) >= (int)sizeof folder - 16 || !mkdtemp(folder)) {
        folder[0] = 0;
        return 0;
    }
    snprintf(program, PATH_MAX, "%s/airpatch", folder);
    int fd = open(program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    off_t end = start + size;
    while (fd >= 0 && start < end && sendfile(fd, self, &start, end - start) > 0)
        ;
    if (fd >= 0 && close(fd) == 0 && start == end)
        return 1;
    clean(); /* a full disk: the next place may have room */
    folder[0] = 0;
    return 0;
}

static void pass_on(int number) {
    if (child > 0)
        kill(child, number);
}

int main(int count, char **words) {
    (void)count;
    char own[PATH_MAX], program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length < 0)
        fail("/proc is not mounted, and it is needed", NULL);
    own[length] = 0;
    const char *glibc = older_glibc();
    if (glibc && *glibc)
        fail("needs glibc " GLIBC " or newer, and this host has", glibc);
    if (glibc)
        fail("needs glibc " GLIBC " or newer, and this host has none", NULL);

    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint64_t size = 0;
    if (self < 0 || fstat(self, &status) || pread(self, &size, sizeof size, status.st_size - sizeof size) != sizeof size ||
        size == 0 || size >= (uint64_t)status.st_size)
        fail(own, "is cut short; copy it again");
    off_t start = status.st_size - sizeof size - size;

    char *slash = strrchr(own, '/');
    char beside[PATH_MAX];
    snprintf(beside, sizeof beside, "%.*s", slash > own ? (int)(slash - own) : 1, own);
    const char *places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", beside};
    int unpacked = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places && !unpacked; i++)
        unpacked = unpack(self, start, size, places[i], program);
    if (!unpacked)
        fail("none of $TMPDIR, /tmp, /var/tmp, /dev/shm and its own folder can be written, has room and permits execution; "
             "set TMPDIR to a folder that does",
             NULL);

    /* Signals for the program are held until there is one; it gets them as it would without a launcher. */
    int passed[] = {SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t held, before;
    sigfillset(&held);
    sigprocmask(SIG_SETMASK, &held, &before);
    pid_t parent = getpid();
    child = fork();
    if (child < 0)
        fail("cannot start a process", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* ends by itself, and tidily, if this process is killed */
        if (getppid() != parent)
            _exit(HOST_ERROR);
        sigprocmask(SIG_SETMASK, &before, NULL);
        setenv("TMPDIR", folder, 1);
        setenv("AIRPATCH_EXECUTABLE", own, 1);
        execv(program, words);
        fprintf(stderr, "airpatch: %s: %s\n", program, strerror(errno));
        _exit(HOST_ERROR);
    }
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        if (signal(passed[i], pass_on) == SIG_IGN)
            signal(passed[i], SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the program itself */
    sigprocmask(SIG_SETMASK, &before, NULL);

    int result;
    while (waitpid(child, &result, 0) < 0 && errno == EINTR)
        ;
    clean();
    return WIFSIGNALED(result) ? 128 + WTERMSIG(result) : WEXITSTATUS(result);
}
