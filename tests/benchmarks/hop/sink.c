/* An SMTP server that throws mail away, as fast as one core can: replies to a batch of commands in one write, looks
 * through data for its end with memmem. For the benchmark alone: nothing is checked.
 *
 *     sink PORT MARK
 *
 * SIGUSR1: one line of JSON to standard output, and everything is counted anew: mails, those in which MARK was seen,
 * and the microseconds between the stamp that source.c wrote ("X-Sent: " and 16 hexadecimal digits) and the final dot.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define LINE 65536
#define KEPT 4096
#define MOST 200000

struct session {
    int fd, in_data, marked;
    size_t held;
    unsigned long sent;
    char line[LINE];
};

static char chunk[KEPT + CHUNK], out[65536];
static size_t out_length;
static const char *mark;
static unsigned long mails, marked, taken;
static unsigned micros[MOST];
static volatile sig_atomic_t asked;

static void ask(int number) { (void)number; asked = 1; }

static unsigned long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000UL + t.tv_nsec / 1000;
}

static void tell(void) {
    printf("{\"mails\": %lu, \"marked\": %lu, \"micros\": [", mails, marked);
    for (unsigned long n = 0; n < taken; n++) printf(n ? ", %u" : "%u", micros[n]);
    printf("]}\n");
    fflush(stdout);
    mails = marked = taken = 0;
}

static void say(const char *text) {
    size_t length = strlen(text);
    if (out_length + length > sizeof out) return;
    memcpy(out + out_length, text, length);
    out_length += length;
}

static void flush(int fd) {
    if (out_length && write(fd, out, out_length) < 0) perror("sink: write");
    out_length = 0;
}

static void arrived(struct session *s) {
    mails++;
    marked += s->marked;
    if (s->sent && taken < MOST) micros[taken++] = now() - s->sent;
    s->in_data = s->marked = 0;
    s->sent = 0;
    say("250 2.0.0 Ok: queued as 4F2A91C0D3\r\n");
}

static int command(struct session *s, const char *line) {
    if (!strncasecmp(line, "EHLO", 4))
        say("250-sink.example\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
            "250-DSN\r\n250-SMTPUTF8\r\n250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n");
    else if (!strncasecmp(line, "DATA", 4)) {
        say("354 End data with <CR><LF>.<CR><LF>\r\n");
        s->in_data = 1;
        s->held = 2;
        memcpy(s->line, "\r\n", 2);
    } else if (!strncasecmp(line, "QUIT", 4)) {
        say("221 2.0.0 Bye\r\n");
        return -1;
    } else
        say("250 2.1.0 Ok\r\n");
    return 0;
}

/* Up to KEPT octets stand before `data` that were held back; how many of `data` belong to the message. */
static char *content(struct session *s, char *begin, char *end) {
    char *dot = memmem(begin, end - begin, "\r\n.\r\n", 5);
    char *until = dot ? dot + 5 : end;
    char *stamp = s->sent ? NULL : memmem(begin, until - begin > KEPT ? KEPT : until - begin, "X-Sent: ", 8);
    if (stamp && until - stamp >= 24) s->sent = strtoul(stamp + 8, NULL, 16);
    if (*mark && !s->marked) s->marked = memmem(begin, until - begin, mark, strlen(mark)) != NULL;
    if (dot) {
        arrived(s);
        s->held = 0;
        return until;
    }
    size_t keep = *mark || !s->sent ? KEPT / 2 : 4;
    if ((size_t)(end - begin) < keep) keep = end - begin;
    memcpy(s->line, end - keep, keep);
    s->held = keep;
    return end;
}

static int received(struct session *s) {
    ssize_t got = read(s->fd, chunk + KEPT, CHUNK);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) return -1;
    char *end = chunk + KEPT + got;
    char *at = chunk + KEPT - s->held;
    memcpy(at, s->line, s->held);
    s->held = 0;
    while (at < end) {
        if (s->in_data) {
            at = content(s, at, end);
            continue;
        }
        char *newline = memchr(at, '\n', end - at);
        if (!newline) {
            s->held = end - at < KEPT ? end - at : KEPT;
            memcpy(s->line, at, s->held);
            break;
        }
        *newline = 0;
        if (command(s, at) < 0) {
            flush(s->fd);
            return -1;
        }
        at = newline + 1;
        if (s->in_data && at < end) { /* content that came without waiting for the 354 */
            at -= 2;
            memcpy(at, "\r\n", 2);
            s->held = 0;
        }
    }
    flush(s->fd);
    return 0;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    mark = arguments[2];
    struct sigaction action = {.sa_handler = ask};
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int one = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 4096)) {
        perror("sink");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN}, events[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, server, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 64, -1);
        if (asked) {
            asked = 0;
            tell();
        }
        for (int n = 0; n < ready; n++) {
            struct session *s = events[n].data.ptr;
            if (s) {
                if (received(s) < 0) {
                    close(s->fd);
                    free(s);
                }
                continue;
            }
            int fd;
            while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                s = calloc(1, sizeof *s);
                s->fd = fd;
                event.data.ptr = s;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
                out_length = 0;
                say("220 sink.example ESMTP\r\n");
                flush(fd);
            }
        }
    }
}
