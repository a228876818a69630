/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of runs, written, read back and joined. */
#ifndef MERGE_FIXTURE_H
#define MERGE_FIXTURE_H

#include "unit/report_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "merge/merge.h"
#include "util/cleanup.h"

static char folder[64];
static struct strings *strings;

static int set_up(void **state)
{
	strcpy(folder, "/tmp/fixingahole-merge-XXXXXX");
	strings = strings__new();
	return mkdtemp(folder) && strings ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	strings__free(strings);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static const char *at(const char *name)
{
	static char paths[4][256];
	static int next;

	snprintf(paths[next = (next + 1) % 4], sizeof(paths[0]), "%s/%s", folder, name);
	return paths[next];
}

static void put(const char *name, const char *text)
{
	FILE *file;

	for (char *path = (char *)at(name), *p = path + strlen(folder) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	file = fopen(at(name), "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Both files of a run in the folder `name`. */
static void store(const char *name, const struct profile *profile)
{
	_cleanup_free_ char *results = written(report_json, profile, &plain), *details = written(report_details, profile, &plain);
	char path[128];

	snprintf(path, sizeof(path), "%s/profile_results.json", name);
	put(path, results);
	snprintf(path, sizeof(path), "%s/profile_details.json", name);
	put(path, details);
}

static int load(struct stored_run *run, const char *name, char problem[512])
{
	char results[128], details[128];

	snprintf(results, sizeof(results), "%s/profile_results.json", at(name));
	snprintf(details, sizeof(details), "%s/profile_details.json", at(name));
	return stored_run__load(run, strings, results, details, problem);
}

__attribute__((unused)) static void add(struct merge *merge, const char *name)
{
	struct stored_run run;
	char problem[512];

	if (load(&run, name, problem))
		fail_msg("%s", problem);
	assert_int_equal(merge__add(merge, &run, name, at(name), problem), 0);
	stored_run__release(&run);
}

#endif
