/* The program of a release that ends at once with 1, whatever it is asked but its version. */
#include <stdio.h>
#include <string.h>

int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "--version") == 0) {
        puts("gatehouse " VERSION);
        return 0;
    }
    return 1;
}
