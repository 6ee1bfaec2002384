/* The daemon asks how many processors it may use once it has read its configuration and counted its start, before it opens
 * anything. Here nobody ever answers. */
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

int sched_getaffinity(pid_t process, size_t size, cpu_set_t *processors) {
    (void)process, (void)size, (void)processors;
    for (;;)
        pause();
}
