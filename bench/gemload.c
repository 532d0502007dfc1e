/* gemload: a closed-loop load generator for Gemini servers.
 *
 * Each of CONNS threads opens a TLS connection, sends one request, reads the answer to its end, closes, and starts
 * again, so that there are never more than CONNS requests under way. One line of JSON tells what came of them.
 * "gemload -h" explains the options. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HEADER = 1024 + 2 + 3, MAX_REQUEST = 1024 + 2, STACK = 256 * 1024 };

/* What can come of one request. An answer is OK when its header begins as expected, its body has the expected size
 * and the server ended it with close_notify; it is classed by the first of these that fails. */
enum outcome { OK, NO_CONNECTION, NO_HANDSHAKE, NO_ANSWER, BAD_HEADER, BAD_BODY, NO_CLOSE_NOTIFY, OUTCOMES };

/* What one thread counts; added up when all are done. */
struct client {
    pthread_t thread;
    SSL_SESSION *session;
    const char *group; /* that the key was agreed in, NULL until the first handshake, or `several` */
    long outcomes[OUTCOMES];
    long resumed;
    double due;      /* when the next request is to be made, with an interval */
    long long bytes; /* of answers, headers included */
    double *latency; /* seconds from connect to close, a request each */
    size_t requests, room;
};

static struct {
    const char *host, *path, *address, *source, *expect, *certificate, *key, *groups;
    int port, connections, patience;
    long requests, body;
    double seconds; /* 0: until `requests` are done */
    double interval;
    bool resume, old, nagle;
} options = {.address = "127.0.0.1", .expect = "20 ", .connections = 16, .patience = 20, .requests = 1000, .body = -1};

static SSL_CTX *context;
static int client_index; /* where an SSL keeps its client */
static struct sockaddr_in server, source;
static char request[MAX_REQUEST + 1];
static int request_length;
static atomic_long started;
static double end_time;
static const char several[] = "several";

static const char help[] =
    "usage: gemload [-c CONNS] [-n REQUESTS | -d SECONDS] [-i SECONDS] [-r] [-2] [-N] [-e EXPECT] [-b BYTES]\n"
    "               [-k CERT.pem [-K KEY.pem]] [-g GROUPS] [-a ADDRESS] [-s ADDRESS] [-w SECONDS] HOST PORT PATH\n"
    "       gemload -V      prints OpenSSL's version\n"
    "\n"
    "Ask a Gemini server for gemini://HOST:PORT/PATH again and again, and print what came of it as a line of JSON.\n"
    "\n"
    "  -c CONNS      connections at a time (16)\n"
    "  -n REQUESTS   requests in all (1000)\n"
    "  -d SECONDS    go on for so long instead\n"
    "  -i SECONDS    of each connection, from one request to the next, or more when that one takes longer (0);\n"
    "                connections begin one after the other, spread over the interval\n"
    "  -r            resume the TLS session that the server gave last, again and again\n"
    "  -2            speak TLS 1.2, and not 1.3\n"
    "  -N            leave TCP_NODELAY off, as many clients do: Nagle's algorithm may hold the request back\n"
    "  -e EXPECT     what the header has to begin with (\"20 \")\n"
    "  -b BYTES      the size that the body has to have (any)\n"
    "  -k CERT.pem   present this client certificate\n"
    "  -K KEY.pem    its private key (in CERT.pem)\n"
    "  -g GROUPS     offer these groups for the key exchange, as SSL_CTX_set1_groups_list(3) takes them (OpenSSL's\n"
    "                own); the result names the group that was agreed, or says \"several\"\n"
    "  -a ADDRESS    IPv4 address to connect to (127.0.0.1)\n"
    "  -s ADDRESS    IPv4 address to connect from (the system's choice)\n"
    "  -w SECONDS    give up on a server that is silent for so long (20)\n"
    "\n"
    "The exit code is 0 when all requests were ok, 1 when one was not, 2 when the command line or a file is wrong.\n";

static void die(const char *what, const char *which) {
    fprintf(stderr, "gemload: %s%s\n", what, which);
    for (unsigned long error; (error = ERR_get_error());)
        fprintf(stderr, "gemload: %s\n", ERR_error_string(error, NULL));
    exit(2);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* OpenSSL hands over a session that can be resumed; returning 1 takes it. */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct client *client = SSL_get_ex_data(ssl, client_index);
    SSL_SESSION_free(client->session);
    client->session = session;
    return 1;
}

static int connect_tcp(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct timeval patience = {.tv_sec = options.patience};
    if (fd < 0) return -1;
    if (!options.nagle) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if ((!options.source || bind(fd, (struct sockaddr *)&source, sizeof source) == 0) &&
        connect(fd, (struct sockaddr *)&server, sizeof server) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Read an answer to its end and judge it. */
static enum outcome read_answer(SSL *ssl, struct client *client) {
    char head[MAX_HEADER + 1] = "", buffer[65536];
    long got = 0, header = -1;
    int n;
    while ((n = SSL_read(ssl, buffer, sizeof buffer)) > 0) {
        if (header < 0 && got < MAX_HEADER) {
            long take = n < MAX_HEADER - got ? n : MAX_HEADER - got;
            memcpy(head + got, buffer, take);
            head[got + take] = 0;
            char *end = strstr(head, "\r\n");
            if (end) header = end + 2 - head;
        }
        got += n;
    }
    client->bytes += got;
    if (got == 0) return NO_ANSWER;
    if (header < 0 || strncmp(head, options.expect, strlen(options.expect))) return BAD_HEADER;
    if (options.body >= 0 && got - header != options.body) return BAD_BODY;
    if (!(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)) return NO_CLOSE_NOTIFY;
    return OK;
}

/* The one of two groups that both are, `several` when they differ; NULL is no group. */
static const char *join_groups(const char *one, const char *other) {
    if (!one || !other) return one ? one : other;
    return strcmp(one, other) ? several : one;
}

static enum outcome ask(SSL *ssl, struct client *client) {
    if (SSL_connect(ssl) != 1) return NO_HANDSHAKE;
    client->group = join_groups(client->group, SSL_group_to_name(ssl, SSL_get_negotiated_group(ssl)));
    if (SSL_session_reused(ssl)) client->resumed++;
    if (SSL_write(ssl, request, request_length) != request_length) return NO_ANSWER;
    enum outcome outcome = read_answer(ssl, client);
    if (outcome == OK) SSL_shutdown(ssl);
    return outcome;
}

/* One connection with one request, from connect to close. */
static enum outcome visit(struct client *client) {
    int fd = connect_tcp();
    if (fd < 0) return NO_CONNECTION;
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, options.host);
    SSL_set_ex_data(ssl, client_index, client);
    if (client->session) {
        SSL_SESSION *once = SSL_SESSION_dup(client->session); /* OpenSSL lets go of one of TLS 1.3 that it has resumed */
        SSL_set_session(ssl, once);
        SSL_SESSION_free(once);
    }
    enum outcome outcome = ask(ssl, client);
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return outcome;
}

static void keep_latency(struct client *client, double seconds) {
    if (client->requests == client->room) {
        client->room = client->room ? 2 * client->room : 1024;
        client->latency = realloc(client->latency, client->room * sizeof *client->latency);
        if (!client->latency) die("out of memory", "");
    }
    client->latency[client->requests++] = seconds;
}

/* Sleep until the next request is due. After one that took longer than the interval that is the next due time. */
static void keep_interval(struct client *client) {
    if (options.interval <= 0) return;
    while (client->due < now()) client->due += options.interval;
    struct timespec due = {.tv_sec = client->due, .tv_nsec = (client->due - (time_t)client->due) * 1e9};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {}
}

static bool is_time_for_another(double at) {
    return options.seconds > 0 ? at < end_time : atomic_fetch_add(&started, 1) < options.requests;
}

static void *run(void *argument) {
    struct client *client = argument;
    for (double start; keep_interval(client), is_time_for_another(start = now());) {
        client->outcomes[visit(client)]++;
        keep_latency(client, now() - start);
    }
    return NULL;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Add the clients up, and print. Returns the exit code. */
static int report(struct client *clients, double seconds) {
    struct client all = {0};
    for (int i = 0; i < options.connections; i++) {
        for (int o = 0; o < OUTCOMES; o++) all.outcomes[o] += clients[i].outcomes[o];
        for (size_t r = 0; r < clients[i].requests; r++) keep_latency(&all, clients[i].latency[r]);
        all.resumed += clients[i].resumed;
        all.bytes += clients[i].bytes;
        all.group = join_groups(all.group, clients[i].group);
    }
    if (!all.requests) die("no request was made", "");
    qsort(all.latency, all.requests, sizeof *all.latency, ascending);
    long *count = all.outcomes, last = all.requests - 1;
    printf("{\"requests\": %zu, \"ok\": %ld, \"failed\": %ld, \"no_connection\": %ld, \"no_handshake\": %ld, "
           "\"no_answer\": %ld, \"bad_header\": %ld, \"bad_body\": %ld, \"no_close_notify\": %ld, \"resumed\": %ld, ",
           all.requests, count[OK], count[NO_CONNECTION] + count[NO_HANDSHAKE] + count[NO_ANSWER], count[NO_CONNECTION],
           count[NO_HANDSHAKE], count[NO_ANSWER], count[BAD_HEADER], count[BAD_BODY], count[NO_CLOSE_NOTIFY],
           all.resumed);
    printf("\"seconds\": %.3f, \"rps\": %.1f, \"mb_s\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f, "
           "\"group\": \"%s\"}\n",
           seconds, all.requests / seconds, all.bytes / seconds / 1e6, all.latency[all.requests / 2] * 1e3,
           all.latency[all.requests * 99 / 100] * 1e3, all.latency[last] * 1e3, all.group ? all.group : "");
    return count[OK] == (long)all.requests ? 0 : 1;
}

static double parse_number(const char *text, char option, double least) {
    char *end, name[] = {'-', option, ' ', 0};
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least)) {
        fprintf(stderr, "gemload: %s%s: expected a number of at least %g\n", name, text, least);
        exit(2);
    }
    return value;
}

static void parse_options(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "hVc:n:d:i:r2Ne:b:k:K:g:a:s:w:")) != -1;) switch (option) {
        case 'h': fputs(help, stdout); exit(0);
        case 'V': puts(OpenSSL_version(OPENSSL_VERSION)); exit(0);
        case 'c': options.connections = parse_number(optarg, option, 1); break;
        case 'n': options.requests = parse_number(optarg, option, 1); break;
        case 'd': options.seconds = parse_number(optarg, option, 0.01); break;
        case 'i': options.interval = parse_number(optarg, option, 0); break;
        case 'r': options.resume = true; break;
        case '2': options.old = true; break;
        case 'N': options.nagle = true; break;
        case 'e': options.expect = optarg; break;
        case 'b': options.body = parse_number(optarg, option, 0); break;
        case 'k': options.certificate = optarg; break;
        case 'K': options.key = optarg; break;
        case 'g': options.groups = optarg; break;
        case 'a': options.address = optarg; break;
        case 's': options.source = optarg; break;
        case 'w': options.patience = parse_number(optarg, option, 1); break;
        default: die("see gemload -h", "");
        }
    if (argc - optind != 3) die("expected HOST PORT PATH; see gemload -h", "");
    options.host = argv[optind];
    options.port = atoi(argv[optind + 1]);
    options.path = argv[optind + 2];
    if (options.port < 1 || options.port > 65535) die("no port: ", argv[optind + 1]);
    if (*options.path != '/') die("the path has to begin with a slash: ", options.path);
    if (options.key && !options.certificate) die("-K without -k", "");
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options.port)};
    if (inet_pton(AF_INET, options.address, &server.sin_addr) != 1) die("no IPv4 address: ", options.address);
    source = (struct sockaddr_in){.sin_family = AF_INET};
    if (options.source && inet_pton(AF_INET, options.source, &source.sin_addr) != 1)
        die("no IPv4 address: ", options.source);
    request_length = options.port == 1965
        ? snprintf(request, sizeof request, "gemini://%s%s\r\n", options.host, options.path)
        : snprintf(request, sizeof request, "gemini://%s:%d%s\r\n", options.host, options.port, options.path);
    if (request_length > MAX_REQUEST) die("the URL is longer than 1024 bytes", "");
}

static void build_context(void) {
    context = SSL_CTX_new(TLS_client_method());
    if (!context) die("OpenSSL has no context", "");
    client_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (options.resume) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    }
    if (options.old) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    if (options.groups && SSL_CTX_set1_groups_list(context, options.groups) != 1)
        die("OpenSSL knows no such groups: ", options.groups);
    if (!options.certificate) return;
    const char *key = options.key ? options.key : options.certificate;
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate) != 1)
        die("no certificate in ", options.certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) die("no key for it in ", key);
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    build_context();
    signal(SIGPIPE, SIG_IGN);
    struct client *clients = calloc(options.connections, sizeof *clients);
    if (!clients) die("out of memory", "");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    double start = now();
    end_time = start + options.seconds;
    for (int i = 0; i < options.connections; i++) clients[i].due = start + options.interval * i / options.connections;
    for (int i = 0; i < options.connections; i++)
        if (pthread_create(&clients[i].thread, &attributes, run, &clients[i])) die("can't start so many threads", "");
    for (int i = 0; i < options.connections; i++) pthread_join(clients[i].thread, NULL);
    return report(clients, now() - start);
}
