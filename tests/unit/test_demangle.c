// SPDX-License-Identifier: Apache-2.0
/* C++ names, and those that are made to take for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "symbols/demangle.h"
#include "util/clock.h"

/* Of processor time, for one name: with sanitizers and on a slow machine, too. */
#define PATIENCE_NS 200000000ULL

static void test_names(void **state)
{
	static const struct { const char *name, *expected; } names[] = {
		{ "_Z4workv", "work()" },
		{ "_ZN4shop6basket3addEid", "shop::basket::add(int, double)" },
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_ZN4shop3sumIdEET_PKS1_m", "double shop::sum<double>(double const*, unsigned long)" },
		{ "_ZN4shop6basketC1Ev", "shop::basket::basket()" },
		{ "_ZNK4shop6basketcvbEv", "shop::basket::operator bool() const" },
		{ "_ZZN4shop3runEvENKUlvE_clEv", "shop::run()::{lambda()#1}::operator()() const" },
		{ "_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write::h0123456789abcdef" },
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_true(demangle(names[i].name, text, sizeof(text)));
		assert_string_equal(text, names[i].expected);
	}
}

static void test_others(void **state)
{
	static const char *const names[] = { "", "_", "_Z", "main", "_Zork", "_ZN4shop6basket3add", "_Z999999999999999999999f", "_Z4workv\n", "__Z4workv", "_RNvC4shop3run" };
	char text[1024];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_false(demangle(names[i], text, sizeof(text)));
}

/* Whole, or not at all. */
static void test_room(void **state)
{
	char text[16];

	for (size_t size = 0; size <= sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(demangle("_Z4workv", text, size), size > strlen("work()"));
		if (size > strlen("work()"))
			assert_string_equal(text, "work()");
		for (size_t i = size; i < sizeof(text); i++)
			assert_int_equal(text[i], 'x');
	}
}

static size_t put_reference(char *name, size_t used, unsigned int number)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (!number)
		return used + sprintf(name + used, "S_");
	number--;
	return used + (number < 36 ? sprintf(name + used, "S%c_", digits[number]) : sprintf(name + used, "S%c%c_", digits[number / 36 % 36], digits[number % 36]));
}

/* f<A, B<A, A>, B<that, that>, ...>, which returns what `tail` makes of the last: each has twice the size of the one before. */
static void make_twice_as_large(char *name, unsigned int levels, const char *tail)
{
	size_t used = sprintf(name, "_Z1fI1A1BI");
	unsigned int last = 3; /* number of the last that was made */

	used = put_reference(name, put_reference(name, used, 1), 1);
	used += sprintf(name + used, "E");
	for (unsigned int i = 0; i < levels; i++, last++) {
		used = put_reference(name, used, 2);
		used += sprintf(name + used, "I");
		used = put_reference(name, put_reference(name, used, last), last);
		used += sprintf(name + used, "E");
	}
	used += sprintf(name + used, "E%s", tail);
	used = put_reference(name, used, last);
	sprintf(name + used, "v");
}

/* Each level has its argument twice over, or is read twice over. */
static void make_nested(char *name, unsigned int levels, const char *begin, const char *open, const char *close, const char *end)
{
	size_t used = sprintf(name, "%s", begin);

	for (unsigned int i = 0; i < levels; i++)
		used += sprintf(name + used, "%s", open);
	used += sprintf(name + used, "1x");
	for (unsigned int i = 0; i < levels; i++)
		used += sprintf(name + used, "%s", close);
	sprintf(name + used, "%s", end);
}

static void assert_quick(const char *name)
{
	uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	char text[1024];

	demangle(name, text, sizeof(text));
	assert_true(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin < PATIENCE_NS);
}

static void test_hostile(void **state)
{
	char name[4096], text[1024];

	for (unsigned int levels = 0; levels < 40; levels++) {
		make_twice_as_large(name, levels, "");
		assert_quick(name);
		/* the library looks through all of it for what it could be a pack of, and says nothing meanwhile */
		make_twice_as_large(name, levels, "Dp");
		assert_quick(name);
		make_nested(name, levels, "_Z1fI1BEv", "N1AcvT_I", "EE", "");
		assert_quick(name);
		make_nested(name, levels, "_Z1fI", "N1AI", "E1BIT_T_EE", "EvT_T_");
		assert_quick(name);
	}
	/* of which the library would have no fear */
	memset(name, 'P', sizeof(name) - 1);
	memcpy(name, "_Z1f", 4);
	strcpy(name + 508, "v");
	assert_true(demangle(name, text, sizeof(text)));
	memset(name + 508, 'P', 100);
	strcpy(name + 608, "v");
	assert_false(demangle(name, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
