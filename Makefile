# cna - `make help` lists the targets.
BUILD   ?= build
CC      ?= gcc
PREFIX  ?= /usr/local
CFLAGS  ?= -O3 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
# No contraction: gcc and clang fuse differently, and a fused sum is another sum.
FLAGS    = -std=c17 -ffp-contract=off -fopenmp -fvisibility=hidden -Iinclude -Isrc $(WARN) $(CFLAGS) $(SANITIZE)

PACKAGES := jansson libpcre2-8 libutf8proc libcrypto
CPPFLAGS += $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
# oneDNN ships no pkg-config file on Debian 12.
LIBS     := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -ldnnl -lm

LIB_SRC  := $(sort $(wildcard src/base/*.c src/tensor/*.c src/checkpoint/*.c src/text/*.c src/engine/*.c \
                     src/method/*.c src/study/*.c))
CLI_SRC  := $(sort $(wildcard src/cli/*.c))
TEST_SRC := $(sort $(wildcard tests/test_*.c))
TEST_AUX := $(sort $(filter-out $(TEST_SRC),$(wildcard tests/*.c)))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
AUX_OBJ  := $(TEST_AUX:%.c=$(BUILD)/obj/%.o)
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)

all: $(BUILD)/cna

$(BUILD)/cna: $(CLI_OBJ) $(BUILD)/libcna.a
	$(CC) $(FLAGS) -o $@ $(CLI_OBJ) $(BUILD)/libcna.a $(LDFLAGS) $(LIBS)

$(BUILD)/libcna.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/test_%: $(BUILD)/obj/tests/test_%.o $(AUX_OBJ) $(BUILD)/libcna.a
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -o $@ $< $(AUX_OBJ) $(BUILD)/libcna.a $(LDFLAGS) $(LIBS) -lcmocka

tests: $(TESTS) $(BUILD)/cna

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(AUX_OBJ:.o=.d) $(TEST_SRC:%.c=$(BUILD)/obj/%.d)
.PHONY: all tests
.SECONDARY:
