/* hostile: clients that mean no good, for a server of one's own on loopback.
 *
 * One thread keeps CONNS connections from COUNT addresses open, has each do what the attack says, and opens another in
 * the place of one that ended. It says "ready" on a line once all of them are in place for the first time, and at the
 * end one line of JSON tells what came of it and what it cost. "hostile -h" explains the options. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_REQUEST = 1024,
    MAX_EVENTS = 256,
    UPDATES = 500,         /* KeyUpdate messages that are made at a time */
    DRIBBLE_STEPS = 10,    /* of 10 ms, from one byte of a connection to its next */
    UNREAD_BUFFER = 4096,  /* of a reader that does not read, so that what it is sent waits with the server */
    UNREAD_SEGMENT = 1400, /* as on a network: with loopback's 64 KB the kernel would take 3 MB from the server */
};
static const double STEP = 0.01, RETRY = 0.05; /* seconds */

/* What is done, in the order of `names`. */
enum attack { HALF_OPEN, HALF_HELLO, HELLO, HANDSHAKE, IDLE, HOLD, ASK, UNREAD, DRIBBLE, KEYUPDATE, ATTACKS };
static const char *const names[ATTACKS] = {
    "half-open", "half-hello", "hello", "handshake", "idle", "hold", "ask", "unread", "dribble", "keyupdate",
};

/* OPENING until it is where the attack wants it, then SETTLED; the others of the CONNS have no socket. */
enum state { CLOSED, OPENING, HANDSHAKING, SETTLED };

struct client {
    int fd, number;
    enum state state;
    SSL *ssl; /* over memory, so that this program counts and holds back what is sent; NULL where none is needed */
    BIO *in, *out;
    size_t dribbled;
    bool has_header;
};

static struct {
    enum attack attack;
    const char *path, *certificate, *key;
    struct in_addr first;
    int port, connections, addresses, opening;
    double seconds, withheld; /* of `hold`: the part of the client's last flight that is not sent; 0 is a byte */
} options = {.connections = 100, .addresses = 4, .opening = 128, .seconds = 8, .path = "/"};

static struct {
    long opened, closed, failed, handshakes, answers, refusals;
    long long bytes;
} counts;

static SSL_CTX *context;
static struct sockaddr_in server;
static char request[MAX_REQUEST + 2];
static int request_length;
static unsigned char hello[4096];
static int hello_length;
static struct client *clients;
static int *closed, closed_count; /* numbers of those that have no socket */
static int opening, settled, poller;
static double retry_at;
static volatile sig_atomic_t is_over;
static unsigned char buffer[65536];

static const char help[] =
    "usage: hostile [-c CONNS] [-d SECONDS] [-a ADDRESS] [-n COUNT] [-o OPENING] [-w PART] [-k CERT.pem -K KEY.pem]\n"
    "               ATTACK PORT [PATH]\n"
    "\n"
    "Attack the Gemini server on 127.0.0.1:PORT, and print what came of it as a line of JSON. ATTACK is one of\n"
    "\n"
    "  half-open     every other connection sends half a ClientHello, the others nothing\n"
    "  half-hello    half a ClientHello from each\n"
    "  hello         a whole ClientHello, the same each time; leave at the answer\n"
    "  handshake     a whole handshake; leave without a request\n"
    "  idle          a whole handshake, and nothing more\n"
    "  hold          a handshake, but for the end of it, which never comes\n"
    "  ask           ask for PATH, and read the answer to its end\n"
    "  unread        ask for PATH, and read nothing\n"
    "  dribble       a request of a byte each 0.1 s, each in a record of its own\n"
    "  keyupdate     KeyUpdate messages without end in the place of a request\n"
    "\n"
    "  -c CONNS      connections at a time (100)\n"
    "  -d SECONDS    go on for so long (8); SIGTERM ends it sooner\n"
    "  -a ADDRESS    the first of the IPv4 addresses to come from (127.0.0.2)\n"
    "  -n COUNT      how many addresses there are from it on (4)\n"
    "  -o OPENING    how many connections may be on their way to their place at a time (128)\n"
    "  -w PART       of hold: which part of the last flight is held back (0: its last byte)\n"
    "  -k CERT.pem   present this client certificate, with its chain\n"
    "  -K KEY.pem    its private key\n";

static void die(const char *what, const char *which) {
    fprintf(stderr, "hostile: %s%s\n", what, which);
    for (unsigned long error; (error = ERR_get_error());)
        fprintf(stderr, "hostile: %s\n", ERR_error_string(error, NULL));
    exit(2);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void stop(int number) {
    (void)number;
    is_over = 1;
}

/* Connections */

static void watch(struct client *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void free_tls(struct client *c) {
    SSL_free(c->ssl); /* with both BIOs */
    c->ssl = NULL;
}

/* It is where it belongs. */
static void settle(struct client *c) {
    if (c->state == SETTLED) return;
    c->state = SETTLED;
    opening--;
    if (++settled == options.connections) {
        static bool has_said_so;
        if (!has_said_so) puts("ready"), fflush(stdout);
        has_said_so = true;
    }
}

static void close_client(struct client *c) {
    if (c->state == SETTLED) settled--;
    else opening--;
    free_tls(c);
    close(c->fd);
    c->state = CLOSED;
    closed[closed_count++] = c->number;
}

/* The server has closed it, or it was never there. */
static void lose(struct client *c) {
    counts.closed++;
    close_client(c);
}

static bool open_client(struct client *c) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, size = UNREAD_BUFFER, segment = UNREAD_SEGMENT;
    if (fd < 0) return false;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(ntohl(options.first.s_addr) + c->number % options.addresses);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.attack == UNREAD) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    if (bind(fd, (struct sockaddr *)&from, sizeof from) ||
        (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) {
        close(fd);
        return false;
    }
    *c = (struct client){.fd = fd, .number = c->number, .state = OPENING};
    counts.opened++;
    opening++;
    return true;
}

static void open_closed(void) {
    while (closed_count && opening < options.opening && now() >= retry_at) {
        if (open_client(&clients[closed[closed_count - 1]])) {
            closed_count--;
        } else {
            counts.failed++;
            retry_at = now() + RETRY;
        }
    }
}

/* What came, in `buffer`; 0 when nothing is here; -1 when it is lost, and closed. */
static int receive(struct client *c) {
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n > 0) return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    lose(c);
    return -1;
}

static bool send_plain(struct client *c, const unsigned char *data, int size) {
    ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
    if (n > 0) counts.bytes += n;
    if (n == size) return true;
    lose(c);
    return false;
}

/* Send what TLS has for the server, but for the last `withheld` bytes. False when it is lost, and closed. */
static bool flush(struct client *c, long withheld) {
    char *data;
    long size;
    while ((size = BIO_get_mem_data(c->out, &data) - withheld) > 0) {
        ssize_t n = send(c->fd, data, size < (long)sizeof buffer ? size : (long)sizeof buffer, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            watch(c, EPOLLIN | EPOLLOUT);
            return true;
        }
        if (n <= 0) {
            lose(c);
            return false;
        }
        counts.bytes += n;
        BIO_read(c->out, buffer, n);
    }
    watch(c, EPOLLIN);
    return true;
}

static bool is_flushed(struct client *c) {
    return BIO_pending(c->out) == 0;
}

/* TLS */

static void make_tls(struct client *c) {
    c->ssl = SSL_new(context);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    if (!c->ssl || !c->in || !c->out) die("out of memory", "");
    BIO_set_mem_eof_return(c->in, -1);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
    SSL_set_tlsext_host_name(c->ssl, "localhost");
}

/* Whether connections that are settled do nothing but wait for their end. */
static bool is_quiet(void) {
    return options.attack == IDLE || options.attack == HOLD || options.attack == UNREAD;
}

/* The client's last flight is made: send as much of it as the attack wants. */
static void finish_handshake(struct client *c) {
    long withheld = 0;
    counts.handshakes++;
    if (options.attack == HOLD) {
        withheld = options.withheld > 0 ? BIO_pending(c->out) * options.withheld : 1;
    } else if (options.attack == ASK || options.attack == UNREAD) {
        SSL_write(c->ssl, request, request_length);
    }
    if (!flush(c, withheld)) return;
    if (options.attack == HANDSHAKE) {
        close_client(c);
        return;
    }
    settle(c);
    if (is_quiet()) {
        if (options.attack == UNREAD) free_tls(c);
        watch(c, EPOLLRDHUP);
    }
    if (options.attack == KEYUPDATE) watch(c, EPOLLIN | EPOLLOUT);
}

static void go_on_with_handshake(struct client *c) {
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        c->state = HANDSHAKING;
        finish_handshake(c);
    } else if (SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ) {
        flush(c, 0);
    } else {
        lose(c);
    }
}

/* Attacks */

static void begin(struct client *c) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
        counts.failed++;
        retry_at = now() + RETRY;
        close_client(c);
    } else if (options.attack == HALF_OPEN || options.attack == HALF_HELLO) {
        bool is_silent = options.attack == HALF_OPEN && c->number / options.addresses % 2;
        if (!is_silent && !send_plain(c, hello, hello_length / 2)) return;
        settle(c);
        watch(c, EPOLLIN);
    } else if (options.attack == HELLO) {
        if (!send_plain(c, hello, hello_length)) return;
        settle(c);
        watch(c, EPOLLIN);
    } else {
        c->state = HANDSHAKING;
        make_tls(c);
        go_on_with_handshake(c);
    }
}

/* The header is looked at, all that follows is not even decrypted. */
static void read_answer(struct client *c, int size) {
    char header[16384];
    if (c->has_header) return;
    BIO_write(c->in, buffer, size);
    ERR_clear_error();
    int n = SSL_read(c->ssl, header, sizeof header);
    if (n > 0) {
        c->has_header = true;
        if (header[0] == '2') counts.answers++;
        else counts.refusals++;
    } else if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ) {
        lose(c);
    }
}

static void send_updates(struct client *c) {
    if (is_flushed(c))
        for (int i = 0; i < UPDATES; i++) {
            SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
            SSL_do_handshake(c->ssl);
        }
    if (flush(c, 0)) watch(c, EPOLLIN | EPOLLOUT);
}

static void dribble(struct client *c) {
    char byte = c->dribbled < (size_t)request_length - 2 ? request[c->dribbled] : 'a';
    c->dribbled++;
    SSL_write(c->ssl, &byte, 1);
    flush(c, 0);
}

static void dribble_all(long step) {
    for (int i = step % DRIBBLE_STEPS; i < options.connections; i += DRIBBLE_STEPS)
        if (clients[i].state == SETTLED) dribble(&clients[i]);
}

static void act(struct client *c, uint32_t events) {
    if (c->state == OPENING) {
        begin(c);
        return;
    }
    if (c->state == SETTLED && is_quiet()) {
        lose(c); /* nothing else is watched for */
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        int size = receive(c);
        if (size < 0) return;
        if (c->state == HANDSHAKING) {
            BIO_write(c->in, buffer, size);
            go_on_with_handshake(c);
            return;
        }
        if (options.attack == ASK && size > 0) read_answer(c, size);
        if (options.attack == HELLO && size > 0) {
            counts.handshakes++;
            close_client(c);
        }
    }
    if (c->state == CLOSED || !(events & EPOLLOUT) || !c->ssl) return;
    if (options.attack == KEYUPDATE && c->state == SETTLED) send_updates(c);
    else flush(c, 0);
}

/* The whole */

static void run(void) {
    struct epoll_event events[MAX_EVENTS];
    double end = now() + options.seconds, next_step = now();
    for (long step = 0; !is_over && now() < end;) {
        open_closed();
        int n = epoll_wait(poller, events, MAX_EVENTS, STEP * 1000);
        for (int i = 0; i < n; i++) act(events[i].data.ptr, events[i].events);
        if (options.attack == DRIBBLE && now() >= next_step) {
            dribble_all(step++);
            next_step += STEP;
        }
    }
}

static void report(double seconds) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    cpu += (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"bytes\": %lld, \"opened\": %ld, \"closed\": %ld, "
           "\"failed\": %ld, \"handshakes\": %ld, \"answers\": %ld, \"refusals\": %ld, \"settled\": %d}\n",
           seconds, cpu, counts.bytes, counts.opened, counts.closed, counts.failed, counts.handshakes, counts.answers,
           counts.refusals, settled);
}

static void parse_options(int argc, char **argv) {
    inet_pton(AF_INET, "127.0.0.2", &options.first);
    for (int option; (option = getopt(argc, argv, "hc:d:a:n:o:w:k:K:")) != -1;) switch (option) {
        case 'h': fputs(help, stdout); exit(0);
        case 'c': options.connections = atoi(optarg); break;
        case 'd': options.seconds = atof(optarg); break;
        case 'a': if (inet_pton(AF_INET, optarg, &options.first) != 1) die("no IPv4 address: ", optarg); break;
        case 'n': options.addresses = atoi(optarg); break;
        case 'o': options.opening = atoi(optarg); break;
        case 'w': options.withheld = atof(optarg); break;
        case 'k': options.certificate = optarg; break;
        case 'K': options.key = optarg; break;
        default: die("see hostile -h", "");
        }
    if (argc - optind < 2 || argc - optind > 3) die("expected ATTACK PORT [PATH]; see hostile -h", "");
    while (options.attack < ATTACKS && strcmp(names[options.attack], argv[optind])) options.attack++;
    if (options.attack == ATTACKS) die("no such attack: ", argv[optind]);
    options.port = atoi(argv[optind + 1]);
    if (argc - optind == 3) options.path = argv[optind + 2];
    if (options.port < 1 || options.port > 65535) die("no port: ", argv[optind + 1]);
    if (options.connections < 1 || options.addresses < 1 || options.opening < 1) die("see hostile -h", "");
    if (!options.certificate != !options.key) die("-k and -K need each other", "");
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options.port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    request_length =
        snprintf(request, sizeof request, "gemini://localhost:%d%s\r\n", options.port, options.path);
    if (request_length > MAX_REQUEST) die("the URL is too long: ", options.path);
}

static void build_context(void) {
    context = SSL_CTX_new(TLS_client_method());
    if (!context) die("OpenSSL has no context", "");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (!options.certificate) return;
    SSL_CTX_set_security_level(context, 0); /* whether a chain is good enough is for the server to say */
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate) != 1)
        die("no certificate in ", options.certificate);
    if (SSL_CTX_use_PrivateKey_file(context, options.key, SSL_FILETYPE_PEM) != 1) die("no key for it in ", options.key);
}

/* One ClientHello for all that send no more than it. */
static void make_hello(void) {
    struct client c = {0};
    make_tls(&c);
    SSL_do_handshake(c.ssl);
    hello_length = BIO_read(c.out, hello, sizeof hello);
    free_tls(&c);
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    build_context();
    make_hello();
    signal(SIGTERM, stop);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    poller = epoll_create1(0);
    clients = calloc(options.connections, sizeof *clients);
    closed = calloc(options.connections, sizeof *closed);
    if (!clients || !closed || poller < 0) die("out of memory", "");
    for (int i = options.connections - 1; i >= 0; i--) {
        clients[i].number = i;
        closed[closed_count++] = i;
    }
    double start = now();
    run();
    report(now() - start);
    return 0;
}
