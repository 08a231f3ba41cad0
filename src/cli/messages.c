/* SPDX-License-Identifier: MIT
 * Messages on standard error. */
#include "cli/messages.h"

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *command_name;
static cli_verbosity verbosity;
static bool failed;

/* Notes waiting to be shown: whole lines. */
static char *pending;
static size_t n_pending, pending_capacity;

void cli_set_command(const char *name)
{
    command_name = name;
}

void cli_set_verbosity(cli_verbosity value)
{
    verbosity = value;
}

cli_verbosity cli_get_verbosity(void)
{
    return verbosity;
}

/* One line, in one write, with nothing in it that a terminal would act on. */
static void put_line(const char *text)
{
    cli_progress_clear();
    fputs("cna: ", stderr);
    cli_put_safe(stderr, text, strlen(text), CLI_ONE_LINE);
    fputc('\n', stderr);
    fflush(stderr);
}

static int fail_with(int code, const char *format, va_list arguments)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    n_pending = 0;
    size_t n = strlen(text);
    if (code == CLI_USAGE && text[n - 1] != '?') { /* a question already says what to try */
        snprintf(text + n, sizeof text - n, "; see 'cna%s%s --help'", command_name != NULL ? " " : "",
                 command_name != NULL ? command_name : "");
    }
    put_line(text);
    failed = true;
    return code;
}

bool cli_has_failed(void)
{
    return failed;
}

int cli_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = fail_with(CLI_USAGE, format, arguments);
    va_end(arguments);
    return code;
}

int cli_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = fail_with(CLI_FAILED, format, arguments);
    va_end(arguments);
    return code;
}

int cli_stopped(void)
{
    if (cli_signal() == 0) return CLI_FAILED; /* standard output failed: cli_output_finish says how */
    cli_fail("interrupted");
    return 128 + cli_signal();
}

int cli_fail_error(const cna_error *err)
{
    return err->status == CNA_ERR_CANCELLED && cli_should_stop() ? cli_stopped() : cli_fail("%s", err->text);
}

int cli_fail_errno(const char *path, const char *what)
{
    int reason = errno;
    return cli_fail("%s: cannot be %s: %s", path, what, strerror(reason));
}

void cli_note(const char *format, ...)
{
    if (verbosity == CLI_QUIET) return;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t n = strlen(text) + 1;
    cli_grow(&pending, &pending_capacity, n_pending + n, 1);
    memcpy(pending + n_pending, text, n);
    n_pending += n;
    if (verbosity == CLI_VERBOSE) cli_notes_show();
}

void cli_notes_show(void)
{
    for (size_t at = 0; at < n_pending; at += strlen(pending + at) + 1) put_line(pending + at);
    n_pending = 0;
}

static void out_of_memory(void)
{
    cli_fail("out of memory");
    cli_file_remove_all();
    exit(CLI_FAILED);
}

void *cli_alloc(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL) out_of_memory();
    return memory;
}

void cli_grow(void *pointer_to_pointer, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) return;
    size_t wanted = *capacity < 16 ? 16 : *capacity;
    while (wanted < need && wanted <= SIZE_MAX / 2) wanted *= 2;
    if (wanted < need || wanted > SIZE_MAX / size) out_of_memory();
    void *memory;
    memcpy(&memory, pointer_to_pointer,
           sizeof memory); /* any object pointer, without breaking aliasing rules */
    memory = realloc(memory, wanted * size);
    if (memory == NULL) out_of_memory();
    memcpy(pointer_to_pointer, &memory, sizeof memory);
    *capacity = wanted;
}
