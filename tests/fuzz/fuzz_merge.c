// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the two files of a run, the first of which says where the second begins: they are refused in one line, or joined
 * with themselves and written in every format, which can be read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "merge/merge.h"
#include "report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int writer(FILE *, const struct profile *, const struct report_options *);

static int put(char path[64], const void *data, size_t size)
{
	int fd = memfd_create("profile.json", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static char *write_one(writer *write, const struct profile *profile, size_t *size)
{
	const struct report_options options = {.trace = true, .top_n = 10, .threshold_percent = 0.1};
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	if (!out || write(out, profile, &options) || fclose(out))
		abort();
	return text;
}

static void read_again(struct strings *strings, const char *results, size_t results_size, const char *details, size_t details_size)
{
	char paths[2][64], problem[512];
	int fds[] = {put(paths[0], results, results_size), put(paths[1], details, details_size)};
	struct stored_run run;
	int err = stored_run__load(&run, strings, paths[0], paths[1], problem);

	if (!err)
		stored_run__release(&run);
	else if (!strchr(problem, '\'') || strchr(problem, '\n'))
		abort();
	close(fds[0]);
	close(fds[1]);
}

static void join(struct strings *strings, const struct stored_run *run)
{
	static writer *const texts[] = {report_summary, report_results};
	struct merge *merge = merge__new(strings);
	size_t size, details_size;
	char problem[512], *json, *details;
	const struct profile *profile;

	if (!merge || merge__skip(merge, "/x", "cannot"))
		abort();
	if (!merge__add(merge, run, "a", "/a", problem)) {
		merge__add(merge, run, "b", "/b", problem);
		profile = merge__finish(merge, "merge");
		if (!profile)
			abort();
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			free(write_one(texts[i], profile, &size));
		json = write_one(report_json, profile, &size);
		details = write_one(report_details, profile, &details_size);
		read_again(strings, json, size, details, details_size);
		free(json);
		free(details);
	}
	merge__free(merge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strings *strings = strings__new();
	char paths[2][64], problem[512];
	struct stored_run run;
	size_t first;
	int fds[2], err;

	if (!strings)
		abort();
	/* the two texts are apart by a zero */
	first = size ? strnlen((const char *)data, size) : 0;
	fds[0] = put(paths[0], data, first);
	fds[1] = put(paths[1], data + first + (first < size), size - first - (first < size));
	err = stored_run__load(&run, strings, paths[0], paths[1], problem);
	if (!err) {
		join(strings, &run);
		stored_run__release(&run);
	} else if (!*problem || strchr(problem, '\n')) {
		abort();
	}
	close(fds[0]);
	close(fds[1]);
	strings__free(strings);
	return 0;
}
