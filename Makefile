# SPDX-License-Identifier: Apache-2.0
# make, make check (root), make demo (root), make bench and bench-inside (root), make install; V=1 shows commands, SAN=1 builds
# with address and undefined-behaviour sanitizers, CC=clang works too.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
# systemd looks below /usr/local/lib, too; other prefixes but /usr it may not
UNITDIR ?= $(PREFIX)/lib/systemd/system
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG ?= clang
BPFTOOL ?= $(shell command -v bpftool 2>/dev/null || echo /usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config
# Debian's, for which tools/deps.sh installs pytest; another python3 may come first on PATH
PYTHON3 ?= /usr/bin/python3
PROTOC_C ?= protoc-c
BUILD ?= build$(if $(SAN),-san)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

PACKAGES := libbpf libelf libdw libcjson libprotobuf-c zlib ncursesw
CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -fno-strict-aliasing
override CPPFLAGS += -I. -Iuserspace -I$(BUILD) -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -MMD -MP $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -liberty -lm
ifdef SAN
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif

SOURCES := $(sort $(shell find userspace -name '*.c' -o -name '*.S'))
# from userspace/export/*.proto
PROTOS := $(patsubst userspace/%.proto,$(BUILD)/%.pb-c,$(sort $(wildcard userspace/export/*.proto)))
OBJECTS := $(patsubst %,$(BUILD)/%.o,$(SOURCES)) $(PROTOS:%=%.c.o)
LIBRARY := $(filter-out $(BUILD)/userspace/main.c.o,$(OBJECTS))
BPF_SOURCES := $(sort $(wildcard bpf/*.bpf.c))
BPF_OBJECTS := $(BPF_SOURCES:%.bpf.c=$(BUILD)/%.bpf.o)
SKELETON := $(BUILD)/fixingahole.skel.h
UNIT := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c tests/golden/test_*.c tests/walker/test_*.c)))
FUZZ := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all
all: $(BUILD)/fixingahole $(BUILD)/libfixingahole-heap.so $(BUILD)/libfixingahole-calls.so

$(BUILD)/fixingahole: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.c.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/%.S.o: %.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -c -o $@ $<
$(BUILD)/userspace/target/hook_data.S.o: $(wildcard userspace/target/hook/*.py)

# formats of others: C from their schemas, in which warnings are nobody's fault here
$(PROTOS:%=%.c.o): %.c.o: %.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<
$(BUILD)/export/%.pb-c.c $(BUILD)/export/%.pb-c.h &: userspace/export/%.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(PROTOC_C) --proto_path=$(<D) --c_out=$(@D) $<
$(filter $(BUILD)/userspace/export/%,$(OBJECTS)): $(PROTOS:%=%.h)

# preload/: what a launched target loads before libc. A second build of it, for tests, records in place of the probes.
PRELOAD_SOURCES := $(sort $(wildcard preload/*.c))
PRELOAD_DEPENDS := $(PRELOAD_SOURCES) preload/hot.S preload/probes.S $(wildcard preload/*.h tests/preload/*.h)
PRELOAD_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -fno-strict-aliasing -I. -Itests -O2 -g -fPIC \
	-ftls-model=initial-exec -fvisibility=hidden -fno-plt -fno-builtin -fcf-protection=none
PRELOAD_LDFLAGS := -shared -Wl,-z,now -Wl,-soname,libfixingahole-heap.so

$(BUILD)/libfixingahole-heap.so: $(PRELOAD_DEPENDS)
	$(call say,PRELOAD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_CFLAGS) $(PRELOAD_LDFLAGS) -o $@ $(PRELOAD_SOURCES) preload/hot.S preload/probes.S

$(BUILD)/tests/libfixingahole-heap-test.so: $(PRELOAD_DEPENDS) tests/preload/record.c
	$(call say,PRELOAD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_CFLAGS) $(PRELOAD_LDFLAGS) -o $@ $(PRELOAD_SOURCES) preload/hot.S tests/preload/record.c

# counts calls: a library of its own, with nothing before malloc
CALLS_SOURCES := $(sort $(wildcard preload/calls/*.c)) preload/environment.c preload/lock.c userspace/python/layout.c
$(BUILD)/libfixingahole-calls.so: $(CALLS_SOURCES) $(wildcard preload/*.h preload/calls/*.h bpf/*.h userspace/python/*.h)
	$(call say,PRELOAD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_CFLAGS) -Iuserspace -DENVIRONMENT_NAMES='CALLS_ENV_FILE "="' -include preload/calls_file.h \
		-shared -Wl,-z,now -Wl,-soname,libfixingahole-calls.so -o $@ $(CALLS_SOURCES) -lpthread

# its parts that are no allocator's functions, for unit tests
PRELOAD_PARTS := $(patsubst %,$(BUILD)/preload-parts/%.o,preload/blocks.c preload/copy_line.c preload/lock.c preload/marks.c preload/pools.c preload/sampler.c preload/slots.c)
CALLS_PARTS := $(patsubst %,$(BUILD)/preload-parts/%.o,preload/calls/count.c preload/calls/file.c preload/calls/map.c)
$(PRELOAD_PARTS) $(CALLS_PARTS): $(BUILD)/preload-parts/%.c.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
PRELOAD_UNIT := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_preload_*.c)))
$(BUILD)/tests/unit/test_preload_calls: MORE_PARTS := $(CALLS_PARTS)
$(BUILD)/tests/unit/test_preload_calls: $(CALLS_PARTS)
$(PRELOAD_UNIT): $(BUILD)/%: %.c $(PRELOAD_PARTS) $(LIBRARY) $(BUILD)/tests/libfixingahole-heap-test.so $(BUILD)/libfixingahole-heap.so
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests -DBUILD_DIR='"$(abspath $(BUILD))"' $(CFLAGS) $(LDFLAGS) -o $@ $< $(PRELOAD_PARTS) $(MORE_PARTS) $(LIBRARY) $(LDLIBS) -lcmocka -lpthread

# random calls from 16 threads: under sanitizers, for which the library's functions get other names, and preloaded
STRESS_SECONDS ?= 60
STRESS_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -fno-strict-aliasing -fno-builtin -g -O1 -I. -Itests
STRESS_RENAMED := $(foreach f,malloc calloc realloc reallocarray free memalign aligned_alloc valloc pvalloc posix_memalign \
	malloc_usable_size _exit _Exit mmap mmap64 munmap mremap setrlimit setrlimit64 prlimit prlimit64 \
	execve execv execvpe execvp fexecve execveat posix_spawn posix_spawnp execl execlp execle system popen,-D$f=preload_test_$f)
STRESS := $(addprefix $(BUILD)/tests/stress-,thread address plain)
$(BUILD)/tests/stress-%: $(PRELOAD_DEPENDS) tests/preload/stress.c
	$(call say,STRESS,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(STRESS_CFLAGS) $(if $(filter plain,$*),-DWITH_FORK tests/preload/stress.c,$(STRESS_RENAMED) -DWITHOUT_COPIES -fsanitize=$* $(PRELOAD_SOURCES) preload/hot.S preload/probes.S tests/preload/stress.c) -o $@ -lpthread

.PHONY: stress
stress: $(STRESS) $(BUILD)/libfixingahole-heap.so
	$(Q)FIXINGAHOLE_HEAP_STRIDE=4096 FIXINGAHOLE_HEAP_RATE=0 $(BUILD)/tests/stress-thread $(STRESS_SECONDS)
	$(Q)FIXINGAHOLE_HEAP_STRIDE=4096 FIXINGAHOLE_HEAP_RATE=0 $(BUILD)/tests/stress-address $(STRESS_SECONDS)
	$(Q)FIXINGAHOLE_HEAP_STRIDE=4096 FIXINGAHOLE_HEAP_RATE=0 LD_PRELOAD=$(abspath $(BUILD))/libfixingahole-heap.so $(BUILD)/tests/stress-plain $(STRESS_SECONDS)

# bpf/: every event source is an object of its own, linked into one, with one skeleton
$(BUILD)/%.bpf.o: %.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -O2 -g -fno-strict-aliasing -Wall -Wextra -Werror -Wno-unused-parameter -I. -Ivmlinux -Ibpf -MMD -MP -c -o $@ $<

$(BUILD)/fixingahole.bpf.o: $(BPF_OBJECTS)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BUILD)/fixingahole.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name fixingahole_bpf > $@

$(filter $(BUILD)/userspace/capture/%,$(OBJECTS)): $(SKELETON)

# tests: each test_*.c is a cmocka program over the whole library
$(BUILD)/tests/%: tests/%.c $(LIBRARY)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS) -lcmocka

.PHONY: unit
unit: $(UNIT)
	$(Q)tools/run-tests.sh $(UNIT)

# parsers of foreign data under libFuzzer: make fuzz FUZZ_SECONDS=60
FUZZ_SECONDS ?= 10
FUZZ_CFLAGS := -O1 -g -std=gnu11 -fno-strict-aliasing -fno-sanitize-recover=undefined
# all but what needs the kernel side
FUZZ_OBJECTS := $(patsubst %,$(BUILD)/fuzzed/%.o,$(filter-out $(wildcard userspace/*.c) userspace/capture/capture.c userspace/capture/adopt.c userspace/capture/choose.c userspace/doctor/%,$(SOURCES)) userspace/heap_types.c) $(PROTOS:$(BUILD)/%=$(BUILD)/fuzzed/%.c.o)
$(filter $(BUILD)/fuzzed/userspace/export/%,$(FUZZ_OBJECTS)): $(PROTOS:%=%.h)

$(filter-out %.pb-c.c.o,$(FUZZ_OBJECTS)): $(BUILD)/fuzzed/%.o: %
	$(call say,FUZZED,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

$(filter %.pb-c.c.o,$(FUZZ_OBJECTS)): $(BUILD)/fuzzed/%.o: $(BUILD)/%
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

$(FUZZ): $(BUILD)/%: %.c $(FUZZ_OBJECTS)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< $(FUZZ_OBJECTS) $(LDLIBS)

.PHONY: fuzz fuzz-build
fuzz-build: $(FUZZ)
fuzz: $(FUZZ)
	$(Q)tools/run-fuzz.sh $(FUZZ_SECONDS) $(FUZZ)

# pushes to a server that is slow, fails, vanishes and returns
SOAK_SECONDS ?= 3600
.PHONY: soak-push
soak-push: $(BUILD)/fixingahole $(BUILD)/tests/push/windows
	$(Q)SOAK_SECONDS=$(SOAK_SECONDS) FIXINGAHOLE=$(abspath $(BUILD))/fixingahole $(PYTHON3) -m pytest -q -s -p no:cacheprovider tests/e2e/test_sinks.py tests/e2e/test_service.py -k soak

# --- what a user or a developer calls ---

.PHONY: check
check:
	$(Q)tools/deps.sh build test
	$(Q)tools/check.sh

.PHONY: e2e
e2e: $(BUILD)/fixingahole $(BUILD)/tests/export/encode $(BUILD)/tests/push/windows
	$(Q)FIXINGAHOLE=$(abspath $(BUILD))/fixingahole $(PYTHON3) -m pytest -q -p no:cacheprovider tests/e2e $(E2E)

.PHONY: demo
demo:
	$(Q)tools/deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(BUILD)/fixingahole profile --python /usr/bin/python3 tests/targets/advanced.py

.PHONY: bench
bench:
	$(Q)tools/deps.sh bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON3) tests/bench/bench.py $(BENCH)

# the same within one process each, which sees half a percent
.PHONY: bench-inside
bench-inside:
	$(Q)tools/deps.sh bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(PYTHON3) tests/bench/inside.py $(BENCH)

.PHONY: install
install: $(BUILD)/fixingahole $(BUILD)/libfixingahole-heap.so $(BUILD)/libfixingahole-calls.so
	install -Dm755 $(BUILD)/fixingahole $(DESTDIR)$(PREFIX)/bin/fixingahole
	install -Dm755 $(BUILD)/libfixingahole-heap.so $(DESTDIR)$(PREFIX)/lib/fixingahole/libfixingahole-heap.so
	install -Dm755 $(BUILD)/libfixingahole-calls.so $(DESTDIR)$(PREFIX)/lib/fixingahole/libfixingahole-calls.so
	install -Dm644 man/fixingahole.1 $(DESTDIR)$(PREFIX)/share/man/man1/fixingahole.1
	install -Dm644 completions/fixingahole.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fixingahole
	install -Dm644 completions/_fixingahole $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_fixingahole
	install -Dm644 completions/fixingahole.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/fixingahole.fish
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' systemd/fixingahole.service > $(DESTDIR)$(UNITDIR)/fixingahole.service
	chmod 644 $(DESTDIR)$(UNITDIR)/fixingahole.service
	test -e $(DESTDIR)$(SYSCONFDIR)/fixingahole/record.conf || install -Dm600 systemd/record.conf $(DESTDIR)$(SYSCONFDIR)/fixingahole/record.conf

.PHONY: uninstall
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/fixingahole lib/fixingahole/libfixingahole-heap.so lib/fixingahole/libfixingahole-calls.so share/man/man1/fixingahole.1 share/bash-completion/completions/fixingahole share/zsh/site-functions/_fixingahole share/fish/vendor_completions.d/fixingahole.fish) $(DESTDIR)$(UNITDIR)/fixingahole.service
	[ ! -d $(DESTDIR)$(PREFIX)/lib/fixingahole ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/lib/fixingahole

.PHONY: clean
clean:
	rm -rf build build-san build-clang

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
