/* hello: a CGI script that costs as little as a program can: linked statically, it says one line and ends. */
#include <unistd.h>

int main(void) {
    static const char answer[] = "20 text/plain\r\nhello\n";
    return write(STDOUT_FILENO, answer, sizeof answer - 1) != sizeof answer - 1;
}
