// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "export/encode.h"
#include "export/otlp.pb-c.h"
#include "unit/window_fixture.h"

static Otlp__ExportProfilesServiceRequest *decoded(const struct window *window, const char *host)
{
	struct encoded encoded = { NULL, 0 };
	Otlp__ExportProfilesServiceRequest *request;

	assert_int_equal(encode_otlp(window, host, &encoded), 0);
	request = otlp__export_profiles_service_request__unpack(NULL, encoded.size, encoded.data);
	free(encoded.data);
	assert_non_null(request);
	return request;
}

static void release(Otlp__ExportProfilesServiceRequest *request)
{
	otlp__export_profiles_service_request__free_unpacked(request, NULL);
}

static const char *string(const Otlp__ProfilesDictionary *d, int32_t index)
{
	assert_true(index >= 0 && index < (int64_t)d->n_string_table);
	return d->string_table[index];
}

/* NULL: it has none of that name. */
static const Otlp__AnyValue *resource_value(const Otlp__ResourceProfiles *r, const char *key)
{
	for (size_t i = 0; i < r->resource->n_attributes; i++)
		if (!strcmp(r->resource->attributes[i]->key, key))
			return r->resource->attributes[i]->value;
	return NULL;
}

static void assert_resource(const Otlp__ResourceProfiles *r, const char *key, const char *text)
{
	const Otlp__AnyValue *value = resource_value(r, key);

	if (!text) {
		assert_null(value);
		return;
	}
	assert_non_null(value);
	assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_STRING_VALUE);
	assert_string_equal(value->string_value, text);
}

static void assert_resource_number(const Otlp__ResourceProfiles *r, const char *key, int64_t number)
{
	const Otlp__AnyValue *value = resource_value(r, key);

	assert_non_null(value);
	assert_int_equal(value->value_case, OTLP__ANY_VALUE__VALUE_INT_VALUE);
	assert_int_equal(value->int_value, number);
}

/* The profile of that type; NULL: none. */
static const Otlp__Profile *profile_of(const Otlp__ExportProfilesServiceRequest *request, size_t process, const char *type)
{
	const Otlp__ScopeProfiles *scope;

	assert_true(process < request->n_resource_profiles);
	assert_int_equal(request->resource_profiles[process]->n_scope_profiles, 1);
	scope = request->resource_profiles[process]->scope_profiles[0];
	for (size_t i = 0; i < scope->n_profiles; i++)
		if (!strcmp(string(request->dictionary, scope->profiles[i]->sample_type->type_strindex), type))
			return scope->profiles[i];
	return NULL;
}

static int64_t sum(const Otlp__Profile *profile)
{
	int64_t all = 0;

	assert_non_null(profile);
	for (size_t i = 0; i < profile->n_samples; i++) {
		assert_int_equal(profile->samples[i]->n_values, 1);
		assert_true(profile->samples[i]->values[0] > 0);
		all += profile->samples[i]->values[0];
	}
	return all;
}

static const Otlp__AnyValue *attribute(const Otlp__ProfilesDictionary *d, size_t n, const int32_t *indices, const char *key)
{
	const Otlp__AnyValue *found = NULL;

	for (size_t i = 0; i < n; i++) {
		assert_true(indices[i] > 0 && indices[i] < (int64_t)d->n_attribute_table);
		if (!strcmp(string(d, d->attribute_table[indices[i]]->key_strindex), key))
			found = d->attribute_table[indices[i]]->value;
	}
	return found;
}

static const Otlp__Location *location(const Otlp__ProfilesDictionary *d, const Otlp__Sample *sample, size_t frame)
{
	const Otlp__Stack *stack;

	assert_true(sample->stack_index > 0 && sample->stack_index < (int64_t)d->n_stack_table);
	stack = d->stack_table[sample->stack_index];
	assert_true(frame < stack->n_location_indices && stack->location_indices[frame] > 0 && stack->location_indices[frame] < (int64_t)d->n_location_table);
	return d->location_table[stack->location_indices[frame]];
}

static const Otlp__Function *function(const Otlp__ProfilesDictionary *d, const Otlp__Location *at)
{
	assert_int_equal(at->n_lines, 1);
	assert_true(at->lines[0]->function_index > 0 && at->lines[0]->function_index < (int64_t)d->n_function_table);
	return d->function_table[at->lines[0]->function_index];
}

static const char *frame_type(const Otlp__ProfilesDictionary *d, const Otlp__Location *at)
{
	const Otlp__AnyValue *value = attribute(d, at->n_attribute_indices, at->attribute_indices, "profile.frame.type");

	return value ? value->string_value : "";
}

static void test_resources(void **state)
{
	Otlp__ExportProfilesServiceRequest *request;
	const Otlp__ResourceProfiles *r;
	struct window_fixture f;

	window_fixture_init(&f);
	f.processes[FIXTURE_WORKER].facts.container = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	request = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(request->n_resource_profiles, 3);
	r = request->resource_profiles[0];
	assert_resource(r, "service.name", "main.py");
	assert_resource(r, "host.name", FIXTURE_HOST);
	assert_resource(r, "process.executable.name", "python3.11");
	assert_resource(r, "process.executable.path", "/usr/bin/python3.11");
	assert_resource(r, "process.owner", "web");
	assert_resource(r, "process.linux.cgroup", "/system.slice/shop.service");
	assert_resource(r, "process.runtime.name", "cpython");
	assert_resource(r, "process.runtime.version", "3.11");
	assert_resource(r, "container.name", "shop.service");
	assert_resource(r, "container.id", NULL);
	assert_resource_number(r, "process.pid", 100);
	assert_resource_number(r, "process.parent_pid", 1);
	assert_string_equal(r->scope_profiles[0]->scope->name, "fixingahole");
	for (size_t i = 0; i < r->resource->n_attributes; i++) /* a command line holds secrets */
		if (r->resource->attributes[i]->value->value_case == OTLP__ANY_VALUE__VALUE_STRING_VALUE)
			assert_null(strstr(r->resource->attributes[i]->value->string_value, "secret"));

	assert_resource(request->resource_profiles[1], "container.id", f.processes[FIXTURE_WORKER].facts.container);
	assert_resource(request->resource_profiles[1], "container.name", NULL);
	assert_resource(request->resource_profiles[2], "service.name", "cr\xef\xbf\xbdn\xc3\xa9");
	assert_resource(request->resource_profiles[2], "process.runtime.name", NULL);
	release(request);
}

static void test_profiles(void **state)
{
	Otlp__ExportProfilesServiceRequest *request;
	const Otlp__Profile *p;
	struct window_fixture f;

	window_fixture_init(&f);
	request = decoded(&f.window, FIXTURE_HOST);
	p = profile_of(request, 0, "cpu");
	assert_int_equal(sum(p), 42 * MS);
	assert_int_equal(p->n_samples, 1); /* two rows of the same */
	assert_string_equal(string(request->dictionary, p->sample_type->unit_strindex), "nanoseconds");
	assert_string_equal(string(request->dictionary, p->period_type->type_strindex), "cpu");
	assert_int_equal(p->period, MS);
	assert_int_equal(p->time_unix_nano, 1790000000500000000);
	assert_int_equal(p->duration_nano, 60000 * MS);
	p = profile_of(request, 0, "wait");
	assert_int_equal(sum(p), FIXTURE_WAIT_NS);
	assert_int_equal(p->n_samples, 2);
	assert_null(p->period_type);
	assert_int_equal(sum(profile_of(request, 0, "rss")), FIXTURE_RSS);
	assert_int_equal(sum(profile_of(request, 0, "alloc_objects")), 4);
	assert_int_equal(sum(profile_of(request, 0, "alloc_space")), FIXTURE_ALLOCATED);
	assert_int_equal(sum(profile_of(request, 0, "inuse_objects")), 1);
	assert_int_equal(sum(profile_of(request, 0, "inuse_space")), FIXTURE_LIVE);
	assert_int_equal(sum(profile_of(request, 1, "cpu")), 5 * MS);
	assert_null(profile_of(request, 1, "wait"));
	assert_int_equal(sum(profile_of(request, 2, "cpu")), 7 * MS);
	release(request);

	f.window.heap = false;
	request = decoded(&f.window, FIXTURE_HOST);
	assert_null(profile_of(request, 0, "alloc_space"));
	assert_int_equal(sum(profile_of(request, 0, "rss")), FIXTURE_RSS);
	release(request);
}

/* What the samples point to. */
static void test_dictionary(void **state)
{
	Otlp__ExportProfilesServiceRequest *request;
	const Otlp__ProfilesDictionary *d;
	const Otlp__Sample *sample;
	const Otlp__Location *at;
	struct window_fixture f;

	window_fixture_init(&f);
	request = decoded(&f.window, FIXTURE_HOST);
	d = request->dictionary;
	sample = profile_of(request, 0, "cpu")->samples[0];
	assert_int_equal(attribute(d, sample->n_attribute_indices, sample->attribute_indices, "thread.id")->int_value, 100);
	assert_null(attribute(d, sample->n_attribute_indices, sample->attribute_indices, "fixingahole.wait.reason"));
	assert_int_equal(d->stack_table[sample->stack_index]->n_location_indices, 6);
	at = location(d, sample, 0);
	assert_string_equal(frame_type(d, at), "kernel");
	at = location(d, sample, 1);
	assert_string_equal(frame_type(d, at), "native");
	assert_string_equal(string(d, d->mapping_table[at->mapping_index]->filename_strindex), "/usr/lib/libjson.so.1");
	assert_string_equal(string(d, function(d, at)->system_name_strindex), "_Z5scanfPKc");
	at = location(d, sample, 4);
	assert_string_equal(frame_type(d, at), "cpython");
	assert_int_equal(at->mapping_index, 0);
	assert_int_equal(at->lines[0]->line, 42);
	assert_string_equal(string(d, function(d, at)->name_strindex), "Orders.<locals>.<lambda>");
	assert_string_equal(string(d, function(d, at)->filename_strindex), "/srv/app/views \"x\".py");
	assert_int_equal(function(d, at)->start_line, 40);

	sample = profile_of(request, 0, "wait")->samples[0];
	assert_string_equal(attribute(d, sample->n_attribute_indices, sample->attribute_indices, "fixingahole.wait.reason")->string_value, "recvfrom, 10.0.0.5:5432");
	at = location(d, profile_of(request, 2, "cpu")->samples[0], 0);
	assert_string_equal(frame_type(d, at), "");
	assert_string_equal(string(d, function(d, at)->name_strindex), "[process cr\xef\xbf\xbdn\xc3\xa9]");
	release(request);
}

static int32_t used(bool *seen, int32_t index, size_t n)
{
	assert_true(index >= 0 && (size_t)index < n);
	seen[index] = true;
	return index;
}

/* The first of each table is empty, and there are no others that nobody points to. */
static void test_tables(void **state)
{
	bool strings[256] = { true }, attributes[64] = { true }, stacks[64] = { true };
	Otlp__ExportProfilesServiceRequest *request;
	const Otlp__ProfilesDictionary *d;
	struct window_fixture f;

	window_fixture_init(&f);
	request = decoded(&f.window, FIXTURE_HOST);
	d = request->dictionary;
	assert_true(d->n_string_table < 256 && d->n_attribute_table < 64 && d->n_stack_table < 64);
	assert_string_equal(d->string_table[0], "");
	assert_int_equal(d->stack_table[0]->n_location_indices, 0);
	assert_int_equal(d->location_table[0]->n_lines, 0);
	assert_int_equal(d->attribute_table[0]->key_strindex, 0);
	assert_null(d->attribute_table[0]->value);
	assert_int_equal(d->function_table[0]->name_strindex, 0);
	assert_int_equal(d->mapping_table[0]->filename_strindex, 0);
	assert_int_equal(d->n_link_table, 1);
	assert_int_equal(d->link_table[0]->trace_id.len, 16);

	for (size_t i = 0; i < request->n_resource_profiles; i++) {
		const Otlp__ScopeProfiles *scope = request->resource_profiles[i]->scope_profiles[0];

		for (size_t j = 0; j < scope->n_profiles; j++) {
			used(strings, scope->profiles[j]->sample_type->type_strindex, d->n_string_table);
			used(strings, scope->profiles[j]->sample_type->unit_strindex, d->n_string_table);
			for (size_t k = 0; k < scope->profiles[j]->n_samples; k++) {
				const Otlp__Sample *sample = scope->profiles[j]->samples[k];

				used(stacks, sample->stack_index, d->n_stack_table);
				for (size_t l = 0; l < sample->n_attribute_indices; l++)
					used(attributes, sample->attribute_indices[l], d->n_attribute_table);
			}
		}
	}
	for (size_t i = 0; i < d->n_location_table; i++)
		for (size_t j = 0; j < d->location_table[i]->n_attribute_indices; j++)
			used(attributes, d->location_table[i]->attribute_indices[j], d->n_attribute_table);
	for (size_t i = 0; i < d->n_attribute_table; i++) {
		used(strings, d->attribute_table[i]->key_strindex, d->n_string_table);
		assert_true(attributes[i]);
	}
	for (size_t i = 0; i < d->n_function_table; i++) {
		used(strings, d->function_table[i]->name_strindex, d->n_string_table);
		used(strings, d->function_table[i]->filename_strindex, d->n_string_table);
	}
	for (size_t i = 0; i < d->n_mapping_table; i++)
		used(strings, d->mapping_table[i]->filename_strindex, d->n_string_table);
	for (size_t i = 0; i < d->n_stack_table; i++)
		assert_true(stacks[i]);
	for (size_t i = 0; i < d->n_string_table; i++)
		if (!strings[i])
			fail_msg("nobody points to string %zu, '%s'", i, d->string_table[i]);
	release(request);
}

static void test_extremes(void **state)
{
	struct encoded encoded = { (uint8_t *)"untouched", 9 };
	struct window empty = { .rate_hz = 0 };
	struct window_fixture f;
	Otlp__ExportProfilesServiceRequest *request = decoded(&empty, NULL);

	assert_int_equal(request->n_resource_profiles, 0);
	assert_int_equal(request->dictionary->n_string_table, 1);
	release(request);

	window_fixture_init(&f);
	f.rows[0].rss_bytes = UINT64_MAX;
	request = decoded(&f.window, FIXTURE_HOST);
	assert_int_equal(sum(profile_of(request, 0, "rss")), INT64_MAX);
	release(request);

	f.rows[3].process = FIXTURE_PROCESSES;
	assert_int_equal(encode_otlp(&f.window, FIXTURE_HOST, &encoded), -EINVAL);
	assert_string_equal((char *)encoded.data, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_dictionary),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
