/*
 * Processes that come and go so fast that their pids are used again at once, each with a marker that no other has.
 *
 *   cc -O1 -Wall -Wextra -o storm storm.c
 *   storm WORKERS
 *
 * Every process has the marker, eight hexadecimal digits, as its name, as its argument and as the name of two pieces of memory that it
 * has open. It begins with dots in their place and changes each in one store, so that a reader never sees half of one. All ends with
 * stdin.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NONE "........"

static uint32_t number; /* the next marker: the worker in the upper bits */
static uint64_t *place; /* of the marker in the arguments */

static void be(void)
{
    char text[9];
    uint64_t word;
    snprintf(text, sizeof text, "%08x", number);
    memcpy(&word, text, sizeof word);
    *(volatile uint64_t *)place = word;
    if (prctl(PR_SET_NAME, text) || memfd_create(text, 0) < 0 || memfd_create(text, 0) < 0)
        _exit(1);
    nanosleep(&(struct timespec){.tv_nsec = (long)(number * 2654435761U % 4000000)}, NULL);
    _exit(0);
}

/* Two at a time, so that one is there while the other begins. */
static _Noreturn void work(unsigned worker)
{
    int alive = 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        _exit(1);
    for (number = worker << 24;;) {
        number++;
        pid_t pid = fork();
        if (pid == 0)
            be();
        alive += pid > 0;
        if (pid < 0 || alive > 1)
            alive -= waitpid(-1, NULL, 0) > 0;
    }
}

int main(int argc, char **argv)
{
    /* Room for the marker at a multiple of eight, whatever the arguments begin at. */
    static char room[] = NONE NONE NONE;
    if (argc != 2)
        return 2;
    if (!getenv("STORM")) {
        setenv("STORM", argv[1], 1);
        execv("/proc/self/exe", (char *[]){"storm", room, NULL});
        return 1;
    }
    place = (uint64_t *)(((uintptr_t)argv[1] + 7) & ~(uintptr_t)7);
    /* A reader takes the eight bytes between two NULs. */
    ((char *)place)[-1] = 0;
    ((char *)place)[8] = 0;
    prctl(PR_SET_NAME, NONE);
    for (int i = 1; i <= atoi(getenv("STORM")); i++)
        if (fork() == 0)
            work((unsigned)i);
    while (read(0, (char[256]){0}, 256) > 0)
        ;
    return 0;
}
