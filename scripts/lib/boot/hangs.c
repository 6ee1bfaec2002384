/* The program of a release that hangs at its start: the real one, with something between it and the C library (hang.c). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "run") == 0)
        setenv("LD_PRELOAD", "/usr/lib/gatehouse/hang.so", 1);
    execv("/usr/lib/gatehouse/the-program", words);
    return 127;
}
