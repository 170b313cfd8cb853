/* A hop that carries octets both ways and looks at none of them: what no hop that looks at mail can beat on these
 * processors. For the benchmark alone.
 *
 *     pump PORT NEXT-PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHUNK (256 * 1024)

/* One side of a connection; `held` holds what came from here and has not gone to the other yet. */
struct side {
    int fd, gone;
    unsigned watched;
    struct side *other;
    size_t from, until;
    char held[CHUNK];
};

static int poll_fd, one = 1;

static void watch(struct side *s) {
    struct side *other = s->other;
    unsigned wanted = (s->from == s->until ? EPOLLIN : 0) | (other->from < other->until ? EPOLLOUT : 0);
    if (wanted == s->watched) return;
    s->watched = wanted;
    struct epoll_event event = {.events = wanted, .data.ptr = s};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, s->fd, &event);
}

/* Negative: one of the two is gone. */
static int carry(struct side *from) {
    struct side *to = from->other;
    if (from->from == from->until) {
        ssize_t got = read(from->fd, from->held, CHUNK);
        if (got < 0 && errno == EAGAIN) return 0;
        if (got <= 0) return -1;
        from->from = 0;
        from->until = got;
    }
    ssize_t done = write(to->fd, from->held + from->from, from->until - from->from);
    if (done < 0 && errno != EAGAIN) return -1;
    if (done > 0) from->from += done;
    watch(from);
    watch(to);
    return 0;
}

static struct side *added(int fd) {
    struct side *s = malloc(sizeof *s);
    *s = (struct side){.fd = fd, .watched = EPOLLIN};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    return s;
}

static void pair(int client, struct sockaddr_in *next) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)next, sizeof *next)) {
        perror("pump: connect");
        close(client);
        close(fd);
        return;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct side *near = added(client), *far = added(fd);
    near->other = far;
    far->other = near;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    signal(SIGPIPE, SIG_IGN);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))}, next = own;
    own.sin_addr.s_addr = next.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    next.sin_port = htons(atoi(arguments[2]));
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&own, sizeof own) || listen(server, 4096)) {
        perror("pump");
        return 1;
    }
    poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, events[64];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, server, &event);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, 64, -1), fd;
        struct side *dead[64];
        int ended = 0;
        for (int n = 0; n < ready; n++) {
            struct side *s = events[n].data.ptr;
            if (!s) {
                while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) pair(fd, &next);
                continue;
            }
            if (s->gone) continue;
            int out = events[n].events & EPOLLOUT ? carry(s->other) : 0;
            if (out < 0 || (events[n].events & ~EPOLLOUT && carry(s) < 0)) {
                s->gone = s->other->gone = 1;
                dead[ended++] = s;
            }
        }
        /* Not before: an event of the other side may stand behind. */
        while (ended) {
            struct side *s = dead[--ended];
            close(s->fd);
            close(s->other->fd);
            free(s->other);
            free(s);
        }
    }
}
