// SPDX-License-Identifier: Apache-2.0
/* function_stats.json: mean and standard deviation of every function over the runs below a folder. */
#include "report/report.h"

#include <errno.h>
#include <fts.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/git.h"
#include "report/json_write.h"
#include "report/stored.h"
#include "report/text.h"
#include "util/cleanup.h"
#include "util/strings.h"

enum figure { FIGURE_USER, FIGURE_SYSTEM, FIGURE_MEMORY, FIGURES };

/* A function in one run. */
struct occurrence {
	const char *key; /* "path from root:function", interned */
	const char *path;
	size_t run;
	double figures[FIGURES];
};

struct function_stats {
	const char *key, *path;
	double average[FIGURES], deviation[FIGURES];
};

struct stats {
	const struct stats_options *options;
	struct strings *strings;
	struct occurrence *occurrences;
	size_t n, capacity, runs;
	const char **programs; /* of each run, interned */
	size_t skipped;
	struct function_stats *functions;
	size_t n_functions;
};

static const char *function_key(struct stats *stats, const struct stored_function *function)
{
	_cleanup_free_ char *key = NULL;

	if (asprintf(&key, "%s:%s", path_below(function->path, stats->options->root), function->name) < 0)
		return NULL;
	return strings__intern(stats->strings, key);
}

static int add_program(struct stats *stats, const struct stored *stored)
{
	const cJSON *program = cJSON_GetObjectItemCaseSensitive(stored->json, "program");
	const char **grown = reallocarray(stats->programs, stats->runs + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	stats->programs = grown;
	grown[stats->runs] = strings__intern(stats->strings, cJSON_IsString(program) ? program->valuestring : "");
	return grown[stats->runs] ? 0 : -ENOMEM;
}

static int add_run(struct stats *stats, const struct stored *stored, double whole_s)
{
	if (add_program(stats, stored) < 0)
		return -ENOMEM;
	if (stats->n + stored->n_functions > stats->capacity) {
		size_t capacity = (stats->n + stored->n_functions) * 2;
		struct occurrence *grown = reallocarray(stats->occurrences, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		stats->occurrences = grown;
		stats->capacity = capacity;
	}
	for (size_t i = 0; i < stored->n_functions; i++) {
		const struct stored_function *function = &stored->functions[i];
		struct occurrence *occurrence = &stats->occurrences[stats->n];

		*occurrence = (struct occurrence){
			.key = function_key(stats, function),
			.path = strings__intern(stats->strings, function->path),
			.run = stats->runs,
			.figures = {
				[FIGURE_USER] = (function->python_percent + function->native_percent) / 100 * whole_s,
				[FIGURE_SYSTEM] = function->system_percent / 100 * whole_s,
				[FIGURE_MEMORY] = function->peak_mb,
			},
		};
		if (!occurrence->key || !occurrence->path)
			return -ENOMEM;
		stats->n++;
	}
	stats->runs++;
	return 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* May this file be a run's results? */
static bool is_candidate(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && !strcmp(name + length - 5, ".json") && !has_prefix(name, "profile_details") && !has_prefix(name, "function_stats");
}

static int add_file(struct stats *stats, const char *path, const char *name, char problem[512])
{
	char reason[512] = "";
	struct stored stored;
	int err = stored__load(&stored, path, reason);

	if (err == -EINVAL && has_prefix(name, "profile_results")) {
		memcpy(problem, reason, sizeof(reason));
		name_problem(problem, path);
		return err;
	}
	if (err == -EINVAL)
		stats->skipped++;
	if (err < 0) /* some other JSON that happens to lie here */
		return err == -ENOMEM ? err : 0;
	err = add_run(stats, &stored, stored__whole_s(&stored, path));
	stored__release(&stored);
	return err;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_folder(struct stats *stats, const char *dir, char problem[512])
{
	FTS *fts = fts_open((char *const[]){(char *)dir, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry;
	int err = 0;

	if (!fts)
		return -errno;
	while (err == 0 && (entry = fts_read(fts))) {
		if (entry->fts_level == 0 && (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)) {
			set_problem(problem, "cannot open '%s': %s", dir, strerror(entry->fts_errno));
			err = -EINVAL;
		} else if (entry->fts_info == FTS_F && is_candidate(entry->fts_name)) {
			err = add_file(stats, entry->fts_accpath, entry->fts_name, problem);
		}
	}
	fts_close(fts);
	if (err == 0 && !stats->runs) {
		set_problem(problem, "no profile_results*.json below '%s'", dir);
		err = -EINVAL;
	}
	return err;
}

static int by_key(const void *a, const void *b)
{
	const struct occurrence *x = a, *y = b;
	int order = x->key == y->key ? 0 : strcmp(x->key, y->key);

	return order ? order : x->run < y->run ? -1 : x->run > y->run;
}

static int by_user(const void *a, const void *b)
{
	const struct function_stats *x = a, *y = b;

	if (x->average[FIGURE_USER] != y->average[FIGURE_USER])
		return x->average[FIGURE_USER] > y->average[FIGURE_USER] ? -1 : 1;
	return strcmp(x->key, y->key);
}

/* One function's occurrences, by run; equal names within a run add up, a run without it counts as zero. */
static struct function_stats summarize_group(const struct occurrence *group, size_t n, size_t runs)
{
	struct function_stats result = {.key = group[0].key, .path = group[0].path};

	for (int figure = 0; figure < FIGURES; figure++) {
		double sum = 0, squares = 0, average;
		size_t seen = 0;

		for (size_t i = 0; i < n; i++)
			sum += group[i].figures[figure];
		average = sum / (double)runs;
		for (size_t i = 0; i < n; seen++) {
			double value = 0;
			size_t run = group[i].run;

			for (; i < n && group[i].run == run; i++)
				value += group[i].figures[figure];
			squares += (value - average) * (value - average);
		}
		squares += (double)(runs - seen) * average * average;
		result.average[figure] = average;
		result.deviation[figure] = runs > 1 ? sqrt(squares / (double)(runs - 1)) : 0;
	}
	return result;
}

static int summarize_all(struct stats *stats)
{
	size_t end;

	if (stats->n)
		qsort(stats->occurrences, stats->n, sizeof(*stats->occurrences), by_key);
	stats->functions = calloc(stats->n + 1, sizeof(*stats->functions));
	if (!stats->functions)
		return -ENOMEM;
	for (size_t i = 0; i < stats->n; i = end) {
		for (end = i + 1; end < stats->n && stats->occurrences[end].key == stats->occurrences[i].key; end++)
			;
		stats->functions[stats->n_functions++] = summarize_group(&stats->occurrences[i], end - i, stats->runs);
	}
	if (stats->options->sort)
		qsort(stats->functions, stats->n_functions, sizeof(*stats->functions), by_user);
	return 0;
}

static int by_pointer(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;

	return x < y ? -1 : x > y;
}

/* Which of the changed files were profiled. Changed ones are few, so they are looked up among the profiled ones. */
static int write_dirty(struct json *json, struct stats *stats, const struct git_facts *facts)
{
	_cleanup_free_ const char **paths = calloc(stats->n + 1, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < stats->n; i++)
		paths[i] = stats->occurrences[i].path;
	qsort(paths, stats->n, sizeof(*paths), by_pointer);
	json_array(json, "used_dirty_files");
	for (size_t at = 0; at < facts->dirty_size; at += strlen(facts->dirty + at) + 1) {
		_cleanup_free_ char *absolute = NULL;
		const char *path;

		if (asprintf(&absolute, "%s/%s", facts->top, facts->dirty + at) < 0)
			return -ENOMEM;
		path = strings__intern(stats->strings, absolute); /* equal text, equal pointer */
		if (!path)
			return -ENOMEM;
		if (bsearch(&path, paths, stats->n, sizeof(*paths), by_pointer))
			json_string(json, NULL, path_below(path, stats->options->root));
	}
	json_close(json);
	return 0;
}

static int write_metadata(struct json *json, struct stats *stats)
{
	struct git_facts facts;
	time_t now = time(NULL);
	char utc[32] = "";
	struct tm tm;
	int err = 0;

	if (gmtime_r(&now, &tm))
		strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%SZ", &tm);
	git_facts__read(&facts, stats->options->root ? stats->options->root : ".");
	json_object(json, "metadata");
	json_string(json, "repo", facts.repo);
	json_string(json, "branch", facts.branch);
	json_string(json, "commit", facts.commit);
	if (facts.dirty)
		err = write_dirty(json, stats, &facts);
	else
		json_null(json, "used_dirty_files");
	json_string(json, "utc_time", utc);
	json_close(json);
	git_facts__release(&facts);
	return err;
}

static int write_all(FILE *out, struct stats *stats)
{
	static const char *const names[FIGURES] = {"user", "system", "memory"};
	struct json json;
	int err = 0;

	json_begin(&json, out, 2);
	json_object(&json, NULL);
	for (size_t i = 0; i < stats->n_functions; i++) {
		const struct function_stats *function = &stats->functions[i];

		json_object_named(&json, function->key);
		for (int figure = 0; figure < FIGURES; figure++) {
			json_object(&json, names[figure]);
			json_number(&json, "avg", function->average[figure], 9);
			json_number(&json, "std", function->deviation[figure], 9);
			json_close(&json);
		}
		json_unsigned(&json, "count", stats->runs);
		json_close(&json);
	}
	if (stats->options->metadata)
		err = write_metadata(&json, stats);
	json_close(&json);
	return err < 0 ? err : json_finish(&json);
}

/* Sorts the programs. */
static void tell_seen(struct stats *stats, struct stats_seen *seen)
{
	*seen = (struct stats_seen){.runs = stats->runs, .skipped = stats->skipped};
	qsort(stats->programs, stats->runs, sizeof(*stats->programs), by_pointer);
	for (size_t i = 0; i < stats->runs; i++)
		seen->programs += !i || stats->programs[i] != stats->programs[i - 1];
	if (seen->programs == 1)
		set_problem(seen->program, "%s", path_base(stats->programs[0]));
}

int report_stats(FILE *out, const char *dir, const struct stats_options *options, char problem[512])
{
	struct stats stats = {.options = options, .strings = strings__new()};
	int err = stats.strings ? 0 : -ENOMEM;

	problem[0] = '\0';
	if (err == 0)
		err = add_folder(&stats, dir, problem);
	if (err == 0)
		err = summarize_all(&stats);
	if (err == 0)
		err = write_all(out, &stats);
	if (err == 0 && options->seen)
		tell_seen(&stats, options->seen);
	strings__free(stats.strings);
	free(stats.programs);
	free(stats.occurrences);
	free(stats.functions);
	return err;
}
