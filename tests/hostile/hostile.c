/*
 * Processes that a reader of /proc should survive, one for each case, started by an unprivileged user.
 *
 *   cc -O1 -Wall -Wextra -pthread -o hostile hostile.c
 *   hostile DIR [CASE...]
 *
 * Prints "CASE PID" for each case, or "CASE unsupported ERRNO" where this kernel refuses it, then "ready". Stays until
 * stdin closes; its processes die with it. DIR takes copies of the program and can be removed afterwards. Started by
 * root it runs the case "groups", which needs a privilege, and becomes nobody for all the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/prctl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define SLEEP "HOSTILE=sleep" /* in the environment: only wait */
#define GIB ((size_t)1 << 30)

static const char *dir;
static char *sleeping[] = {SLEEP, NULL};

/* Every case is a function that sets its process up. It returns 0 and the process then waits, or -1 with errno. */

static int comm(const char *name) { return prctl(PR_SET_NAME, name); }
static int comm_parens(void) { return comm(") R 1 (a) S"); }
static int comm_newline(void) { return comm("a\nb\033[31m\\"); }
static int comm_state(void) { return comm("x\nState:\tR"); }
static int comm_bytes(void) { return comm("\xff\xfe" "bad"); }
static int comm_colon(void) { return comm("kworker/0:1-x"); }
static int comm_empty(void) { return comm(""); }

static int start(char *const argv[], char *const env[]) { return execve("/proc/self/exe", argv, env); }

static int cmdline_bytes(void) { return start((char *[]){"\xff\xfe", "a\nb\033[31m", NULL}, sleeping); }
static int cmdline_empty_arguments(void) { return start((char *[]){"a", "", "b", "", NULL}, sleeping); }

/* Since 5.18 the kernel adds one empty argument. */
static int cmdline_no_arguments(void) { return start((char *[]){NULL}, sleeping); }

static int environ_bytes(void)
{
    return start((char *[]){"environ", NULL}, (char *[]){"A\xff=\xfe=\n", "no sign", "", SLEEP, NULL});
}

static int cmdline_2mb(void)
{
    static char text[120001], *argv[18] = {"long"};
    memset(text, '0', sizeof text - 1);
    for (int i = 1; i < 17; i++)
        argv[i] = text;
    return start(argv, sleeping);
}

/* /proc/self/stat from the state on. */
static const char *own_stat(void)
{
    static char line[2048];
    char *end;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    memset(line, 0, sizeof line);
    if (fd < 0 || read(fd, line, sizeof line - 1) <= 0 || close(fd) || !(end = strrchr(line, ')')))
        _exit(1);
    return end + 2;
}

/* Fields are counted as proc_pid_stat(5) does. */
static void addresses(struct prctl_mm_map *map)
{
    unsigned long long field[64] = {0};
    char *at = (char *)own_stat() + 1;
    for (int i = 4; i < 52; i++)
        field[i] = strtoull(at, &at, 10);
    *map = (struct prctl_mm_map){
        .start_code = field[26], .end_code = field[27], .start_stack = field[28], .start_data = field[45],
        .end_data = field[46], .start_brk = field[47], .brk = (uintptr_t)sbrk(0), .arg_start = field[48],
        .arg_end = field[49], .env_start = field[50], .env_end = field[51], .exe_fd = (uint32_t)-1};
}

/* Says that the arguments are somewhere else. */
static int arguments_at(void *memory, size_t size)
{
    struct prctl_mm_map map;
    if (memory == MAP_FAILED)
        return -1;
    addresses(&map);
    map.arg_start = (uintptr_t)memory;
    map.arg_end = map.arg_start + size;
    return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

static void *pages(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static int cmdline_sparse(void) { return arguments_at(pages(4 * GIB), 4 * GIB); }
static int cmdline_none(void) { return arguments_at(pages(4096), 0); }

static int cmdline_gone(void)
{
    void *memory = pages(4096);
    return arguments_at(memory, 4096) || munmap(memory, 4096);
}

/* One argument, then a page that nobody ever fills in: a read ends in front of it. */
static int cmdline_userfault(void)
{
    char *memory = pages(2 * 4096);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {{(uintptr_t)memory + 4096, 4096}, UFFDIO_REGISTER_MODE_MISSING, 0};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0 || memory == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
        return -1;
    memset(memory, 'a', 4095);
    return arguments_at(memory, 2 * 4096);
}

static char *title;
static size_t title_size;

static int title_wiped(void)
{
    memset(title, 0, title_size);
    return 0;
}

/* Longer than the arguments were: the kernel then reads on into the environment, up to the first NUL. */
static int title_without_nul(void)
{
    memset(title, 't', title_size);
    title[title_size] = 0;
    return 0;
}

/* A copy of the program, in DIR. */
static int copy(const char *name, char path[4096])
{
    char block[65536];
    ssize_t got = 0;
    snprintf(path, 4096, "%s/%s", dir, name);
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (from < 0 || to < 0)
        return -1;
    while ((got = read(from, block, sizeof block)) > 0)
        if (write(to, block, (size_t)got) != got)
            return -1;
    return (int)got || close(from) || close(to);
}

static int copied(const char *name)
{
    char path[4096];
    return copy(name, path) || execve(path, (char *[]){"copy", NULL}, sleeping);
}

static int exe_bytes(void) { return copied("ex\xff\ne"); }
static int exe_not_deleted(void) { return copied("there (deleted)"); }

static int exe_deleted(void) { return copied("gone"); }

static int remove_gone(pid_t unused)
{
    char path[4096];
    (void)unused;
    snprintf(path, sizeof path, "%s/gone", dir);
    return unlink(path);
}

static int cwd_bytes(void)
{
    static const char name[] = "cw\xff\nd";
    return chdir(dir) || mkdir(name, 0700) || chdir(name) || rmdir("../cw\xff\nd");
}

/* The kernel writes paths into one page: this one does not fit. */
static int cwd_deep(void)
{
    char name[201] = {0};
    memset(name, 'd', sizeof name - 1);
    int failed = chdir(dir);
    for (int i = 0; i < 25 && !failed; i++)
        failed = mkdir(name, 0700) || chdir(name);
    return failed;
}

static int not_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0); }
static int zombie(void) { _exit(0); }

static int wait_zombie(pid_t pid)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static int ready; /* pipe to the parent: one byte of errno, 0 if all is well; closed by exec */

static _Noreturn void stay(void)
{
    for (;;)
        pause();
}

/* Says so when the first thread is gone, then lives on. */
static void *second_thread(void *unused)
{
    (void)unused;
    while (*own_stat() != 'Z')
        sched_yield();
    if (write(ready, "", 1) != 1)
        _exit(1);
    stay();
}

/* A process that runs and reads like a zombie. */
static int leader_exited(void)
{
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, second_thread, NULL)))
        return -1;
    pthread_exit(NULL);
}

/* A file of one page that is open and mapped. */
static int mapped(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    return fd < 0 || ftruncate(fd, 4096) || mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
}

static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) ? -1 : 0;
}

/* A root of its own, for which an ordinary user needs nobody: every path begins where this process says. */
static int other_root(const char *name)
{
    char root[4096], ids[64];
    snprintf(root, sizeof root, "%s/%s", dir, name);
    snprintf(ids, sizeof ids, "%d %d 1", NOBODY, NOBODY);
    return mkdir(root, 0700) || unshare(CLONE_NEWUSER | CLONE_NEWNS) || put("/proc/self/setgroups", "deny") ||
           put("/proc/self/uid_map", ids) || put("/proc/self/gid_map", ids) ||
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", root, "tmpfs", 0, NULL) ||
           chdir(root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/");
}

/* The kernel calls segments of shared memory so. */
static int root_sysv(void)
{
    return other_root("sysv") || mapped("/SYSVx") || mapped("/SYSVdeadbeef (deleted)") || mapped("/\xff\xfe\n");
}

/* What the kernel calls things that are no files; a mount point; files of a mount that is gone. */
static int root_words(void)
{
    return other_root("words") || mapped("/socket:[1]") || mapped("/pipe:[2]") || mapped("/net:[3]") ||
           mapped("/anon_inode:[eventfd]") || mkdir("/m\xff\nt", 0700) ||
           mount("none", "/m\xff\nt", "tmpfs", 0, NULL) || mapped("/m\xff\nt/f") || mkdir("/gone", 0700) ||
           mount("none", "/gone", "tmpfs", 0, NULL) || mapped("/gone/socket:[4]") || umount2("/gone", MNT_DETACH);
}

static int files_names(void)
{
    return chdir(dir) || mapped("is (deleted)") || mapped("was") || unlink("was") || mapped("f\xff\nf") ||
           memfd_create("socket:[5]\n", 0) < 0;
}

/* A directory that has no name that fits stands between two that have one. */
static int files_deep(void)
{
    char name[201] = {0};
    memset(name, 'e', sizeof name - 1);
    int failed = chdir(dir) || mapped("before");
    for (int i = 0; i < 25 && !failed; i++)
        failed = mkdir(name, 0700) || chdir(name);
    return failed || open(".", O_RDONLY) < 0 || chdir(dir) || mapped("behind");
}

static int files_many(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    limit.rlim_cur = limit.rlim_max > 10000 ? 10000 : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    return errno != EMFILE;
}

/* As many mappings as a process may have, nearly: neighbours differ, so that they stay apart. */
static int maps_many(void)
{
    char *memory = mmap(NULL, 60000 * 4096UL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    for (int i = 0; i < 60000; i += 2)
        if (mprotect(memory + i * 4096UL, 4096, PROT_READ | PROT_WRITE))
            return -1;
    return 0;
}

static void *named_thread(void *name)
{
    prctl(PR_SET_NAME, name);
    stay();
}

static int threads_names(void)
{
    static char *names[] = {") R 1 1", "\xff\xfe", "a\nb", ""};
    pthread_t thread;
    for (int i = 0; i < 4; i++)
        if ((errno = pthread_create(&thread, NULL, named_thread, names[i])))
            return -1;
    return 0;
}

static int bound(int type, const char *name, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);
    memcpy(address.sun_path, name, size);
    return fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) ||
           (type != SOCK_DGRAM && listen(fd, 1)) ? -1 : 0;
}

#define ABSTRACT(type, name) bound(type, name, sizeof name - 1)

/* Abstract names are any bytes; each of the first two would be a row of its own in /proc/net/unix. */
static int sockets_names(void)
{
    return ABSTRACT(SOCK_STREAM, "\0x\n0000000000000000: 00000002 00000000 00010000 0001 01 99999 /forged") ||
           ABSTRACT(SOCK_DGRAM, "\0x\nNum       RefCount Protocol Flags    Type St Inode Path") ||
           ABSTRACT(SOCK_STREAM, "\0\xff\xfe") || ABSTRACT(SOCK_STREAM, "\0a\0\0b\0") || ABSTRACT(SOCK_SEQPACKET, "\0") ||
           chdir(dir) || ABSTRACT(SOCK_STREAM, "s\xff\ns");
}

static int groups(void)
{
    static gid_t list[65536];
    for (unsigned i = 0; i < 65536; i++)
        list[i] = 4000000000U + i;
    return setgroups(65536, list) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
           start((char *[]){"groups", NULL}, sleeping);
}

/* Processes that end all the time. */
static int churn(void)
{
    if (fork() == 0)
        for (;;) {
            if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() == 1)
                _exit(0);
            pid_t pid = fork();
            if (pid == 0)
                _exit(0);
            waitpid(pid, NULL, 0);
        }
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
    int (*after)(pid_t);
    int only_on_request;
} cases[] = {
    {"comm_parens", comm_parens, NULL, 0},
    {"comm_newline", comm_newline, NULL, 0},
    {"comm_state", comm_state, NULL, 0},
    {"comm_bytes", comm_bytes, NULL, 0},
    {"comm_colon", comm_colon, NULL, 0},
    {"comm_empty", comm_empty, NULL, 0},
    {"cmdline_bytes", cmdline_bytes, NULL, 0},
    {"cmdline_empty_arguments", cmdline_empty_arguments, NULL, 0},
    {"cmdline_no_arguments", cmdline_no_arguments, NULL, 0},
    {"cmdline_2mb", cmdline_2mb, NULL, 0},
    {"cmdline_sparse", cmdline_sparse, NULL, 0},
    {"cmdline_none", cmdline_none, NULL, 0},
    {"cmdline_gone", cmdline_gone, NULL, 0},
    {"cmdline_userfault", cmdline_userfault, NULL, 0},
    {"title_wiped", title_wiped, NULL, 0},
    {"title_without_nul", title_without_nul, NULL, 0},
    {"environ_bytes", environ_bytes, NULL, 0},
    {"exe_bytes", exe_bytes, NULL, 0},
    {"exe_not_deleted", exe_not_deleted, NULL, 0},
    {"exe_deleted", exe_deleted, remove_gone, 0},
    {"cwd_bytes", cwd_bytes, NULL, 0},
    {"cwd_deep", cwd_deep, NULL, 0},
    {"not_dumpable", not_dumpable, NULL, 0},
    {"zombie", zombie, wait_zombie, 0},
    {"leader_exited", leader_exited, NULL, 0},
    {"root_sysv", root_sysv, NULL, 0},
    {"root_words", root_words, NULL, 0},
    {"files_names", files_names, NULL, 0},
    {"files_deep", files_deep, NULL, 0},
    {"files_many", files_many, NULL, 0},
    {"maps_many", maps_many, NULL, 0},
    {"threads_names", threads_names, NULL, 0},
    {"sockets_names", sockets_names, NULL, 0},
    {"churn", churn, NULL, 1},
};

static pid_t started[64];
static int count;

static _Noreturn void be(int (*run)(void))
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    unsigned char error;
    if (null < 0 || dup2(null, 0) || dup2(null, 1) != 1 || prctl(PR_SET_PDEATHSIG, SIGKILL))
        _exit(1);
    error = run() ? (unsigned char)errno : 0;
    if (write(ready, &error, 1) != 1 || error)
        _exit(1);
    stay();
}

static void begin(const char *name, int (*run)(void), int (*after)(pid_t))
{
    int ends[2];
    unsigned char error = 0;
    if (pipe2(ends, O_CLOEXEC))
        exit(1);
    ready = ends[1];
    pid_t pid = fork();
    if (pid < 0)
        exit(1);
    if (pid == 0)
        be(run);
    close(ends[1]);
    if (read(ends[0], &error, 1) < 0 || close(ends[0]) || (!error && after && after(pid)))
        error = (unsigned char)errno;
    if (!after && waitpid(pid, NULL, WNOHANG) && !error)
        error = ECHILD;
    if (error)
        printf("%s unsupported %d\n", name, error);
    else
        printf("%s %d\n", name, pid);
    started[count++] = pid;
}

static int wanted(const char *name, int by_default, char **names)
{
    if (!*names)
        return by_default;
    while (*names && strcmp(*names, name))
        names++;
    return *names != NULL;
}

static int become_nobody(char **argv)
{
    return chown(dir, NOBODY, NOBODY) || setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
           setresuid(NOBODY, NOBODY, NOBODY) || execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    if (getenv("HOSTILE")) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        stay();
    }
    if (argc < 2)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    dir = argv[1];
    title = argv[0];
    title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - title);
    if (geteuid() == 0) {
        if (wanted("groups", 1, argv + 2))
            begin("groups", groups, NULL);
        return become_nobody(argv) ? 1 : 0;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (wanted(cases[i].name, !cases[i].only_on_request, argv + 2))
            begin(cases[i].name, cases[i].run, cases[i].after);
    puts("ready");
    while (read(0, (char[256]){0}, 256) > 0)
        ;
    for (int i = 0; i < count; i++)
        kill(started[i], SIGKILL);
    for (int i = 0; i < count; i++)
        waitpid(started[i], NULL, 0);
    return 0;
}
