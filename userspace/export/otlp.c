// SPDX-License-Identifier: Apache-2.0
#include "export/encode.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/messages.h"
#include "export/otlp.pb-c.h"
#include "export/tables.h"

#define RESOURCE_ATTRIBUTES 12 /* at most */
#define SAMPLE_ATTRIBUTES 2    /* thread.id, and what was waited for */

/* The dictionary's attributes, as keys of a table. */
struct attribute {
	uint32_t key;      /* a string; 0 only in the empty one */
	uint32_t text;     /* of .texts, or 0 */
	int64_t number;    /* else */
};

struct encoder {
	struct tables tables;
	struct table attributes;
	uint32_t frame_types[LOCATION_MARK + 1]; /* attribute of a location of that kind; 0: none */
};

static int attribute_add(struct encoder *e, const char *key, uint32_t text, int64_t number, int32_t *index)
{
	struct attribute attribute = { .text = text, .number = number };
	uint32_t at;
	int err = tables_string(&e->tables, key, &attribute.key) ?:
		  table_add(&e->attributes, &e->tables.arena, &attribute, sizeof(attribute), 0, &at);

	if (!err)
		*index = (int32_t)at;
	return err;
}

static Otlp__AnyValue *any_value(struct tables *tables, const char *text, int64_t number)
{
	Otlp__AnyValue *value = message(&tables->arena, &otlp__any_value__descriptor);

	if (!value)
		return NULL;
	if (text) {
		value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
		value->string_value = (char *)tables_clean(tables, text);
		return value->string_value ? value : NULL;
	}
	value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	value->int_value = number;
	return value;
}

static int resource_add(struct tables *tables, Otlp__Resource *resource, const char *key, const char *text, int64_t number)
{
	Otlp__KeyValue *pair = message(&tables->arena, &otlp__key_value__descriptor);

	if (!pair)
		return -ENOMEM;
	pair->key = (char *)key;
	pair->value = any_value(tables, text, number);
	resource->attributes[resource->n_attributes++] = pair;
	return pair->value ? 0 : -ENOMEM;
}

/* Unless it is not known. */
static int resource_text(struct tables *tables, Otlp__Resource *resource, const char *key, const char *text)
{
	return text && *text ? resource_add(tables, resource, key, text, 0) : 0;
}

static int resource_runtime(struct tables *tables, Otlp__Resource *resource, const char *interpreter)
{
	size_t n = 0;
	const char *version = interpreter_version(interpreter, &n);
	char *name = version ? arena_alloc(&tables->arena, n + 1) : NULL;

	if (!version)
		return 0;
	if (!name)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		name[i] = (char)tolower((unsigned char)interpreter[i]); /* sys.implementation.name, "cpython" */
	return resource_text(tables, resource, "process.runtime.name", name) ?: resource_text(tables, resource, "process.runtime.version", version);
}

/* As container engines number containers. */
static bool container_id(const char *text)
{
	size_t n = text ? strspn(text, "0123456789abcdef") : 0;

	return n >= 12 && !text[n];
}

static Otlp__Resource *resource_new(struct tables *tables, const struct window_process *process, const char *host)
{
	Otlp__Resource *resource = message(&tables->arena, &otlp__resource__descriptor);
	const struct process_facts *facts = &process->facts;
	const char *name = tables_process_name(tables, process), *slash = process->program ? strrchr(process->program, '/') : NULL;
	int err;

	if (!resource || !name)
		return NULL;
	resource->attributes = arena_array(&tables->arena, RESOURCE_ATTRIBUTES, sizeof(*resource->attributes));
	if (!resource->attributes)
		return NULL;
	err = resource_text(tables, resource, "service.name", name) ?: resource_text(tables, resource, "host.name", host) ?:
	      resource_add(tables, resource, "process.pid", NULL, process->pid) ?:
	      (process->parent_pid ? resource_add(tables, resource, "process.parent_pid", NULL, process->parent_pid) : 0) ?:
	      resource_text(tables, resource, "process.executable.path", process->program) ?:
	      resource_text(tables, resource, "process.executable.name", slash ? slash + 1 : process->program) ?:
	      resource_text(tables, resource, "process.owner", facts->user) ?:
	      resource_text(tables, resource, "process.linux.cgroup", facts->cgroup) ?:
	      resource_text(tables, resource, container_id(facts->container) ? "container.id" : "container.name", facts->container) ?:
	      resource_runtime(tables, resource, process->interpreter);
	return err ? NULL : resource;
}

static Otlp__ValueType *value_type(struct tables *tables, enum value value)
{
	Otlp__ValueType *type = message(&tables->arena, &otlp__value_type__descriptor);
	uint32_t name, unit;

	if (!type || tables_string(tables, value_names[value].type, &name) || tables_string(tables, value_names[value].unit, &unit))
		return NULL;
	type->type_strindex = (int32_t)name;
	type->unit_strindex = (int32_t)unit;
	return type;
}

static int sample_fill(struct encoder *e, const struct table_sample *from, enum value value, int32_t *attributes, Otlp__Sample *sample)
{
	int err = 0;

	sample->stack_index = (int32_t)from->stack;
	sample->n_values = 1;
	sample->values = (int64_t *)&from->values[value]; /* at most INT64_MAX */
	sample->attribute_indices = attributes;
	if (from->tid)
		err = attribute_add(e, "thread.id", 0, from->tid, &attributes[sample->n_attribute_indices++]);
	if (!err && from->reason)
		err = attribute_add(e, "fixingahole.wait.reason", from->reason, 0, &attributes[sample->n_attribute_indices++]);
	return err;
}

/* What of a value these samples have; NULL in *out: nothing. */
static int profile_new(struct encoder *e, const uint32_t *samples, size_t n, enum value value, Otlp__Profile **out)
{
	struct tables *tables = &e->tables;
	const struct window *window = tables->window;
	Otlp__Profile *profile;
	int32_t *attributes;
	size_t used = 0;
	int err = 0;

	*out = NULL;
	for (size_t i = 0; i < n; i++)
		used += table_at(&tables->samples, samples[i], struct table_sample)->values[value] > 0;
	if (!used)
		return 0;
	profile = message(&tables->arena, &otlp__profile__descriptor);
	attributes = arena_array(&tables->arena, used, SAMPLE_ATTRIBUTES * sizeof(*attributes));
	if (!profile || !attributes)
		return -ENOMEM;
	profile->samples = messages(&tables->arena, &otlp__sample__descriptor, used);
	profile->sample_type = value_type(tables, value);
	if (!profile->samples || !profile->sample_type)
		return -ENOMEM;
	profile->time_unix_nano = window_time_ns(window);
	profile->duration_nano = window->end_ns > window->start_ns ? window->end_ns - window->start_ns : 0;
	if (value == VALUE_CPU) {
		profile->period_type = profile->sample_type;
		profile->period = (int64_t)window_period_ns(window);
	}
	for (size_t i = 0; i < n && !err; i++) {
		const struct table_sample *from = table_at(&tables->samples, samples[i], struct table_sample);
		size_t at = profile->n_samples;

		if (!from->values[value])
			continue;
		err = sample_fill(e, from, value, &attributes[at * SAMPLE_ATTRIBUTES], profile->samples[at]);
		profile->n_samples++;
	}
	*out = profile;
	return err;
}

/* Of one process, whose samples these are. */
static int resource_profiles(struct encoder *e, const struct window_process *process, const char *host, const uint32_t *samples, size_t n, Otlp__ResourceProfiles *out)
{
	struct arena *arena = &e->tables.arena;
	Otlp__ScopeProfiles **scopes = messages(arena, &otlp__scope_profiles__descriptor, 1);
	Otlp__InstrumentationScope *scope = message(arena, &otlp__instrumentation_scope__descriptor);
	int err = 0;

	out->resource = resource_new(&e->tables, process, host);
	if (!out->resource || !scopes || !scope)
		return -ENOMEM;
	scope->name = "fixingahole";
	scope->version = VERSION;
	scopes[0]->scope = scope;
	scopes[0]->profiles = arena_array(arena, VALUES, sizeof(*scopes[0]->profiles));
	if (!scopes[0]->profiles)
		return -ENOMEM;
	out->scope_profiles = scopes;
	out->n_scope_profiles = 1;
	for (uint32_t value = 0; value < e->tables.n_values && !err; value++) {
		Otlp__Profile *profile;

		err = profile_new(e, samples, n, value, &profile);
		if (!err && profile)
			scopes[0]->profiles[scopes[0]->n_profiles++] = profile;
	}
	return err;
}

static int resources(struct encoder *e, const char *host, Otlp__ExportProfilesServiceRequest *request)
{
	const struct tables *tables = &e->tables;
	uint32_t n = tables->processes.n;
	uint32_t *begins = arena_array(&e->tables.arena, (size_t)n + 2, sizeof(*begins)); /* of each process in samples, one ahead */
	uint32_t *samples = arena_array(&e->tables.arena, tables->samples.n, sizeof(*samples));
	int err = 0;

	request->resource_profiles = messages(&e->tables.arena, &otlp__resource_profiles__descriptor, n);
	request->n_resource_profiles = n;
	if (!begins || !samples || !request->resource_profiles)
		return -ENOMEM;
	for (uint32_t i = 0; i < tables->samples.n; i++)
		begins[table_at(&tables->samples, i, struct table_sample)->process + 2]++;
	for (uint32_t i = 2; i < n + 2; i++)
		begins[i] += begins[i - 1];
	for (uint32_t i = 0; i < tables->samples.n; i++)
		samples[begins[table_at(&tables->samples, i, struct table_sample)->process + 1]++] = i;
	for (uint32_t i = 0; i < n && !err; i++) {
		const struct window_process *process = &tables->window->processes[table_at(&tables->processes, i, struct table_process)->of];

		err = resource_profiles(e, process, host, samples + begins[i], begins[i + 1] - begins[i], request->resource_profiles[i]);
	}
	return err;
}

static int places(struct encoder *e, Otlp__ProfilesDictionary *dictionary)
{
	const struct tables *tables = &e->tables;
	struct arena *arena = &e->tables.arena;
	Otlp__Line **lines = messages(arena, &otlp__line__descriptor, tables->locations.n);

	dictionary->n_mapping_table = tables->mappings.n;
	dictionary->mapping_table = messages(arena, &otlp__mapping__descriptor, tables->mappings.n);
	dictionary->n_function_table = tables->functions.n;
	dictionary->function_table = messages(arena, &otlp__function__descriptor, tables->functions.n);
	dictionary->n_location_table = tables->locations.n;
	dictionary->location_table = messages(arena, &otlp__location__descriptor, tables->locations.n);
	if (!lines || !dictionary->mapping_table || !dictionary->function_table || !dictionary->location_table)
		return -ENOMEM;
	for (uint32_t i = 0; i < tables->mappings.n; i++)
		dictionary->mapping_table[i]->filename_strindex = (int32_t)*table_at(&tables->mappings, i, uint32_t);
	for (uint32_t i = 0; i < tables->functions.n; i++) {
		const struct table_function *from = table_at(&tables->functions, i, struct table_function);
		Otlp__Function *function = dictionary->function_table[i];

		function->name_strindex = (int32_t)from->name;
		function->system_name_strindex = (int32_t)from->system_name;
		function->filename_strindex = (int32_t)from->filename;
		function->start_line = from->start_line;
	}
	for (uint32_t i = 1; i < tables->locations.n; i++) { /* 0 stays empty */
		const struct table_location *from = table_at(&tables->locations, i, struct table_location);
		Otlp__Location *location = dictionary->location_table[i];

		location->mapping_index = (int32_t)from->mapping;
		location->n_lines = 1;
		location->lines = &lines[i];
		lines[i]->function_index = (int32_t)from->function;
		lines[i]->line = from->line;
		location->n_attribute_indices = e->frame_types[from->kind] > 0;
		location->attribute_indices = (int32_t *)&e->frame_types[from->kind];
	}
	return 0;
}

static int stacks(struct encoder *e, Otlp__ProfilesDictionary *dictionary)
{
	static uint8_t zeros[16]; /* of the sizes that identifiers have, for readers that insist */
	const struct tables *tables = &e->tables;

	dictionary->n_stack_table = tables->stacks.n;
	dictionary->stack_table = messages(&e->tables.arena, &otlp__stack__descriptor, tables->stacks.n);
	dictionary->n_link_table = 1;
	dictionary->link_table = messages(&e->tables.arena, &otlp__link__descriptor, 1);
	if (!dictionary->stack_table || !dictionary->link_table)
		return -ENOMEM;
	dictionary->link_table[0]->trace_id = (ProtobufCBinaryData){ 16, zeros };
	dictionary->link_table[0]->span_id = (ProtobufCBinaryData){ 8, zeros };
	for (uint32_t i = 0; i < tables->stacks.n; i++) {
		dictionary->stack_table[i]->location_indices = tables->stacks.entries[i].data; /* at most INT32_MAX */
		dictionary->stack_table[i]->n_location_indices = tables->stacks.entries[i].size / sizeof(int32_t);
	}
	return 0;
}

static int attributes_and_strings(struct encoder *e, Otlp__ProfilesDictionary *dictionary)
{
	struct tables *tables = &e->tables;

	dictionary->n_attribute_table = e->attributes.n;
	dictionary->attribute_table = messages(&tables->arena, &otlp__key_value_and_unit__descriptor, e->attributes.n);
	dictionary->n_string_table = tables->strings.n;
	dictionary->string_table = arena_array(&tables->arena, tables->strings.n, sizeof(*dictionary->string_table));
	if (!dictionary->attribute_table || !dictionary->string_table)
		return -ENOMEM;
	for (uint32_t i = 0; i < tables->strings.n; i++)
		dictionary->string_table[i] = tables->strings.entries[i].data;
	for (uint32_t i = 1; i < e->attributes.n; i++) { /* 0 stays empty */
		const struct attribute *from = table_at(&e->attributes, i, struct attribute);
		Otlp__KeyValueAndUnit *to = dictionary->attribute_table[i];

		to->key_strindex = (int32_t)from->key;
		to->value = any_value(tables, from->text ? tables->texts.entries[from->text].data : NULL, from->number);
		if (!to->value)
			return -ENOMEM;
	}
	return 0;
}

/* Which of them are there is known from the locations. */
static int frame_types(struct encoder *e)
{
	static const char *const names[] = { [WINDOW_PYTHON] = "cpython", [WINDOW_NATIVE] = "native", [WINDOW_KERNEL] = "kernel", [LOCATION_MARK] = NULL };
	int err = 0;

	for (uint32_t i = 1; i < e->tables.locations.n && !err; i++) {
		uint32_t kind = table_at(&e->tables.locations, i, struct table_location)->kind, text;
		int32_t index;

		if (!names[kind] || e->frame_types[kind])
			continue;
		err = tables_text(&e->tables, names[kind], &text) ?: attribute_add(e, "profile.frame.type", text, 0, &index);
		e->frame_types[kind] = err ? 0 : (uint32_t)index;
	}
	return err;
}

static int request_bytes(struct encoder *e, const char *host, struct encoded *out)
{
	Otlp__ExportProfilesServiceRequest request = OTLP__EXPORT_PROFILES_SERVICE_REQUEST__INIT;
	Otlp__ProfilesDictionary dictionary = OTLP__PROFILES_DICTIONARY__INIT;
	int32_t none;
	int err = attribute_add(e, NULL, 0, 0, &none) ?: frame_types(e) ?: resources(e, host, &request) ?: places(e, &dictionary) ?:
		  stacks(e, &dictionary) ?: attributes_and_strings(e, &dictionary); /* strings last: all have their number now */

	request.dictionary = &dictionary;
	return err ?: message_bytes(&request.base, out);
}

int encode_otlp(const struct window *window, const char *host, struct encoded *out)
{
	struct encoder e = { 0 };
	int err = tables_build(&e.tables, window);

	err = err ?: request_bytes(&e, host, out);
	table_release(&e.attributes);
	tables_release(&e.tables);
	return err;
}
