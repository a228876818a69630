// SPDX-License-Identifier: Apache-2.0
/* Programs with known answers under the whole library, on every CPython at hand; what the probes would have said is recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "preload/replay.h"
#include "unit/interpreters.h"

#define LIBRARY BUILD_DIR "/tests/libfixingahole-heap-test.so"

static struct interpreter interpreters[INTERPRETERS_MAX];
static size_t n_interpreters;

/* The library is built for this machine's libc, so the interpreters of another root are not for it. */
static int setup(void **state)
{
	size_t n = interpreters_find(interpreters);

	for (size_t i = 0; i < n; i++)
		if (!interpreters[i].root[0] && !strstr(interpreters[i].path, "/3.7."))
			interpreters[n_interpreters++] = interpreters[i];
	return n_interpreters ? 0 : -1;
}

static void run(const char *python, const char *script, const char *const *environment, struct replay *r)
{
	char *text;

	assert_true(asprintf(&text, "%s%s", REPLAY_PRELUDE, script) > 0);
	assert_int_equal(replay_run(LIBRARY, (const char *const[]){ python, "-S", "-c", text, NULL }, environment, r), 0);
	free(text);
	if (r->status)
		fail_msg("%s: status %x", python, r->status);
	assert_int_equal(r->totals.final, 1);
	assert_int_equal(r->unknown_frees, 0);
	assert_int_equal(r->twice, 0);
	assert_int_equal(r->totals.untracked, 0);
	assert_int_equal(r->totals.missed_frees, 0);
}

#define near(value, truth, share) \
	do { \
		double value_ = value, truth_ = truth; \
		if (fabs(value_ - truth_) > (share) * truth_) \
			fail_msg("%s:%d %s: %s is %.0f, not %.0f", __FILE__, __LINE__, python, #value, value_, truth_); \
	} while (0)

static void test_accuracy(void **state)
{
	for (size_t i = 0; i < n_interpreters; i++) {
		const char *python = interpreters[i].path;
		struct replay r;

		run(python,
		    "import sys\n"
		    "phase(1); a = [bytes(967) for i in range(59000)]\n"
		    "phase(2); b = [bytes(967) for i in range(138000)]\n"
		    "phase(3); c = [float(i) for i in range(1000000)]\n"
		    "phase(4); d = bytearray(200 << 20)\n"
		    "phase(5)\n"
		    "for i in range(5000): e = bytearray(1000000)\n"
		    "phase(6)\n"
		    "for i in range(1000000): f = float(i + 300)\n"
		    "phase(7); g = {i: {i: None} for i in range(100000)}\n"
		    "phase(8); h = sys.getsizeof(g) + sum(map(sys.getsizeof, g.values())) + sum(28 for k in g)\n"
		    "os.write(_fd, struct.pack('IIQ16Q', 100, os.getpid(), 0, 0, *[0] * 15))\n"
		    "print(h, file=open('/tmp/fixingahole-heap-truth', 'w'))\n",
		    NULL, &r);
		near(r.phases[1].peak, 59.5e6, 0.015);
		near(r.phases[2].peak, 139.1e6, 0.015);
		near(r.phases[3].peak, 24e6 + 8.4e6, 0.02);
		near(r.phases[4].peak, 200 << 20, 0.001);
		near(r.phases[4].allocated, 200 << 20, 0.01);
		near(r.phases[5].allocated, 5000e6, 0.06); /* in a tenth of a second: a stride of 128 or 256 MB more or less */
		assert_true(r.phases[5].count > 4900 && r.phases[5].count < 30000); /* and the loop's integers */
		near(r.phases[6].allocated, 24e6 + 32e6, 0.2); /* with the integers, whose size differs */
		assert_true(r.phases[6].peak <= 2.0 * HEAP_LIVE_AT_ONCE); /* a float and an integer, each stands for its stride at most */
		assert_true(r.phases[5].peak < 8e6);
		assert_true(r.phases[5].python == r.phases[5].allocated);

		FILE *file = fopen("/tmp/fixingahole-heap-truth", "re");
		double truth;

		assert_non_null(file);
		assert_int_equal(fscanf(file, "%lf", &truth), 1);
		fclose(file);
		unlink("/tmp/fixingahole-heap-truth");
		near(r.phases[7].peak, truth, 0.25); /* small beside 440 MB that are there already, and a stride of integers, after phase 6, is some MB */
		/* all of it was freed: the interpreter's end leaves little */
		assert_true(r.live < 3e6);
		assert_int_equal(r.totals.python, HEAP_PYTHON_PYMALLOC);
	}
}

/* Other allocators below: the same sums. */
static void test_below(void **state)
{
	static const struct {
		const char *variable;
		enum heap_python how;
	} cases[] = {
		{ "PYTHONMALLOC=malloc", HEAP_PYTHON_MALLOC },
		{ "PYTHONMALLOC=debug", HEAP_PYTHON_GENERIC },
		{ "PYTHONMALLOC=pymalloc", HEAP_PYTHON_PYMALLOC },
		{ "PYTHONDEVMODE=1", HEAP_PYTHON_GENERIC },
		{ "PYTHONTRACEMALLOC=1", HEAP_PYTHON_PYMALLOC },
		{ "PYTHONMALLOC=mimalloc", HEAP_PYTHON_GENERIC },
	};

	for (size_t i = 0; i < n_interpreters; i++) {
		for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
			const char *python = interpreters[i].path;
			const char *environment[] = { cases[k].variable, NULL };
			struct replay r;

			/* since 3.13 */
			if (k == 5 && !strstr(python, "/3.13."))
				continue;
			run(python,
			    "open('/dev/null'); import array\n"
			    "phase(1); a = [bytes(367) for i in range(50000)]\n"
			    "phase(2); b = []\n"
			    "for i in range(3000): b.append([i] * 10); b[-1] += b[-1] * 9\n"
			    "phase(0); del a, b\n",
			    environment, &r);
			if (r.totals.python != cases[k].how)
				fail_msg("%s %s: %u", python, cases[k].variable, r.totals.python);
			/* tracemalloc's own tables count as well, for the lines that make it grow */
			if (k == 4) {
				assert_true(r.phases[1].peak > 20e6 && r.phases[1].peak < 40e6);
				continue;
			}
			near(r.phases[1].peak, 20.4e6, 0.02);
			near(r.phases[2].peak, 2.9e6, 0.25); /* 3.8 gives a grown list more room */
			assert_true(r.live < 3e6);
		}
	}
}

static void test_threads_fork_mappings(void **state)
{
	for (size_t i = 0; i < n_interpreters; i++) {
		const char *python = interpreters[i].path;
		struct replay r;

		run(python,
		    "import threading, mmap, queue\n"
		    "phase(1); q = queue.Queue()\n"
		    "def make():\n"
		    "    for k in range(20): q.put([bytes(400) for i in range(2000)])\n"
		    "ts = [threading.Thread(target=make) for k in range(4)]\n"
		    "[t.start() for t in ts]; [t.join() for t in ts]\n"
		    "pid = os.fork()\n"
		    "if not pid:\n"
		    "    x = [bytes(400) for i in range(50000)]; del x, q; os._exit(0)\n"
		    "assert os.waitpid(pid, 0)[1] == 0\n"
		    "phase(2); m = mmap.mmap(-1, 64 << 20); m.resize(96 << 20); \n"
		    "phase(3); m.close()\n"
		    "while not q.empty(): q.get()\n"
		    "phase(0)\n",
		    NULL, &r);
		near(r.phases[1].peak, 4 * 20 * (2000 * 440.0), 0.04);
		assert_true(r.phases[2].peak > (95 << 20) && r.phases[2].peak < (98 << 20));
		assert_true(r.phases[2].live == 0 || r.phases[2].live < 1 << 20);
		assert_true(r.phases[1].live < 2e6);
	}
}

/*
 * Where free blocks are taken from pymalloc's table: the interpreter's own count of blocks stays right, also while something
 * else stands before the allocator, and in a child.
 */
static void test_pools(void **state)
{
	for (size_t i = 0; i < n_interpreters; i++) {
		struct replay r;

		run(interpreters[i].path,
		    "import sys, ctypes, tracemalloc\n"
		    "assert ctypes.CDLL(None).preload_test_pools() == ((3, 9) <= sys.version_info < (3, 12))\n"
		    "def check():\n"
		    "    before = sys.getallocatedblocks()\n"
		    "    kept = [[float(i) for i in range(700)] + [bytes(n) for n in range(2, 402)] for k in range(200)]\n"
		    "    made = sys.getallocatedblocks() - before\n"
		    "    assert abs(made - 200 * 1101) < 800, made\n"
		    "    for k in range(0, 200, 2): kept[k] = [bytearray(b'x' * k) for n in range(500)]\n"
		    "    for k in range(0, 200, 2):\n"
		    "        for a in kept[k]: a.extend(a)\n"
		    "    assert all(a == b'x' * k * 2 for k in range(0, 200, 2) for a in kept[k])\n"
		    "    assert all(x[:700] == [float(i) for i in range(700)] for x in kept[1::2])\n"
		    "    del kept\n"
		    "    left = sys.getallocatedblocks() - before\n"
		    "    assert abs(left) < 800, left  # sampled blocks are not among them\n"
		    "check()\n"
		    "tracemalloc.start(); tracemalloc.stop(); check()\n"
		    "pid = os.fork()\n"
		    "if not pid: check(); os._exit(0)\n"
		    "assert os.waitpid(pid, 0)[1] == 0\n",
		    NULL, &r);
	}
}

/* The one that is installed: every probe begins with the nop, and a program runs as without it. */
static void test_probes(void **state)
{
	static const char *const names[] = { "alloc", "free", "moved", "failed", "totals" };
	char command[512];
	static const char *const argv[] = { "/bin/true", NULL };
	struct replay r;

	for (size_t i = 0; i < 5; i++) {
		snprintf(command, sizeof(command),
			 "objdump -d --disassemble=fixingahole_heap_%s " BUILD_DIR "/libfixingahole-heap.so | grep -A1 '<fixingahole_heap_%s>:' | grep -q '\t90 '",
			 names[i], names[i]);
		assert_int_equal(system(command), 0);
	}
	assert_int_equal(replay_run(BUILD_DIR "/libfixingahole-heap.so", argv, NULL, &r), 0);
	assert_int_equal(r.status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accuracy),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_threads_fork_mappings),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_probes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
