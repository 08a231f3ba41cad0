/* SPDX-License-Identifier: MIT
 * Progress on standard error, and Ctrl-C. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* winsize */
#include "cli/progress.h"

#include "cli/messages.h"
#include "cli/output.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static struct {
    char what[64];  /* the work under way */
    double started; /* s; when it began */
    double shown;   /* s; when it was last drawn */
    size_t first;   /* done when it began */
    bool off;
} bar;

static volatile sig_atomic_t bar_on_screen;

static void on_signal(int number)
{
    if (caught != 0) {
        cli_file_remove_all();
        _exit(128 + number);
    }
    caught = number;
}

static atomic_flag has_ended = ATOMIC_FLAG_INIT;

/* A page of a mapped file cannot be had. No work can go on from here, and only what is safe in a signal handler may be
 * called. Threads often meet the same hole at once: the first speaks for all. Any other SIGBUS is a mistake of the
 * program, which ends it as usual. */
static void on_bus_error(int number, siginfo_t *information, void *context)
{
    static const char clear[] = "\r\033[K",
                      text[] = "cna: a file in use has lost part of what it had when it was opened, or its disk fails "
                               "(bus error); leave a model's files as they are while cna runs, see that they are "
                               "whole, and run the command again\n";
    (void)context;
    if (information->si_code != BUS_ADRERR) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    while (atomic_flag_test_and_set(&has_ended)) pause();
    ssize_t ignored = bar_on_screen ? write(STDERR_FILENO, clear, sizeof clear - 1) : 0;
    ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    cli_file_remove_all();
    _exit(CLI_FAILED);
}

void cli_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, inherited;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* What the caller ignores stays ignored: nohup, background jobs of a script. */
        bool ignored = sigaction(numbers[i], NULL, &inherited) == 0 && inherited.sa_handler == SIG_IGN;
        if (!ignored) sigaction(numbers[i], &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a write beyond the limit on file sizes fails instead, and says so */
    action = (struct sigaction){.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

int cli_signal(void)
{
    return caught;
}

bool cli_should_stop(void)
{
    return caught != 0 || !cli_output_works();
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static size_t screen_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* "3:05" or "1:02:09". */
static void format_time(char *out, size_t capacity, double seconds)
{
    unsigned long total = seconds < 0 ? 0 : seconds > 3.6e6 ? 3600000 : (unsigned long)(seconds + 0.5);
    unsigned long hours = total / 3600, minutes = total / 60 % 60;
    if (hours > 0) {
        snprintf(out, capacity, "%lu:%02lu:%02lu", hours, minutes, total % 60);
    } else {
        snprintf(out, capacity, "%lu:%02lu", minutes, total % 60);
    }
}

/* "what 12/200  3.4/s  0:55 left": counts since the work began, so that a continued run is not overrated. */
static void format_state(char *out, size_t capacity, size_t done, size_t total, double elapsed)
{
    size_t fresh = done - bar.first;
    double rate = elapsed > 0 ? (double)fresh / elapsed : 0;
    int n = snprintf(out, capacity, "%s %zu/%zu", bar.what, done, total);
    if (n < 0 || (size_t)n >= capacity || fresh == 0 || elapsed < 0.5) return;
    char left[32];
    format_time(left, sizeof left, (double)(total > done ? total - done : 0) / rate);
    snprintf(out + n, capacity - (size_t)n, "  %.*f/s  %s left", rate < 10 ? 2 : 0, rate, left);
}

static void draw(size_t done, size_t total, double elapsed)
{
    enum { BAR = 24 };
    char state[160], filled[BAR + 1];
    format_state(state, sizeof state, done, total, elapsed);
    size_t width = screen_width(),
           n_filled = total == 0 ? 0 : (size_t)((double)BAR * (double)done / (double)total);
    if (n_filled > BAR) n_filled = BAR;
    memset(filled, '.', BAR);
    memset(filled, '#', n_filled);
    filled[BAR] = '\0';
    fputs("\r\033[K", stderr);
    if (width > strlen(state) + BAR + 4) {
        fprintf(stderr, "[%s] %s", filled, state);
    } else {
        fprintf(stderr, "%.*s", (int)(width > 1 ? width - 1 : 0), state);
    }
    fflush(stderr);
    bar_on_screen = 1;
}

static bool report(void *user, const char *what, size_t done, size_t total)
{
    (void)user;
    double time = now();
    if (strncmp(bar.what, what, sizeof bar.what - 1) != 0 || done < bar.first) {
        snprintf(bar.what, sizeof bar.what, "%s", what);
        bar.started = bar.shown = time;
        bar.first = done;
    }
    bool terminal = isatty(STDERR_FILENO) == 1, verbose = cli_get_verbosity() == CLI_VERBOSE;
    bool due = time - bar.shown >= (terminal ? 0.1 : 10.0);
    if (bar.off || cli_get_verbosity() == CLI_QUIET || !due) return cli_should_stop();
    bar.shown = time;
    if (terminal) {
        cli_notes_show();
        draw(done, total, time - bar.started);
    } else if (verbose) {
        char state[160];
        format_state(state, sizeof state, done, total, time - bar.started);
        cli_note("%s", state);
    }
    return cli_should_stop();
}

static void note(void *user, const char *text)
{
    (void)user;
    if (cli_get_verbosity() == CLI_VERBOSE) cli_note("%s", text);
}

cna_progress cli_progress(void)
{
    return (cna_progress){.report = report, .note = note};
}

void cli_progress_off(void)
{
    cli_progress_clear();
    bar.off = true;
}

void cli_progress_clear(void)
{
    if (!bar_on_screen) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    bar_on_screen = 0;
}
