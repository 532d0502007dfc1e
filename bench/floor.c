/* floor: the least that a C program can do to serve a file over Gemini, with the system's OpenSSL.
 *
 *   floor [-w WORKERS] [-t] PORT CERT.pem KEY.pem DIRECTORY
 *   floor -V      prints OpenSSL's version
 *
 * Each of the pre-forked workers, for ever: accept, handshake, read what is hoped to be the whole request line, open
 * the file of DIRECTORY that its last segment names, send header and content, close_notify, close. No limits, no
 * deadlines, no checks, no log: it stands for the lower bound of what one request costs, and is fit for nothing else.
 *
 * Like gemd it gives no session tickets. Everything else is as OpenSSL has it, unless -t adds gemd's other settings:
 * AES-128 first, no building of the certificate's chain at each handshake, a client certificate asked for. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, BACKLOG = 1024 };

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, errno ? strerror(errno) : "see below");
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int listen_on(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, BACKLOG)) die("bind");
    return fd;
}

static int accept_any(int ok, X509_STORE_CTX *store) {
    (void)ok, (void)store;
    return 1;
}

static SSL_CTX *build_context(const char *certificate, const char *key, bool tuned) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    if (tuned) {
        SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, accept_any);
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384");
    }
    errno = 0;
    if (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1) die(certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) die(key);
    return context;
}

static void answer(SSL *ssl) {
    static char request[2048], block[BLOCK];
    int n = SSL_accept(ssl) == 1 ? SSL_read(ssl, request, sizeof request - 1) : 0;
    if (n <= 0) return;
    request[strcspn(request, "\r\n")] = 0;
    char *slash = strrchr(request, '/');
    int file = open(slash ? slash + 1 : "", O_RDONLY);
    if (file < 0) return;
    int used = sprintf(block, "20 text/gemini\r\n");
    for (ssize_t got; (got = read(file, block + used, BLOCK - used)) > 0; used = 0)
        if (SSL_write(ssl, block, used + got) <= 0) break;
    close(file);
    SSL_shutdown(ssl);
}

static void serve(int listener, SSL_CTX *context) {
    for (int on = 1;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, client);
        answer(ssl);
        ERR_clear_error();
        SSL_free(ssl);
        close(client);
    }
}

int main(int argc, char **argv) {
    int workers = 2;
    bool tuned = false;
    for (int option; (option = getopt(argc, argv, "w:tV")) != -1;) {
        if (option == 'w') workers = atoi(optarg);
        else if (option == 't') tuned = true;
        else if (option == 'V') return puts(OpenSSL_version(OPENSSL_VERSION)) < 0;
        else return 2;
    }
    if (argc - optind != 4) {
        fprintf(stderr, "usage: floor [-w WORKERS] [-t] PORT CERT.pem KEY.pem DIRECTORY\n");
        return 2;
    }
    argv += optind;
    SSL_CTX *context = build_context(argv[1], argv[2], tuned);
    int listener = listen_on(atoi(argv[0]));
    if (chdir(argv[3])) die(argv[3]);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < workers; i++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, context);
    }
    while (wait(NULL) > 0) continue;
}
