/* SPDX-License-Identifier: MIT
 * What the system says about memory, from files as Linux writes them. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/resources.h"

#define MIB (1024ull * 1024)

/* Write root/path, making the folders on the way. */
static void put(const char *root, const char *path, const char *text)
{
    char *whole = support_path(root, path);
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(whole, 0777);
        *slash = '/';
    }
    support_write(whole, text, strlen(text));
    cna_free(whole);
}

static void put_memory(const char *root)
{
    put(root, "proc/meminfo", "MemTotal:       24684096 kB\nMemFree:          102400 kB\nMemAvailable:    8388608 kB\n"
                              "Buffers:            2392 kB\n");
}

static void test_system(void **state)
{
    (void)state;
    char *root = support_folder_create();
    assert_true(cna_memory_left(root) == UINT64_MAX);
    put(root, "proc/meminfo", "MemTotal: 24684096 kB\nMemFreeX: 1 kB\nMemAvailable:\n");
    assert_true(cna_memory_left(root) == UINT64_MAX);
    put_memory(root);
    assert_true(cna_memory_left(root) == 8192 * MIB);
    /* No memory cgroup among the mounts, and lines that are cut short. */
    put(root, "proc/self/cgroup", "3:cpuset:/\nrubbish\n4:\n0::/\n");
    put(root, "proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n40 31 0:30 /\n - \nx");
    assert_true(cna_memory_left(root) == 8192 * MIB);
    support_folder_remove(root);
}

/* Version 2: limits of a group and of the groups around it, the soft limit too; pages of files do not count. */
static void test_version_2(void **state)
{
    (void)state;
    char *root = support_folder_create();
    put_memory(root);
    put(root, "proc/self/cgroup", "0::/user.slice/job one\n");
    put(root, "proc/self/mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n"
        "26 23 0:23 / /sys/fs/a\\040b rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n");
    put(root, "sys/fs/a b/user.slice/job one/memory.max", "max\n");
    put(root, "sys/fs/a b/user.slice/job one/memory.current", "104857600\n");
    assert_true(cna_memory_left(root) == 8192 * MIB);
    put(root, "sys/fs/a b/user.slice/memory.max", "1073741824\n");
    put(root, "sys/fs/a b/user.slice/memory.current", "838860800\n"); /* 800 MiB */
    put(root, "sys/fs/a b/user.slice/memory.stat",
        "anon 104857600\nfile 734003200\n"
        "active_file 524288000\ninactive_file 104857600\nshmem 104857600\n"); /* 600 MiB */
    assert_true(cna_memory_left(root) == (1024 - 800 + 600) * MIB);
    put(root, "sys/fs/a b/user.slice/job one/memory.high", "209715200\n"); /* 200 of which 100 are used */
    assert_true(cna_memory_left(root) == 100 * MIB);
    put(root, "sys/fs/a b/user.slice/job one/memory.current", "419430400\n"); /* over the limit already */
    assert_true(cna_memory_left(root) == 0);
    support_folder_remove(root);
}

/* Version 1 beside an empty version 2, as systems in between have it. */
static void test_version_1(void **state)
{
    (void)state;
    char *root = support_folder_create();
    put_memory(root);
    put(root, "proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a/b\n3:memoryx:/\n0::/\n");
    put(root, "proc/self/mountinfo", "34 31 0:31 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
                                     "35 31 0:32 / /cg/memory rw,relatime - cgroup cgroup rw,cpu,memory\n"
                                     "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
    put(root, "cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put(root, "cg/memory/memory.usage_in_bytes", "1000\n");
    put(root, "cg/memory/a/memory.limit_in_bytes", "3221225472\n"); /* 3 GiB */
    put(root, "cg/memory/a/memory.usage_in_bytes", "2147483648\n"); /* 2 GiB */
    put(root, "cg/memory/a/memory.stat", "cache 5\nactive_file 1\ninactive_file 1\ntotal_active_file 1048576\n"
                                         "total_inactive_file 1072693248\n"); /* 1 GiB in all */
    assert_true(cna_memory_left(root) == 2048 * MIB);
    put(root, "cg/memory/a/b/memory.limit_in_bytes", "1073741824\n");
    put(root, "cg/memory/a/b/memory.usage_in_bytes", "4096\n");
    assert_true(cna_memory_left(root) == 1024 * MIB - 4096);
    support_folder_remove(root);
}

/* In a container the mount's top is the container's own group. */
static void test_container(void **state)
{
    (void)state;
    char *root = support_folder_create();
    put_memory(root);
    put(root, "proc/self/mountinfo", "35 31 0:32 /docker/12ab /cg rw - cgroup cgroup rw,memory\n");
    put(root, "cg/memory.limit_in_bytes", "2147483648\n");
    put(root, "cg/memory.usage_in_bytes", "0\n");
    put(root, "cg/in/memory.limit_in_bytes", "1048576\n");
    put(root, "cg/in/memory.usage_in_bytes", "0\n");
    static const struct {
        const char *group;
        uint64_t left;
    } cases[] = {{"4:memory:/docker/12ab\n", 2048 * MIB}, {"4:memory:/docker/12ab/in\n", MIB},
                 {"4:memory:/docker/12abc/in\n", 2048 * MIB}, {"4:memory:/\n", 2048 * MIB}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(root, "proc/self/cgroup", cases[i].group);
        assert_true(cna_memory_left(root) == cases[i].left);
    }
    support_folder_remove(root);
}

/* The machine at hand: what is touched is held, and no more is available than there is. */
static void test_here(void **state)
{
    (void)state;
    enum { N_BYTES = 64 << 20 };
    cna_error err;
    uint64_t before = cna_memory_held();
    if (before == 0) skip();
    char *block;
    assert_ok(cna_alloc(&block, N_BYTES, 1, "test", &err));
    for (size_t i = 0; i < N_BYTES; i += 512) block[i] = (char)i;
    uint64_t held = cna_memory_held();
    assert_true(held >= before + N_BYTES - 2 * MIB);
    assert_true(IS_SANITIZED || held <= before + N_BYTES + 32 * MIB);
    assert_true(cna_memory_available() >= held);
    cna_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system),    cmocka_unit_test(test_version_2), cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_container), cmocka_unit_test(test_here),
    };
    return cmocka_run_group_tests_name("resources", tests, NULL, NULL);
}
