/* Sends mails over a few connections with PIPELINING: about what one thread can put on the wire.
 *
 *     blaster PORT SESSIONS MAILS LENGTH
 *
 * A mail costs one round trip: the next mail's commands travel behind the body before it. Any
 * reply that is not the expected one ends it with exit code 1.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROOM = 4096, EVENTS = 64, WAIT_MS = 10000, LINE = 76 };
static const char END[] = "\r\n.\r\n", QUIT[] = "QUIT\r\n", EHLO[] = "EHLO bench.example\r\n";

struct session {
    int socket, left, number;
    enum { GREETING, HELLO, OPENING, LEAVING } state;
    char received[ROOM];
    size_t length;
};

static char *body;
static size_t body_length;
static int sessions, ended;

static void fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    exit(1);
}

/* The sockets block, so that everything is written at once. */
static void send_parts(int socket, const struct iovec *parts, int count) {
    ssize_t length = 0;
    for (int n = 0; n < count; n++) length += (ssize_t)parts[n].iov_len;
    if (writev(socket, parts, count) != length) fail("not written\n");
}

static struct iovec part(const char *bytes, size_t length) {
    return (struct iovec){(void *)bytes, length};
}

static size_t opening(const struct session *one, char *text) {
    if (one->left == 0) return (size_t)sprintf(text, "%s", QUIT);
    return (size_t)sprintf(text, "MAIL FROM:<loa@example.com>\r\nRCPT TO:<reader%d.%d@example.com>\r\nDATA\r\n",
                           one->number, one->left);
}

static void open_next(struct session *one) {
    char next[256];
    struct iovec parts[] = {part(next, opening(one, next))};
    one->state = one->left ? OPENING : LEAVING;
    send_parts(one->socket, parts, 1);
}

static void send_mail(struct session *one) {
    char head[256], next[256];
    size_t head_length = (size_t)sprintf(head, "To: reader%d.%d@example.com\r\nMessage-ID: <%d.%d@example.com>\r\n",
                                         one->number, one->left, one->number, one->left);
    one->left--;
    struct iovec parts[] = {part(head, head_length), part(body, body_length), part(END, strlen(END)),
                            part(next, opening(one, next))};
    one->state = one->left ? OPENING : LEAVING;
    send_parts(one->socket, parts, 4);
}

static void on_reply(struct session *one, int code) {
    if (one->state == GREETING && code == 220) {
        struct iovec parts[] = {part(EHLO, strlen(EHLO))};
        send_parts(one->socket, parts, 1);
        one->state = HELLO;
    } else if (one->state == HELLO && code == 250) {
        open_next(one);
    } else if (one->state == OPENING && code == 354) {
        send_mail(one);
    } else if (one->state == LEAVING && code == 221) {
        close(one->socket);
        ended++;
    } else if (code != 250) { /* 250: to MAIL, to RCPT, to the mail before */
        fail("unexpected reply %d\n", code);
    }
}

static void on_readable(struct session *one) {
    ssize_t got = read(one->socket, one->received + one->length, ROOM - one->length);
    if (got <= 0) fail("connection lost\n");
    one->length += (size_t)got;
    char *line = one->received, *end;
    while ((end = memchr(line, '\n', one->received + one->length - line))) {
        if (line[3] != '-') on_reply(one, atoi(line));
        line = end + 1;
    }
    one->length = (size_t)(one->received + one->length - line);
    memmove(one->received, line, one->length);
}

static void connect_to(struct session *one, int port, int poll) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct epoll_event interest = {.events = EPOLLIN, .data = {.ptr = one}};
    int on = 1;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(one->socket, (struct sockaddr *)&there, sizeof there)) fail("no connection\n");
    setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(poll, EPOLL_CTL_ADD, one->socket, &interest);
}

static void fill_body(size_t length) {
    body = malloc(length);
    body_length = length;
    for (size_t n = 0; n < length; n++)
        body[n] = n % LINE == LINE - 2 ? '\r' : n % LINE == LINE - 1 ? '\n' : 'x';
}

int main(int count, char **words) {
    if (count != 5) fail("usage: blaster PORT SESSIONS MAILS LENGTH\n");
    int port = atoi(words[1]), mails = atoi(words[3]), poll = epoll_create1(0);
    sessions = atoi(words[2]);
    fill_body((size_t)atoi(words[4]));
    struct session *all = calloc((size_t)sessions, sizeof *all);
    for (int n = 0; n < sessions; n++) {
        all[n].number = n;
        all[n].left = mails / sessions + (n < mails % sessions);
        connect_to(&all[n], port, poll);
    }
    while (ended < sessions) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll, events, EVENTS, WAIT_MS);
        if (ready <= 0) fail("no reply\n");
        for (int n = 0; n < ready; n++) on_readable(events[n].data.ptr);
    }
    return 0;
}
