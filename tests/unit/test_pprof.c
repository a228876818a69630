// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "export/encode.h"
#include "export/pprof.pb-c.h"
#include "unit/window_fixture.h"
#include "util/strings.h"

/* The profile of a window; to be given back. */
static Pprof__Profile *decoded(const struct window *window, const char *host)
{
	struct encoded encoded = { NULL, 0 };
	z_stream stream = { 0 };
	static uint8_t plain[1 << 20];
	Pprof__Profile *profile;

	assert_int_equal(encode_pprof(window, host, &encoded), 0);
	stream.next_in = encoded.data;
	stream.avail_in = (uInt)encoded.size;
	stream.next_out = plain;
	stream.avail_out = sizeof(plain);
	assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	profile = pprof__profile__unpack(NULL, stream.total_out, plain);
	inflateEnd(&stream);
	free(encoded.data);
	assert_non_null(profile);
	return profile;
}

static const char *string(const Pprof__Profile *p, int64_t index)
{
	assert_true(index >= 0 && index < (int64_t)p->n_string_table);
	return p->string_table[index];
}

static const Pprof__Location *location(const Pprof__Profile *p, uint64_t id)
{
	assert_true(id >= 1 && id <= p->n_location && p->location[id - 1]->id == id);
	return p->location[id - 1];
}

static const Pprof__Function *function(const Pprof__Profile *p, uint64_t id)
{
	const Pprof__Location *at = location(p, id);
	uint64_t f;

	assert_int_equal(at->n_line, 1);
	f = at->line[0]->function_id;
	assert_true(f >= 1 && f <= p->n_function && p->function[f - 1]->id == f);
	return p->function[f - 1];
}

static const Pprof__Mapping *mapping_of(const Pprof__Profile *p, const Pprof__Location *at)
{
	for (size_t i = 0; i < p->n_mapping; i++)
		if (p->mapping[i]->id == at->mapping_id)
			return p->mapping[i];
	fail();
	return NULL;
}

static const Pprof__Label *label(const Pprof__Profile *p, const Pprof__Sample *sample, const char *key)
{
	const Pprof__Label *found = NULL;

	for (size_t i = 0; i < sample->n_label; i++) {
		if (strcmp(string(p, sample->label[i]->key), key))
			continue;
		assert_null(found); /* once */
		found = sample->label[i];
	}
	return found;
}

static void assert_label(const Pprof__Profile *p, const Pprof__Sample *sample, const char *key, const char *text)
{
	const Pprof__Label *found = label(p, sample, key);

	if (!text) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_string_equal(string(p, found->str), text);
}

/* The one sample of this thread and reason. */
static const Pprof__Sample *sample_of(const Pprof__Profile *p, int64_t tid, const char *reason)
{
	const Pprof__Sample *found = NULL;

	for (size_t i = 0; i < p->n_sample; i++) {
		const Pprof__Label *thread = label(p, p->sample[i], "thread"), *why = label(p, p->sample[i], "reason");

		if (!thread || thread->num != tid || strcmp(why ? string(p, why->str) : "", reason ?: ""))
			continue;
		assert_null(found);
		found = p->sample[i];
	}
	assert_non_null(found);
	return found;
}

static void assert_frames(const Pprof__Profile *p, const Pprof__Sample *sample, const char *const *names)
{
	for (size_t i = 0; i < sample->n_location_id; i++)
		assert_string_equal(string(p, function(p, sample->location_id[i])->name), names[i] ?: "no more frames");
	assert_null(names[sample->n_location_id]);
}

static void test_header(void **state)
{
	static const char *const types[][2] = { { "cpu", "nanoseconds" }, { "wait", "nanoseconds" }, { "rss", "bytes" }, { "alloc_objects", "count" },
						{ "alloc_space", "bytes" }, { "inuse_objects", "count" }, { "inuse_space", "bytes" } };
	struct window_fixture f;
	Pprof__Profile *p;

	window_fixture_init(&f);
	p = decoded(&f.window, FIXTURE_HOST);
	assert_string_equal(p->string_table[0], "");
	assert_int_equal(p->n_sample_type, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_string_equal(string(p, p->sample_type[i]->type), types[i][0]);
		assert_string_equal(string(p, p->sample_type[i]->unit), types[i][1]);
	}
	assert_string_equal(string(p, p->default_sample_type), "cpu");
	assert_string_equal(string(p, p->period_type->type), "cpu");
	assert_int_equal(p->period, 1 * MS);
	assert_int_equal(p->time_nanos, 1790000000500000000);
	assert_int_equal(p->duration_nanos, 60000 * MS);
	assert_int_equal(p->n_comment, 3);
	assert_non_null(strstr(string(p, p->comment[1]), "lost: 0 dropped records, "));
	assert_non_null(strstr(string(p, p->comment[1]), ", 5 cut stacks, "));
	assert_non_null(strstr(string(p, p->comment[1]), loss_text(LOSS_COUNT - 1)));
	assert_string_equal(string(p, p->comment[2]), f.notices[0]);
	pprof__profile__free_unpacked(p, NULL);
}

static void test_sums_and_values(void **state)
{
	uint64_t sums[7] = { 0 };
	struct window_fixture f;
	Pprof__Profile *p;

	window_fixture_init(&f);
	p = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(p->n_sample, 5); /* of 7 rows two are one, and one is of no value */
	for (size_t i = 0; i < p->n_sample; i++) {
		assert_int_equal(p->sample[i]->n_value, 7);
		assert_true(p->sample[i]->n_location_id > 0);
		for (size_t j = 0; j < 7; j++)
			sums[j] += (uint64_t)p->sample[i]->value[j];
	}
	assert_int_equal(sums[0], FIXTURE_CPU_NS);
	assert_int_equal(sums[1], FIXTURE_WAIT_NS);
	assert_int_equal(sums[2], FIXTURE_RSS);
	assert_int_equal(sums[3], 4);
	assert_int_equal(sums[4], FIXTURE_ALLOCATED);
	assert_int_equal(sums[5], 1);
	assert_int_equal(sums[6], FIXTURE_LIVE);
	assert_int_equal(sample_of(p, 100, NULL)->value[0], 42 * MS);
	assert_int_equal(sample_of(p, 105, "sleep")->value[1], 30 * MS);
	assert_int_equal(sample_of(p, 105, "recvfrom, 10.0.0.5:5432")->value[1], 220 * MS);
	pprof__profile__free_unpacked(p, NULL);

	f.window.heap = false;
	p = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(p->n_sample_type, 3);
	for (size_t i = 0; i < p->n_sample; i++)
		assert_int_equal(p->sample[i]->n_value, 3);
	pprof__profile__free_unpacked(p, NULL);
}

static void test_labels(void **state)
{
	struct window_fixture f;
	const Pprof__Sample *s;
	Pprof__Profile *p;

	window_fixture_init(&f);
	p = decoded(&f.window, FIXTURE_HOST);
	s = sample_of(p, 105, "sleep");
	assert_label(p, s, "process", "main.py");
	assert_label(p, s, "container", "shop.service");
	assert_label(p, s, "cgroup", "/system.slice/shop.service");
	assert_label(p, s, "user", "web");
	assert_label(p, s, "python", "3.11");
	assert_label(p, s, "host", FIXTURE_HOST);
	assert_int_equal(label(p, s, "pid")->num, 100);
	assert_int_equal(s->n_label, 9);

	s = sample_of(p, 7, NULL);
	assert_label(p, s, "process", "cr\xef\xbf\xbdn\xc3\xa9");
	assert_label(p, s, "python", NULL);
	assert_label(p, s, "container", NULL);
	assert_label(p, s, "reason", NULL);
	pprof__profile__free_unpacked(p, NULL);

	f.processes[FIXTURE_CRON].facts.name = NULL;
	p = decoded(&f.window, NULL);
	s = sample_of(p, 7, NULL);
	assert_label(p, s, "process", "pid 7");
	assert_label(p, s, "host", NULL);
	pprof__profile__free_unpacked(p, NULL);
}

static void test_frames(void **state)
{
	static const char *const parse[] = { "copy_user", "_Z5scanfPKc", "[libjson.so.1]", "JSONDecoder.decode", "Orders.<locals>.<lambda>", "<module>", NULL };
	static const char *const none[] = { "[process cr\xef\xbf\xbdn\xc3\xa9]", NULL };
	static const char *const cut[] = { "[unknown]", "recurse", "[cut]", NULL };
	const Pprof__Mapping *mapping;
	struct window_fixture f;
	const Pprof__Sample *s;
	Pprof__Profile *p;

	window_fixture_init(&f);
	p = decoded(&f.window, FIXTURE_HOST);
	s = sample_of(p, 100, NULL);
	assert_frames(p, s, parse);
	assert_frames(p, sample_of(p, 7, NULL), none);
	assert_frames(p, sample_of(p, 101, NULL), cut);

	mapping = mapping_of(p, location(p, s->location_id[1]));
	assert_string_equal(string(p, mapping->filename), "/usr/lib/libjson.so.1");
	assert_true(mapping->has_functions);
	assert_int_equal(location(p, s->location_id[2])->mapping_id, mapping->id);
	assert_string_equal(string(p, function(p, s->location_id[1])->system_name), "_Z5scanfPKc");

	assert_int_equal(location(p, s->location_id[4])->mapping_id, 0);
	assert_int_equal(location(p, s->location_id[4])->line[0]->line, 42);
	assert_int_equal(function(p, s->location_id[4])->start_line, 40);
	assert_string_equal(string(p, function(p, s->location_id[4])->filename), "/srv/app/views \"x\".py");
	assert_int_equal(s->location_id[5], sample_of(p, 105, "sleep")->location_id[1]); /* the same place */
	assert_string_equal(string(p, mapping_of(p, location(p, s->location_id[0]))->filename), "[kernel]");
	assert_int_equal(p->n_mapping, 3);
	assert_string_equal(string(p, p->mapping[0]->filename), "/usr/bin/python3.11");
	pprof__profile__free_unpacked(p, NULL);

	f.processes[FIXTURE_CRON].program = "/usr/lib/libjson.so.1"; /* a program of which there are frames */
	f.processes[FIXTURE_CRON].times.system_ns = 90 * MS;
	p = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(p->n_mapping, 2);
	assert_string_equal(string(p, p->mapping[0]->filename), "/usr/lib/libjson.so.1");
	assert_string_equal(string(p, mapping_of(p, location(p, sample_of(p, 100, NULL)->location_id[0]))->filename), "[kernel]");
	pprof__profile__free_unpacked(p, NULL);
}

/* Equal texts at different addresses, and processes told of twice, are still one. */
static void test_merges(void **state)
{
	char path[] = "/srv/app/main.py", name[] = "<module>", reason[] = "sleep";
	const struct window_frame copy[] = { fixture_read[0], { WINDOW_PYTHON, path, name, 7, 1, false } };
	struct window_fixture f;
	Pprof__Profile *p;

	window_fixture_init(&f);
	f.stacks[FIXTURE_NONE] = (struct window_stack){ copy, 2, 0, false };
	f.processes[FIXTURE_WORKER] = f.processes[FIXTURE_APP];
	f.rows[6] = (struct window_row){ .process = FIXTURE_WORKER, .stack = FIXTURE_NONE, .tid = 105, .reason = reason, .times.waiting_ns = 4 * MS };
	f.rows[5].stack = FIXTURE_READ;
	p = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(p->n_sample, 5);
	assert_int_equal(sample_of(p, 105, "sleep")->value[1], 34 * MS);
	for (size_t i = 0; i < p->n_string_table; i++) {
		assert_true(utf8_valid(p->string_table[i], strlen(p->string_table[i])));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(p->string_table[i], p->string_table[j]);
	}
	pprof__profile__free_unpacked(p, NULL);
}

static void test_extremes(void **state)
{
	struct encoded encoded = { (uint8_t *)"untouched", 9 };
	struct window empty = { .rate_hz = 0, .start_epoch_s = -1 };
	struct window_fixture f;
	Pprof__Profile *p = decoded(&empty, NULL);

	assert_int_equal(p->n_sample, 0);
	assert_int_equal(p->time_nanos, 0);
	assert_int_equal(p->period, 0);
	pprof__profile__free_unpacked(p, NULL);

	window_fixture_init(&f);
	f.rows[0].rss_bytes = UINT64_MAX; /* two of them are one sample: the sum stays at the format's most */
	f.rows[1].rss_bytes = INT64_MAX;
	p = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(sample_of(p, 100, NULL)->value[2], INT64_MAX);
	pprof__profile__free_unpacked(p, NULL);

	f.rows[3].stack = FIXTURE_STACKS;
	assert_int_equal(encode_pprof(&f.window, FIXTURE_HOST, &encoded), -EINVAL);
	assert_string_equal((char *)encoded.data, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_sums_and_values),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_merges),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
