/* SPDX-License-Identifier: MIT
 * The running test program once more. */
#define _XOPEN_SOURCE 700
#include "child.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "support.h"

static const char self[] = "/proc/self/exe";
static const char marker[] = "CNA_TEST_CHILD";

void child_wait_passively(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") != NULL || access(self, X_OK) != 0) return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv(self, argv);
}

bool child_is_one(void)
{
    return getenv(marker) != NULL;
}

/* Only between fork and exec. */
static void become_child(const char *isa, FILE *output)
{
    char *arguments[] = {(char *)(uintptr_t)self, NULL};
    setenv("DNNL_MAX_CPU_ISA", isa, 1);
    setenv(marker, isa, 1);
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(output), STDERR_FILENO);
    execv(self, arguments);
    _exit(127);
}

static void show(FILE *output)
{
    char line[512];
    rewind(output);
    while (fgets(line, sizeof line, output) != NULL) print_message("  %s", line);
}

void child_test_each_isa(void **state)
{
    (void)state;
    static const char *const isas[] = {"AVX512_CORE", "AVX2", "SSE41"};
#ifndef __x86_64__
    print_message("skipped: only on x86 can oneDNN be made to act as on an older processor\n");
    skip();
#endif
    if (access(self, X_OK) != 0) {
        print_message("skipped: %s is needed to start the program again\n", self);
        skip();
    }
    bool one = getenv("CNA_TEST_BRIEF") != NULL || getenv("CNA_TEST_ONE_ISA") != NULL;
    for (size_t i = one ? 1 : 0; i < (one ? 2 : sizeof isas / sizeof *isas); i++) {
        FILE *output = tmpfile();
        assert_non_null(output);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) become_child(isas[i], output);
        int status = -1;
        assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
        bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!passed) show(output);
        fclose(output);
        if (!passed) fail_msg("DNNL_MAX_CPU_ISA=%s: wait status %d", isas[i], status);
    }
}
