/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile_results.json read back, ours or the reference's. Anybody may have written
 * it: every type and every number is checked before use.
 */
#ifndef FIXINGAHOLE_REPORT_STORED_H
#define FIXINGAHOLE_REPORT_STORED_H

#include <cjson/cJSON.h>

#include "report/summary.h"

struct stored_function {
	const char *path, *name;
	uint32_t lineno;
	double python_percent, native_percent, system_percent;
	double peak_mb;
};

struct stored {
	cJSON *json; /* owns all strings but the frames' */
	double elapsed_s;
	double start_epoch_s; /* 0: not known */
	double max_footprint_mb;
	bool memory;
	struct stored_function *functions;
	size_t n_functions;

	/* only after stored__read_stacks() */
	struct summary_stack *stacks;
	size_t n_stacks;
	struct profile_frame *frames;
	char *frame_text;
};

/*
 * 0; -EINVAL with one line in problem: not readable, not JSON, a key that is missing or of the wrong type (named); -ENOENT: valid JSON
 * of some other kind, with a problem too; -ENOMEM. Release only after 0.
 */
int stored__load(struct stored *stored, const char *path, char problem[512]);
int stored__read_stacks(struct stored *stored, char problem[512]);
void stored__release(struct stored *stored);

/*
 * The seconds that 100 percent stand for. With threads or child processes that is more than elapsed_s; the
 * profile_details.json beside `path` knows, if it is of the same run. Else elapsed_s.
 */
double stored__whole_s(const struct stored *stored, const char *path);

/*
 * A whole JSON file as a tree, for cJSON_Delete(). -EINVAL with a problem: cannot be read, too large, not JSON, or an object in it has
 * a key twice, of which nobody could say which counts; -ENOMEM.
 */
int stored_read_json(const char *path, cJSON **json, char problem[512]);

/* A finite number in [0, max]; a hair below 0 counts as 0. NULL, and *value; or what is wrong with it: "missing". */
const char *stored_number(const cJSON *item, double max, double *value);

/* Puts the file's name before a problem that does not tell it. */
void name_problem(char problem[512], const char *path);
/* One line, whatever the arguments hold. */
__attribute__((format(printf, 2, 3))) void set_problem(char problem[512], const char *format, ...);

#endif
