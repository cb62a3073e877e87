/* The beginning of the executable: a static program that needs nothing, in front of a folder that PyInstaller made.

   1. It unpacks the folder that lies behind itself into a new one in the first of $TMPDIR, /tmp, /var/tmp, /dev/shm and
      the executable's own folder whose files may be executed.
   2. It starts the program there with the C library from there, whose dynamic linker it calls by name: the host's may be
      older, or another one, or none. (PyInstaller's own single file needs that of the host before it unpacks anything,
      and takes twice as long to start.) glibc stays a library of its own, as its licence, the LGPL, asks.
   3. It waits for the program, passes on to it the signals that other processes send to this one (those of a terminal
      reach the program by themselves), removes the folder, and ends as the program has ended.
   4. Its own errors are one line on stderr and the exit code 8 (the host), as of the program's errors.

   The folder is one zstd frame and 16 bytes behind it, the sizes of the frame and of its content, little-endian. The
   content is the files one after the other, each after an `entry` and its name; that of a symbolic link is its target. */

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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#define HOST_ERROR 8
#define OPEN_FOLDERS 16
#define PROGRAM "airpatch"
#define LIBRARIES "_internal"
#ifdef __aarch64__
#define LINKER LIBRARIES "/ld-linux-aarch64.so.1"
#else
#define LINKER LIBRARIES "/ld-linux-x86-64.so.2"
#endif

struct entry {
    uint32_t mode, name_size;
    uint64_t size;
};

static char folder[PATH_MAX - NAME_MAX]; /* ours, once it is made */
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

/* The content of the frame at the end of the file `self`, and its size; NULL if the file is not whole. */
static char *content_of(int self, uint64_t *size) {
    struct stat status;
    uint64_t sizes[2];
    if (self < 0 || fstat(self, &status) || status.st_size < (off_t)sizeof sizes ||
        pread(self, sizes, sizeof sizes, status.st_size - sizeof sizes) != sizeof sizes)
        return NULL;
    if (sizes[0] == 0 || sizes[0] >= (uint64_t)status.st_size - sizeof sizes)
        return NULL;
    char *file = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, self, 0);
    char *content = mmap(NULL, sizes[1], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file == MAP_FAILED || content == MAP_FAILED)
        fail("there is not enough memory to unpack it", NULL);
    *size = ZSTD_decompress(content, sizes[1], file + status.st_size - sizeof sizes - sizes[0], sizes[0]);
    munmap(file, status.st_size);
    return *size == sizes[1] ? content : NULL;
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

/* Make the folders above `path`, which lies in `folder`. */
static void make_parents(char *path) {
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* Write one file or link. Returns whether that was possible. */
static int write_entry(const struct entry *entry, const char *name, const char *content) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%.*s", folder, (int)entry->name_size, name);
    make_parents(path);
    if (S_ISLNK(entry->mode)) {
        char target[PATH_MAX];
        snprintf(target, sizeof target, "%.*s", (int)entry->size, content);
        return symlink(target, path) == 0;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, entry->mode & 0700);
    uint64_t written = 0;
    while (fd >= 0 && written < entry->size) {
        ssize_t now = write(fd, content + written, entry->size - written);
        if (now <= 0)
            break;
        written += now;
    }
    return fd >= 0 && close(fd) == 0 && written == entry->size;
}

/* Make `folder` in `place` and write the files there. Returns whether that was possible. */
static int unpack(const char *content, uint64_t size, const char *place) {
    if (!place || place[0] != '/' || !permits_execution(place))
        return 0;
    if (snprintf(folder, sizeof folder, "%s/airpatch-XXXXXX", place) >= (int)sizeof folder || !mkdtemp(folder)) {
        folder[0] = 0;
        return 0;
    }
    uint64_t at = 0;
    while (at < size) {
        struct entry entry;
        memcpy(&entry, content + at, sizeof entry);
        const char *name = content + at + sizeof entry;
        if (!write_entry(&entry, name, name + entry.name_size)) {
            clean(); /* a full disk: the next place may have room */
            folder[0] = 0;
            return 0;
        }
        at += sizeof entry + entry.name_size + entry.size;
    }
    return 1;
}

/* Become the program, with `words` in place of its name. */
static void start(char *own, char **words, int count) {
    char program[PATH_MAX], libraries[PATH_MAX], linker[PATH_MAX];
    snprintf(program, sizeof program, "%s/" PROGRAM, folder);
    snprintf(libraries, sizeof libraries, "%s/" LIBRARIES, folder);
    snprintf(linker, sizeof linker, "%s/" LINKER, folder);
    char **all = calloc(count + 4, sizeof *all);
    if (all) {
        char *first[] = {linker, "--library-path", libraries, program};
        memcpy(all, first, sizeof first);
        memcpy(all + 4, words + 1, count * sizeof *all); /* and the NULL behind them */
        setenv("AIRPATCH_EXECUTABLE", own, 1);
        execv(linker, all);
    }
    fprintf(stderr, "airpatch: %s: %s\n", program, strerror(errno));
    _exit(HOST_ERROR);
}

static void pass_on(int number, siginfo_t *from, void *context) {
    (void)context;
    if (child > 0 && from->si_code <= 0) /* and not by the kernel, as of Ctrl-C, which reaches the program itself */
        kill(child, number);
}

int main(int count, char **words) {
    char own[PATH_MAX], beside[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length < 0)
        fail("/proc is not mounted, and it is needed", NULL);
    own[length] = 0;
    if (count < 1)
        fail("it was started without a name", NULL);

    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    uint64_t size = 0;
    char *content = content_of(self, &size);
    if (!content)
        fail(own, "is cut short or damaged; copy it again");

    char *slash = strrchr(own, '/');
    snprintf(beside, sizeof beside, "%.*s", slash > own ? (int)(slash - own) : 1, own);
    const char *places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", beside};
    int unpacked = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places && !unpacked; i++)
        unpacked = unpack(content, size, places[i]);
    if (!unpacked)
        fail("none of $TMPDIR, /tmp, /var/tmp, /dev/shm and its own folder can be written, has room and permits execution; "
             "set TMPDIR to a folder that does",
             NULL);
    munmap(content, size);

    /* Signals for the program are held until there is one; it gets them as it would without a launcher. */
    int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
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
        start(own, words, count);
    }
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART}, earlier;
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        if (sigaction(passed[i], &action, &earlier) == 0 && earlier.sa_handler == SIG_IGN)
            signal(passed[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &before, NULL);

    int result;
    while (waitpid(child, &result, 0) < 0 && errno == EINTR)
        ;
    clean();
    return WIFSIGNALED(result) ? 128 + WTERMSIG(result) : WEXITSTATUS(result);
}
