/* A queue that sends one message again and again, as Postfix's smtp(8) does: EHLO; MAIL, RCPT and DATA in one write
 * where PIPELINING is announced; content and dot in one write. For the benchmark alone.
 *
 *     source PORT FILE SESSIONS MAILS MAILS-PER-CONNECTION PAUSE SECONDS
 *
 * FILE is content in its wire form. Where it has "SERIALNO" the number of the mail is put, where it has
 * "STAMPSTAMPSTAMPS" the microseconds of CLOCK_MONOTONIC in hexadecimal. PAUSE: microseconds between two mails. No mail
 * is begun after SECONDS.
 * Prints one line of JSON: seconds, mails that were accepted, and for each the microseconds it took, from MAIL (or
 * the connection) to the reply to the dot.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PLACES 64

enum state { GREETING, EHLO, MAIL, RCPT, DATA, ENVELOPE, CONTENT, DOT };

struct session {
    int fd, pipelining, replies, sent_here;
    enum state state;
    char *message;
    size_t offset, held;
    unsigned long begun;
    char line[8192];
};

static int port, poll_fd, pause_for, live;
static long mails, started, finished, accepted, per_connection;
static char *template;
static size_t size;
static unsigned *micros;
static unsigned base;
static unsigned long end;
static size_t places[PLACES];
static int place_count;
static long stamp_at;

static unsigned long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000UL + t.tv_nsec / 1000;
}

static void die(const char *what) {
    fprintf(stderr, "source: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void put(struct session *s, const char *text) {
    if (write(s->fd, text, strlen(text)) < 0) die("write");
}

/* Once for all mails, so that a large mail costs no more than its writing. */
static void look_for_places(void) {
    char *at = template;
    while (place_count < PLACES && (at = memmem(at, template + size - at, "SERIALNO", 8))) {
        places[place_count++] = at - template;
        at += 8;
    }
    at = memmem(template, size > 4096 ? 4096 : size, "STAMPSTAMPSTAMPS", 16);
    stamp_at = at ? at - template : -1;
}

static void watch(struct session *s, unsigned events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = s};
    epoll_ctl(poll_fd, how, s->fd, &event);
}

static void connection(struct session *s) {
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->begun = now();
    if (connect(s->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    s->state = GREETING;
    s->held = s->sent_here = 0;
    watch(s, EPOLLIN, EPOLL_CTL_ADD);
}

static void mail(struct session *s) {
    static const char from[] = "MAIL FROM:<ivan@corp.example> SIZE=1000\r\n", to[] = "RCPT TO:<anna@partner.example>\r\n";
    if (s->sent_here) s->begun = now();
    char number[9], stamp[17];
    snprintf(number, sizeof number, "%04x%04lx", base & 0xffff, started & 0xffff);
    snprintf(stamp, sizeof stamp, "%016lx", s->begun);
    for (int n = 0; n < place_count; n++) memcpy(s->message + places[n], number, 8);
    if (stamp_at >= 0) memcpy(s->message + stamp_at, stamp, 16);
    started++;
    s->sent_here++;
    if (s->pipelining) {
        char all[512];
        snprintf(all, sizeof all, "%s%sDATA\r\n", from, to);
        s->state = ENVELOPE;
        s->replies = 3;
        put(s, all);
    } else {
        s->state = MAIL;
        put(s, from);
    }
}

static void content(struct session *s) {
    while (s->offset < size) {
        ssize_t done = write(s->fd, s->message + s->offset, size - s->offset);
        if (done < 0) {
            if (errno != EAGAIN) die("write");
            return watch(s, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
        }
        s->offset += done;
    }
    watch(s, EPOLLIN, EPOLL_CTL_MOD);
    s->state = DOT;
}

static void next(struct session *s) {
    int over = started >= mails || now() >= end;
    if (over || s->sent_here >= per_connection) {
        put(s, "QUIT\r\n");
        close(s->fd);
        if (!over) connection(s);
        else live--;
    } else
        mail(s);
}

static void reply(struct session *s, const char *line) {
    int good = *line == '2' || *line == '3';
    if (strstr(line, "PIPELINING")) s->pipelining = 1;
    if (line[3] == '-') return;
    if (!good) fprintf(stderr, "source: %s\n", line);
    switch (s->state) {
    case GREETING: s->state = EHLO; return put(s, "EHLO source.example\r\n");
    case EHLO: return started < mails ? mail(s) : next(s);
    case MAIL: s->state = RCPT; return put(s, "RCPT TO:<anna@partner.example>\r\n");
    case RCPT: s->state = DATA; return put(s, "DATA\r\n");
    case ENVELOPE: if (--s->replies) return; /* fall through */
    case DATA:
        if (!good) exit(1);
        s->state = CONTENT;
        s->offset = 0;
        return content(s);
    case CONTENT: return;
    case DOT:
        micros[finished++] = now() - s->begun;
        accepted += good;
        if (pause_for) usleep(pause_for);
        return next(s);
    }
}

static void heard(struct session *s) {
    ssize_t got = read(s->fd, s->line + s->held, sizeof s->line - 1 - s->held);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        fprintf(stderr, "source: connection closed in state %d\n", s->state);
        exit(1);
    }
    int fd = s->fd;
    s->held += got;
    s->line[s->held] = 0;
    char *at = s->line, *newline;
    while ((newline = strchr(at, '\n'))) {
        *newline = 0;
        char *line = at;
        at = newline + 1;
        reply(s, line);
        if (s->fd != fd || !s->held) return;
    }
    s->held -= at - s->line;
    memmove(s->line, at, s->held);
}

int main(int count, char **arguments) {
    if (count != 8) return 2;
    port = atoi(arguments[1]);
    int file = open(arguments[2], O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status)) die(arguments[2]);
    size = status.st_size;
    template = malloc(size);
    if (read(file, template, size) != (ssize_t)size) die("read");
    look_for_places();
    int sessions = atoi(arguments[3]);
    mails = atol(arguments[4]);
    per_connection = atol(arguments[5]);
    pause_for = atoi(arguments[6]);
    micros = calloc(mails, sizeof *micros);
    base = getpid();
    signal(SIGPIPE, SIG_IGN);
    poll_fd = epoll_create1(0);
    unsigned long begin = now();
    end = begin + atol(arguments[7]) * 1000000UL;
    for (live = 0; live < sessions && live < mails; live++) {
        struct session *s = calloc(1, sizeof *s);
        s->message = malloc(size);
        memcpy(s->message, template, size);
        connection(s);
    }
    struct epoll_event events[64];
    while (live) {
        int ready = epoll_wait(poll_fd, events, 64, -1);
        for (int n = 0; n < ready; n++) {
            struct session *s = events[n].data.ptr;
            if (s->state == CONTENT && events[n].events & EPOLLOUT) content(s);
            if (events[n].events & (EPOLLIN | EPOLLHUP)) heard(s);
        }
    }
    printf("{\"seconds\": %.6f, \"mails\": %ld, \"micros\": [", (now() - begin) / 1e6, accepted);
    for (long n = 0; n < finished; n++) printf(n ? ", %u" : "%u", micros[n]);
    printf("]}\n");
    return 0;
}
