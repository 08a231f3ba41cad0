# cna - `make help` lists the targets.
# What multiplies matrices: onednn, or reference (plain loops that need no library; for tests, not for speed).
PRODUCTS ?= onednn
BUILD   ?= build$(if $(filter reference,$(PRODUCTS)),/reference)
ifeq ($(origin CC),default)
CC       = gcc
endif
PREFIX  ?= /usr/local
CFLAGS  ?= -O3 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
# No contraction: gcc and clang fuse differently, and a fused sum is another sum.
FLAGS    = -std=c17 -ffp-contract=off -fopenmp -fvisibility=hidden -Iinclude -Isrc $(WARN) $(CFLAGS) $(SANITIZE)

PACKAGES := jansson libpcre2-8 libutf8proc libcrypto sqlite3 libcurl
CPPFLAGS += $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS     := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm
# A server for tests of the judge; nothing that is installed links it.
TEST_LIBS := -lcmocka -lmicrohttpd -lpthread
ifeq ($(PRODUCTS),onednn)
LIBS     += -ldnnl # oneDNN ships no pkg-config file on Debian 12.
OTHER_PRODUCTS = src/tensor/reference_products.c
else ifeq ($(PRODUCTS),reference)
OTHER_PRODUCTS = src/tensor/onednn.c
else
$(error PRODUCTS: expected onednn or reference, found '$(PRODUCTS)')
endif

LIB_SRC  := $(sort $(filter-out $(OTHER_PRODUCTS),$(wildcard src/base/*.c src/hub/*.c src/tensor/*.c src/checkpoint/*.c \
                     src/text/*.c src/engine/*.c src/method/*.c src/study/*.c)))
CLI_SRC  := $(sort $(wildcard src/cli/*.c))
# Those that take longest are first, so that none is left running alone.
SLOWEST  := $(addprefix tests/test_,sweep_run.c engine_bits.c sweep.c linear.c mmlu_run.c statistics.c engine.c)
TEST_SRC := $(SLOWEST) $(sort $(filter-out $(SLOWEST),$(wildcard tests/test_*.c)))
TEST_AUX := $(sort $(filter-out $(TEST_SRC),$(wildcard tests/*.c)))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
# The program without its main, for tests of its parts.
CLI_PARTS := $(filter-out $(BUILD)/obj/src/cli/main.o,$(CLI_OBJ))
AUX_OBJ  := $(TEST_AUX:%.c=$(BUILD)/obj/%.o)
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
FUZZ_AUX := fuzz/support.c fuzz/text_use.c fuzz/run_use.c
FUZZ_SRC := $(sort $(filter-out $(FUZZ_AUX) fuzz/replay.c,$(wildcard fuzz/*.c)))
FUZZ     := $(FUZZ_SRC:fuzz/%.c=$(BUILD)/fuzz/%)
# Whole databases take long under tools that make programs slow; almost all of that time is SQLite's.
FUZZ_BRIEF := $(filter-out $(BUILD)/fuzz/run $(BUILD)/fuzz/rows,$(FUZZ))
BRIEF    := $(TEST_SRC:tests/%.c=%)
# What valgrind leaves out: the longest, tests of the memory that a process holds (valgrind adds its own), and a child that
# is to end without giving anything back.
LONG     := test_attribute test_circuit test_engine_bits test_judge test_linear test_tokenizer test_bench test_bus test_caa test_mmlu_run \
            test_pull test_report test_run_crash test_run_hostile test_statistics test_stream test_sweep test_sweep_run
# What ThreadSanitizer leaves out: programs that were seen to start no thread.
SERIAL   := $(addprefix test_,chat checkpoint circuit comparison config contrast contrasts control hub mmlu plot prompts quality \
              random refusal report report_tables resources run run_crash run_hostile run_verdicts safetensors sample select stats survey tap \
              template tokenizer tokenizer_kinds tree universal utf8 vocab)

# Quiet unless V=1.
ifneq ($(V),1)
Q = @
say = @echo "  $(1) $(2)"
endif

all: $(BUILD)/cna ## build the program, build/cna

$(BUILD)/cna: $(CLI_OBJ) $(BUILD)/libcna.a
	$(call say,link,$@)
	$(Q)$(CC) $(FLAGS) -o $@ $(CLI_OBJ) $(BUILD)/libcna.a $(LDFLAGS) $(LIBS)

$(BUILD)/libcna.a: $(LIB_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc,$<)
	$(Q)$(CC) $(FLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/libcli.a: $(CLI_PARTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/tests/test_%: $(BUILD)/obj/tests/test_%.o $(AUX_OBJ) $(BUILD)/tests/libcli.a $(BUILD)/libcna.a
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(FLAGS) -o $@ $< $(AUX_OBJ) $(BUILD)/tests/libcli.a $(BUILD)/libcna.a $(LDFLAGS) $(LIBS) $(TEST_LIBS)

# One parser each, over the files that it is given (fuzz/replay.c), or with libFuzzer where ENGINE says so. --wrap lets
# fuzz/support.c look at each allocation.
ENGINE   ?= $(BUILD)/obj/fuzz/replay.o
$(BUILD)/fuzz/%: $(BUILD)/obj/fuzz/%.o $(FUZZ_AUX:%.c=$(BUILD)/obj/%.o) $(filter %.o,$(ENGINE)) $(BUILD)/libcna.a
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(FLAGS) -o $@ $(filter %.o,$^) $(filter-out %.o,$(ENGINE)) -Wl,--wrap=aligned_alloc $(BUILD)/libcna.a \
	$(LDFLAGS) $(LIBS)
fuzzers: $(FUZZ)

# What the oracle asks the library where no command does.
$(BUILD)/tests/oracle/%: $(BUILD)/obj/tests/oracle/%.o $(BUILD)/libcna.a
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(FLAGS) -o $@ $< $(BUILD)/libcna.a $(LDFLAGS) $(LIBS)

tests: $(TESTS) $(BUILD)/cna

setup: ## install what is missing, through apt
	@tools/setup.sh

# The packages may only come with setup, so what depends on them runs in a second make, on all cores unless told.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null))
demo: setup ## find a behaviour, switch it off, turn it up, control for it; under 5 minutes
	@$(MAKE) --no-print-directory $(JOBS) all
	@CNA_BIN=$(BUILD)/cna OUT=$(BUILD)/demo examples/demo.sh

test: setup ## build and run the whole suite; under 5 minutes
	@$(MAKE) --no-print-directory $(JOBS) run-tests

# Side by side.
TEST_JOBS ?= $(shell nproc 2>/dev/null || echo 1)
CLI_TESTS := $(addprefix tests/,cli_circuits.sh cli_runs.sh cli_usage.sh)
SCRIPTS   ?= $(CLI_TESTS) $(addprefix tests/,study.sh kill.sh install.sh browser.sh)
run-tests: tests fuzzers
	@CNA_BIN=$(BUILD)/cna MAKE="$(MAKE)" JOBS=$(TEST_JOBS) tests/run.sh $(SCRIPTS) $(TESTS) $(FUZZ)

browser: all ## reports in a headless chromium, if there is one
	@CNA_BIN=$(BUILD)/cna tests/browser.sh

oracle: setup ## compare with Hugging Face (makes a Python venv in build/)
	@$(MAKE) --no-print-directory $(JOBS) all $(BUILD)/tests/oracle/caa $(BUILD)/tests/oracle/spm
	@CNA_BIN=$(BUILD)/cna tests/oracle/run.sh

# Of the scripts those that give the program most to do; what the others look at is not memory.
asan: setup ## the suite under AddressSanitizer and UndefinedBehaviorSanitizer
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 CNA_TEST_ONE_ISA=1 \
	$(MAKE) --no-print-directory $(JOBS) test BUILD=$(BUILD)/asan CFLAGS='-O1 -g' SCRIPTS='$(CLI_TESTS) tests/kill.sh' \
	SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

# clang and its own OpenMP runtime: it tells ThreadSanitizer (through libarcher) where threads meet, which gcc's does not.
# What libraries do that were built without it is not looked at.
tsan: setup ## programs with threads and a short run of the program under ThreadSanitizer
	@tools/setup.sh clang
	@CNA_TEST_BRIEF=1 TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1 \
	$(MAKE) --no-print-directory $(JOBS) run-brief PRODUCTS=reference CC=clang BUILD=$(BUILD)/tsan CFLAGS='-O2 -g' \
	SANITIZE=-fsanitize=thread RUN='$(filter-out $(SERIAL),$(BRIEF))' FUZZ_BRIEF=

VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all \
            --suppressions=tests/valgrind.supp
# Two threads, which valgrind runs in turns.
valgrind: setup ## the suite without its longest programs and a short run of the program under valgrind
	@tools/setup.sh valgrind
	@CNA_TEST_BRIEF=1 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive $(MAKE) --no-print-directory $(JOBS) run-brief PRODUCTS=reference \
	BUILD=$(BUILD)/valgrind CFLAGS='-O2 -g' RUN='$(filter-out $(LONG),$(BRIEF))' \
	UNDER='$(VALGRIND)'

arm64: ## cross-build and run a part of the tests under qemu's user mode
	@tools/arm64.sh

run-brief: $(BUILD)/cna $(RUN:%=$(BUILD)/tests/%) $(FUZZ_BRIEF)
	@CNA_BIN=$(BUILD)/cna UNDER='$(UNDER)' JOBS=$(TEST_JOBS) tests/run.sh tests/short.sh $(RUN:%=$(BUILD)/tests/%) $(FUZZ_BRIEF)

# Each fuzzer for FUZZ_SECONDS, as many at once as there are cores; FUZZ_TARGETS="gguf run" takes some alone.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(FUZZ_SRC:fuzz/%.c=%)
fuzz: setup ## hostile input: each parser fuzzed for FUZZ_SECONDS (60) under ASan and UBSan
	@tools/setup.sh clang
	@$(MAKE) --no-print-directory $(JOBS) fuzzers PRODUCTS=reference CC=clang BUILD=$(BUILD)/fuzzing CFLAGS='-O1 -g -Wno-pass-failed' \
	SANITIZE='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer' \
	ENGINE=-fsanitize=fuzzer FUZZ='$(FUZZ_TARGETS:%=$(BUILD)/fuzzing/fuzz/%)'
	@FUZZ_SECONDS=$(FUZZ_SECONDS) BUILD=$(BUILD)/fuzzing fuzz/fuzz.sh $(FUZZ_TARGETS)

lint: ## layers, sizes, banned calls, exported names
	@CC=$(CC) BUILD=$(BUILD) tools/lint.sh

VERSION   = $(shell sed -n 's/^\#define CNA_VERSION "\(.*\)"/\1/p' include/cna.h)
install: all ## install program, headers, library, cna.pc and contrast sets under PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -d $(DESTDIR)$(PREFIX)/share/cna/contrasts
	install -m 644 contrasts/*.txt contrasts/README.md $(DESTDIR)$(PREFIX)/share/cna/contrasts/
	install -m 755 $(BUILD)/cna $(DESTDIR)$(PREFIX)/bin/cna
	install -m 644 include/*.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILD)/libcna.a $(DESTDIR)$(PREFIX)/lib/libcna.a
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PACKAGES@|$(PACKAGES)|' \
	-e 's|@LIBS@|$(filter -ldnnl,$(LIBS)) -fopenmp -lm|' tools/cna.pc.in >$(BUILD)/cna.pc
	install -m 644 $(BUILD)/cna.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/cna.pc

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(AUX_OBJ:.o=.d) $(TEST_SRC:%.c=$(BUILD)/obj/%.d) $(wildcard $(BUILD)/obj/fuzz/*.d)
.PHONY: all tests fuzzers fuzz setup demo test run-tests oracle browser asan tsan valgrind arm64 run-brief lint install clean help
.SECONDARY:
