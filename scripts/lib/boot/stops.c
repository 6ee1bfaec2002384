/* The program of a release that hangs at once, whatever it is asked: before it has read anything, so that it counts no start. */
#include <unistd.h>

int main(void) {
    for (;;)
        pause();
}
