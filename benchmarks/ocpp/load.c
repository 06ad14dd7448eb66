/* Many stations in one process: OCPP-J over plain websockets, with little more than what the kernel needs.
 *
 *   load HOST PORT PATH STATIONS NAME=FILE...
 *
 * A FILE is a script: a line for each CALL, `Action<TAB>payload`. In a payload @T@ stands for the transaction that the
 * station was given last, @N@ for the number of its round through the script (from 1), @V@ for a number that grows
 * with each CALL, @D@ for the time.
 *
 * It reads what to do from stdin, a line each, and answers on stdout with a line of JSON:
 *   open SCRIPT SPREAD     connects those that are not connected, evenly over SPREAD s (0: 200 at a time), and plays a
 *                          script once at each; who is refused a connection tries again after half a second
 *   storm SCRIPT SPREAD BEAT   the same, while each that has played it sends a Heartbeat every BEAT s
 *   closed SCRIPT SECONDS      each plays the script over and over from a place of its own, one CALL at a time
 *   paced SCRIPT SECONDS RATE  so many CALLs a second of all stations in turn; a latency counts from when it was due
 *   flood SCRIPT SECONDS RATE FLOOD  the same, while station 0 sends FLOOD Heartbeats a second, if its socket can
 *   soak SCRIPT SECONDS RATE CHURN BOOT  the same without the flood, while CHURN stations a second reconnect
 *   wait SECONDS               answers pings and CALLs
 *   drop                       closes every connection
 * The answer: calls (answered), errors (CALLERRORs, and boots that were not accepted), lost (connections), seconds,
 * cpu (s), p50, p99, max (s), connected, flooded (frames that station 0 got rid of), taken (CALLs of the server).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CLOSED, WAITING, CONNECTING, UPGRADING, OPEN };
enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };
enum { AT_ONCE = 200, SOURCES = 8, BIGGEST = 1 << 16, SUB = 64, POWERS = 40, MOST_SCRIPTS = 8 };
static const double RETRY = 0.5, LAST = 30; /* s: until another attempt; that the last answers may take */

struct line { char *action, *payload; };
struct script { char name[32]; struct line *lines; int count; };
struct station {
    int fd, state, at, left, round;
    struct script *script; /* that it plays: `left` CALLs more, or for ever where `left` < 0 */
    long transaction, id;
    double sent;           /* when the CALL was due that waits for its answer; 0: none waits */
    char *in, *out;        /* what is incomplete; what the socket did not take */
    int in_size, out_size, watched, flooding;
};

static struct script scripts[MOST_SCRIPTS], heartbeat = {"", (struct line[]){{"Heartbeat", "{}"}}, 1};
static int script_count, station_count, epoll, timer;
static struct station *stations;
static struct sockaddr_in server;
static const char *path;
static char buffer[BIGGEST * 2 + 1], stamp[40];
static long counts[SUB * POWERS], calls, errors, lost, flooded, tried, taken, values;
static int connecting, connected, outstanding, playing;
static double slowest, until; /* `until`: no CALL is begun after that */
static int only_beats;        /* whether only Heartbeats count for the latency */
static int *retries, retry_first, retry_count;
static double *retry_due;
static struct script *boot_script; /* played by those that connect */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* --- latencies: 32 steps for each power of two of microseconds --- */

static void note(double seconds) {
    uint64_t us = seconds > 0 ? (uint64_t)(seconds * 1e6) : 0;
    int power = us < SUB ? 0 : 63 - __builtin_clzll(us) - 5;
    counts[power == 0 ? us : (uint64_t)power * SUB + ((us >> power) - SUB / 2) * 2]++;
    if (seconds > slowest) slowest = seconds;
}

static double quantile(double part) {
    long all = 0, seen = 0;
    for (int i = 0; i < SUB * POWERS; i++) all += counts[i];
    for (int i = 0; i < SUB * POWERS; i++)
        if (all && (seen += counts[i]) >= part * all) {
            int power = i / SUB;
            return (power == 0 ? i : (double)((uint64_t)(i % SUB / 2 + SUB / 2) << power)) / 1e6;
        }
    return 0;
}

/* --- sending --- */

static void watch(struct station *s) {
    uint32_t events = EPOLLIN | (s->out_size || s->state == CONNECTING ? EPOLLOUT : 0);
    struct epoll_event event = {.events = events, .data.ptr = s};
    if (s->watched && epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &event)) fail("epoll_ctl");
    if (!s->watched && epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event)) fail("epoll_ctl");
    s->watched = 1;
}

static void put(struct station *s, const char *data, int size) {
    int done = 0;
    if (!s->out_size) {
        done = write(s->fd, data, size);
        if (done == size) return;
        if (done < 0) done = 0; /* EAGAIN; a broken connection shows when it is read */
    }
    s->out = realloc(s->out, s->out_size + size - done);
    memcpy(s->out + s->out_size, data + done, size - done);
    s->out_size += size - done;
    watch(s);
}

static void put_frame(struct station *s, int opcode, const char *payload, int size) {
    static uint32_t seed = 2463534242u;
    static char frame[BIGGEST + 16];
    int head = size < 126 ? 2 : 4;
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    frame[0] = (char)(0x80 | opcode);
    frame[1] = (char)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) frame[2] = (char)(size >> 8), frame[3] = (char)size;
    memcpy(frame + head, &seed, 4);
    uint64_t key = (uint64_t)seed << 32 | seed, word;
    char *to = frame + head + 4;
    int i = 0;
    for (; i + 8 <= size; i += 8) memcpy(&word, payload + i, 8), word ^= key, memcpy(to + i, &word, 8);
    for (; i < size; i++) to[i] = payload[i] ^ ((char *)&seed)[i & 3];
    put(s, frame, head + 4 + size);
}

static int add(char *to, int at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    at += vsnprintf(to + at, BIGGEST - at, format, arguments);
    va_end(arguments);
    if (at >= BIGGEST) fail("a CALL is too long");
    return at;
}

static void tell_time(void) {
    static time_t shown;
    time_t second = time(NULL);
    if (second != shown) strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime(&second));
    shown = second;
}

static void send_line(struct station *s, const struct line *line) {
    static char text[BIGGEST];
    int size = add(text, 0, "[2,\"%ld\",\"%s\",", ++s->id, line->action);
    const char *rest = line->payload, *mark;
    values++;
    while ((mark = strchr(rest, '@')) && mark[1] && mark[2] == '@') {
        memcpy(text + size, rest, mark - rest);
        size += mark - rest;
        if (mark[1] == 'T') size = add(text, size, "%ld", s->transaction);
        if (mark[1] == 'N') size = add(text, size, "%d", s->round % 9000 + 1);
        if (mark[1] == 'V') size = add(text, size, "%ld", values % 1000000);
        if (mark[1] == 'D') size = add(text, size, "%s", stamp);
        rest = mark + 3;
    }
    put_frame(s, TEXT, text, add(text, size, "%s]", rest));
}

static void send_next(struct station *s, double due) {
    send_line(s, &s->script->lines[s->at]);
    s->sent = due;
    outstanding++;
    if (++s->at == s->script->count) s->at = 0, s->round++;
}

/* --- connections --- */

static void begin(struct station *s) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;
    source.sin_addr.s_addr = htonl(0x7f000002 + (s - stations) % SOURCES);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0) fail("socket");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(s->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
    bind(s->fd, (struct sockaddr *)&source, sizeof source); /* where there are no more addresses: any */
    if (connect(s->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) fail("connect");
    s->state = CONNECTING;
    connecting++;
    watch(s);
}

/* ends a connection; `again`: it comes back by itself */
static void end(struct station *s, int again) {
    if (s->state == CONNECTING || s->state == UPGRADING) connecting--;
    if (s->state == OPEN) connected--;
    if (s->sent) outstanding--;
    if (s->left > 0) playing--;
    close(s->fd);
    free(s->in), free(s->out);
    s->in = s->out = NULL;
    s->in_size = s->out_size = s->watched = s->left = 0;
    s->sent = 0;
    s->state = CLOSED;
    if (again) {
        int at = (retry_first + retry_count++) % station_count;
        retries[at] = s - stations, retry_due[at] = now() + RETRY;
        s->state = WAITING;
    }
}

static void play(struct station *s, struct script *script, int left) {
    if (s->left <= 0 && left > 0) playing++;
    s->script = script, s->left = left, s->at = 0;
}

static void upgrade(struct station *s) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        end(s, 1);
        return;
    }
    char text[512];
    int length = snprintf(text, sizeof text,
        "GET %sBENCH%05ld HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n", path, (long)(s - stations));
    s->state = UPGRADING;
    put(s, text, length);
    watch(s);
}

/* --- receiving --- */

static void answered(struct station *s, char *text) {
    double at = now();
    char *found = strstr(text, "\"transactionId\"");
    if (found) s->transaction = strtol(found + 16 + (found[15] != ':'), NULL, 10);
    calls++;
    if (text[1] != '3' && errors++ < 5) fprintf(stderr, "%.300s\n", text);
    if (!s->sent) return; /* of a flood */
    if (!only_beats || s->script == &heartbeat) note(at - s->sent);
    outstanding--;
    s->sent = 0;
    if (s->left > 0 && s->script == boot_script && s->at == 1) errors += !strstr(text, "\"Accepted\"");
    if (s->left > 0 && --s->left == 0) playing--;
    if (s->left > 0 || (s->left < 0 && at < until)) send_next(s, at);
}

/* a CALL of the server: its id is behind the first quote */
static void called(struct station *s, char *text) {
    static char answer[256];
    char *id = strchr(text, '"'), *close = id ? strchr(id + 1, '"') : NULL;
    if (!close) return;
    int reads = strstr(close, "\"GetConfiguration\"") != NULL;
    taken++;
    put_frame(s, TEXT, answer, snprintf(answer, sizeof answer, "[3,%.*s,%s]", (int)(close - id + 1), id,
        reads ? "{\"configurationKey\":[]}" : "{\"status\":\"Accepted\"}"));
}

static void take(struct station *s, int opcode, char *payload, int size) {
    char behind = payload[size];
    payload[size] = 0;
    if (opcode == TEXT && size > 1) (payload[1] == '2' ? called : answered)(s, payload);
    if (opcode == PING) put_frame(s, PONG, payload, size);
    payload[size] = behind;
    if (opcode == CLOSE) lost++, end(s, 1);
}

static int take_head(struct station *s, char *data, int size) {
    data[size] = 0;
    char *close = strstr(data, "\r\n\r\n");
    if (!close) return 0;
    connecting--;
    s->state = OPEN;
    connected++;
    if (strncmp(data, "HTTP/1.1 101", 12)) errors++, end(s, 1);
    else if (boot_script) play(s, boot_script, boot_script->count), send_next(s, now());
    return close + 4 - data;
}

/* takes one frame; returns its size, 0 where it is not complete */
static int take_frame(struct station *s, char *data, int size) {
    if (size < 2) return 0;
    int head = 2, length = data[1] & 127;
    if (length == 126) {
        if (size < 4) return 0;
        head = 4, length = (uint8_t)data[2] << 8 | (uint8_t)data[3];
    }
    if (length == 127) fail("a frame of the server is too long");
    if (size < head + length) return 0;
    take(s, data[0] & 15, data + head, length);
    return head + length;
}

static void receive(struct station *s) {
    int size = s->in_size, at = 0, used;
    memcpy(buffer, s->in, size);
    int got = read(s->fd, buffer + size, BIGGEST);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        lost += s->state == OPEN;
        end(s, 1);
        return;
    }
    size += got;
    while (at < size) {
        used = s->state == UPGRADING ? take_head(s, buffer + at, size - at) : take_frame(s, buffer + at, size - at);
        if (s->state < UPGRADING) return;
        if (!used) break;
        at += used;
    }
    s->in_size = size - at;
    s->in = realloc(s->in, s->in_size + 1);
    memcpy(s->in, buffer + at, s->in_size);
}

static void writable(struct station *s) {
    if (s->state == CONNECTING) {
        upgrade(s);
        return;
    }
    if (s->out_size) {
        int done = write(s->fd, s->out, s->out_size);
        if (done > 0) memmove(s->out, s->out + done, s->out_size -= done);
        if (!s->out_size) watch(s);
    }
}

/* what station 0 has to send until now; what its socket does not take is dropped */
static void flood(double seconds, double rate) {
    struct station *s = stations;
    if (s->state != OPEN || s->out_size) return;
    for (long owed = (long)(seconds * rate) - tried; owed > 0 && !s->out_size; owed--)
        flooded++, send_line(s, heartbeat.lines);
    tried = (long)(seconds * rate);
}

static void turn(double wake) {
    struct epoll_event events[512];
    struct itimerspec at = {.it_value = {(time_t)wake, (long)((wake - (time_t)wake) * 1e9)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    int count = epoll_wait(epoll, events, 512, -1);
    tell_time();
    for (int i = 0; i < count; i++) {
        struct station *s = events[i].data.ptr;
        if (!s || s->state < CONNECTING) continue; /* the timer; one that has ended in this turn */
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && s->state > CONNECTING) receive(s);
        else if (s->state == CONNECTING) upgrade(s);
        if (events[i].events & EPOLLOUT && s->state > CONNECTING) writable(s);
    }
}

/* --- what it is told --- */

static struct script *script_of(const char *name) {
    for (int i = 0; i < script_count; i++)
        if (!strcmp(scripts[i].name, name)) return &scripts[i];
    fprintf(stderr, "there is no script %s\n", name);
    exit(1);
}

static double retry(double at) {
    while (retry_count && retry_due[retry_first] <= at) {
        struct station *s = &stations[retries[retry_first]];
        retry_first = (retry_first + 1) % station_count, retry_count--;
        if (s->state == WAITING) begin(s);
    }
    return retry_count ? retry_due[retry_first] : at + 1;
}

static void open_all(const char *name, double spread, double every) {
    double began = now(), beat_due = began;
    int first = 0, turned = 0;
    boot_script = script_of(name);
    only_beats = every > 0;
    retry_count = 0;
    while (first < station_count || connecting || playing || retry_count) {
        double at = now(), wake = retry(at);
        for (; first < station_count; first++) {
            double due = began + spread * first / station_count;
            if (spread ? due > at : connecting + playing >= AT_ONCE) {
                if (spread && due < wake) wake = due;
                break;
            }
            if (stations[first].state < CONNECTING) begin(&stations[first]);
        }
        for (; every && beat_due <= at; beat_due += every / station_count) {
            struct station *s = &stations[turned++ % station_count];
            if (s->state == OPEN && s->left == 0 && !s->sent) s->script = &heartbeat, s->at = 0, send_next(s, at);
        }
        if (every && beat_due < wake) wake = beat_due;
        turn(wake);
    }
    only_beats = 0;
}

static void finish(void) {
    double ends = now() + LAST;
    while (outstanding && now() < ends) turn(ends < now() + 1 ? ends : now() + 1);
    errors += outstanding;
}

static void closed(const char *name, double seconds) {
    double at = now();
    until = at + seconds;
    for (int i = 0; i < station_count; i++) {
        struct station *s = &stations[i];
        if (s->state != OPEN || s->sent) continue;
        struct script *script = script_of(name);
        int place = s->script == script ? s->at : (int)((long)i * script->count / station_count);
        play(s, script, -1);
        s->at = place;
        send_next(s, at);
    }
    while (now() < until) turn(until);
    finish();
}

static void paced(const char *name, double seconds, double rate, double churn, double flood_rate) {
    double began = now(), due = began, gone = began;
    int next = 0, leaves = 0;
    struct script *script = script_of(name);
    until = began + seconds;
    for (double at; (at = now()) < until;) {
        double wake = retry(at);
        for (; due <= at; due += 1 / rate)
            for (int tried = 0; tried < station_count; tried++) {
                struct station *s = &stations[next++ % station_count];
                if (s->state != OPEN || s->sent || s->flooding || s->left > 0) continue;
                if (s->script != script) s->at = (int)((s - stations) * (long)script->count / station_count);
                s->script = script, s->left = 0;
                if (churn && !s->transaction && !strcmp(script->lines[s->at].action, "StopTransaction"))
                    s->at = (s->at + 1) % script->count; /* it began in the middle of a session */
                send_next(s, due);
                break;
            }
        if (flood_rate) flood(at - began, flood_rate);
        for (; churn && gone <= at; gone += 1 / churn) {
            struct station *s = &stations[leaves++ % station_count];
            if (s->state == OPEN && !s->sent) end(s, 1);
        }
        turn(due < wake ? due : wake);
    }
    finish();
}

static void wait_for(double seconds) {
    for (double ends = now() + seconds, at; (at = now()) < ends;) {
        double wake = retry(at);
        turn(ends < wake ? ends : wake);
    }
}

static void drop(void) {
    for (int i = 0; i < station_count; i++)
        if (stations[i].state > WAITING) end(&stations[i], 0);
}

static int obey(char *line) {
    char verb[16] = "", name[32] = "", boot[32] = "";
    double a = 0, b = 0, c = 0;
    sscanf(line, "%15s %31s %lf %lf %lf %31s", verb, name, &a, &b, &c, boot);
    if (!strcmp(verb, "open")) open_all(name, a, 0);
    else if (!strcmp(verb, "storm")) open_all(name, a, b);
    else if (!strcmp(verb, "closed")) closed(name, a);
    else if (!strcmp(verb, "paced")) paced(name, a, b, 0, 0);
    else if (!strcmp(verb, "flood")) stations[0].flooding = 1, paced(name, a, b, 0, c), stations[0].flooding = 0;
    else if (!strcmp(verb, "soak")) boot_script = script_of(boot), paced(name, a, b, c, 0);
    else if (!strcmp(verb, "wait")) wait_for(atof(name));
    else if (!strcmp(verb, "drop")) drop();
    else return 0;
    return 1;
}

static void load_script(char *argument) {
    struct script *script = &scripts[script_count++];
    char *equals = strchr(argument, '='), *line = NULL;
    size_t room = 0;
    ssize_t size;
    FILE *file = equals && script_count <= MOST_SCRIPTS ? fopen(equals + 1, "r") : NULL;
    if (!file) fail(argument);
    snprintf(script->name, sizeof script->name, "%.*s", (int)(equals - argument), argument);
    for (; (size = getline(&line, &room, file)) > 0; line = NULL, room = 0) {
        if (line[size - 1] == '\n') line[size - 1] = 0;
        char *tab = strchr(line, '\t');
        if (!tab) fail("a line without a tab");
        *tab = 0;
        script->lines = realloc(script->lines, sizeof *script->lines * (script->count + 1));
        script->lines[script->count++] = (struct line){line, tab + 1};
    }
    fclose(file);
}

int main(int count, char **arguments) {
    if (count < 6) return fprintf(stderr, "load HOST PORT PATH STATIONS NAME=FILE...\n"), 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    inet_pton(AF_INET, arguments[1], &server.sin_addr);
    path = arguments[3];
    station_count = atoi(arguments[4]);
    for (int i = 5; i < count; i++) load_script(arguments[i]);
    stations = calloc(station_count, sizeof *stations);
    retries = calloc(station_count, sizeof *retries), retry_due = calloc(station_count, sizeof *retry_due);
    epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    for (char line[256]; fgets(line, sizeof line, stdin);) {
        double began = now(), used = cpu();
        memset(counts, 0, sizeof counts);
        calls = errors = lost = flooded = tried = taken = 0, slowest = 0;
        tell_time();
        if (!obey(line)) return fprintf(stderr, "what is %s", line), 2;
        printf("{\"calls\":%ld,\"errors\":%ld,\"lost\":%ld,\"seconds\":%.6f,\"cpu\":%.6f,\"p50\":%.6f,\"p99\":%.6f,"
               "\"max\":%.6f,\"connected\":%d,\"flooded\":%ld,\"taken\":%ld}\n", calls, errors, lost, now() - began,
               cpu() - used, quantile(0.5), quantile(0.99), slowest, connected, flooded, taken);
        fflush(stdout);
    }
    return 0;
}
