/*
 * One pid, two processes, without privilege: in a pid namespace of its own a process may choose the next pid.
 *
 *   cc -O1 -Wall -Wextra -o pidreuse pidreuse.c
 *   pidreuse
 *
 * Prints "namespace INIT", where INIT is the pid of the namespace's first process as the caller sees it, and
 * "first PID", a process inside. At every line on stdin that process is killed and reaped and another one gets its
 * pid: "next PID". A reader joins by `nsenter --target INIT --user --pid --mount --preserve-credentials`: the
 * namespaces have a /proc of their own. All ends with stdin.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The last pid that was given out: needs CAP_CHECKPOINT_RESTORE in the user namespace of the pid namespace. */
#define LAST_PID "/proc/sys/kernel/ns_last_pid"

static void check(int failed, const char *what)
{
    if (failed) {
        perror(what);
        exit(1);
    }
}

static void put(const char *path, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd < 0 || write(fd, text, (size_t)length) != length || close(fd), path);
}

/* A process with that pid, if it is free. Others that start later get pids far below. */
static pid_t sleeper(pid_t wanted)
{
    put(LAST_PID, "%d", wanted - 1);
    pid_t pid = fork();
    check(pid < 0, "fork");
    while (pid == 0)
        pause();
    put(LAST_PID, "%d", 1000);
    return pid;
}

static void serve(void)
{
    char line[64];
    check(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount /proc");
    pid_t pid = sleeper(20000);
    printf("first %d\n", pid);
    while (fgets(line, sizeof line, stdin)) {
        /* Start times count in ticks of 10 ms: two processes of one tick could not be told apart. */
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        check(kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid, "kill");
        check(sleeper(pid) != pid, "the pid was taken");
        printf("next %d\n", pid);
    }
}

int main(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    check(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS), "unshare");
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", "%d %d 1", uid, uid);
    put("/proc/self/gid_map", "%d %d 1", gid, gid);
    check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount /");
    int pipes[2];
    check(pipe2(pipes, O_CLOEXEC), "pipe");
    pid_t init = fork();
    check(init < 0, "fork");
    if (init == 0) {
        char byte;
        check(prctl(PR_SET_PDEATHSIG, SIGKILL) || read(pipes[0], &byte, 1) != 1, "start");
        serve();
        return 0;
    }
    printf("namespace %d\n", init);
    check(write(pipes[1], "", 1) != 1, "start");
    int status = 1;
    check(waitpid(init, &status, 0) != init, "wait");
    return status != 0;
}
