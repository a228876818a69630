/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reports of a case, which must be, byte for byte, the ones in its folder; update.sh writes those anew. Include after <cmocka.h>.
 */
#ifndef FIXINGAHOLE_GOLDEN_EXPECTED_H
#define FIXINGAHOLE_GOLDEN_EXPECTED_H

#include <stdlib.h>
#include <string.h>

#include "report/report.h"
#include "util/cleanup.h"

/* Where the tests run: at the top of the repository. */
#define FOLDER "tests/golden"

struct report_file { const char *name; int (*write)(FILE *, const struct profile *, const struct report_options *); };

static const struct report_file report_files[] = {
	{ "summary.txt", report_summary },
	{ "results.txt", report_results },
	{ "results.json", report_json },
	{ "details.json", report_details },
};

static inline FILE *case_open(const char *name, const char *file, const char *mode)
{
	char path[256];

	snprintf(path, sizeof(path), FOLDER "/%s/%s", name, file);
	return fopen(path, mode);
}

/* NUL-terminated, owned by the caller. */
static inline char *case_text(const char *name, const char *file, size_t *size)
{
	_cleanup_fclose_ FILE *in = case_open(name, file, "r");
	char *text = NULL, buffer[4096];
	FILE *out = open_memstream(&text, size);
	size_t n;

	if (!in || !out)
		fail_msg("cannot open %s/%s", name, file);
	while ((n = fread(buffer, 1, sizeof(buffer), in)) > 0)
		fwrite(buffer, 1, n, out);
	fclose(out);
	return text;
}

static inline void expected_compare(const char *name, const struct report_file *report, const char *text, size_t size)
{
	const char *update = getenv("FIXINGAHOLE_GOLDEN_UPDATE");
	_cleanup_free_ char *expected = NULL;
	size_t expected_size, line = 1, at = 0;

	if (update && !strcmp(update, "1")) {
		_cleanup_fclose_ FILE *out = case_open(name, report->name, "w");

		assert_non_null(out);
		assert_int_equal(fwrite(text, 1, size, out), size);
		return;
	}
	expected = case_text(name, report->name, &expected_size);
	if (size == expected_size && !memcmp(text, expected, size))
		return;
	for (; at < size && at < expected_size && text[at] == expected[at]; at++)
		line += text[at] == '\n';
	while (at && text[at - 1] != '\n')
		at--;
	fail_msg("%s/%s, line %zu: '%.*s' where '%.*s' was expected", name, report->name, line, (int)strcspn(text + at, "\n"), text + at,
		 (int)strcspn(expected + at, "\n"), expected + at);
}

static inline void expected_check(const char *name, const struct profile *profile)
{
	const struct report_options options = { .trace = true, .top_n = 10, .threshold_percent = 0.1 };

	for (size_t i = 0; i < sizeof(report_files) / sizeof(report_files[0]); i++) {
		_cleanup_free_ char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		assert_non_null(out);
		assert_int_equal(report_files[i].write(out, profile, &options), 0);
		assert_int_equal(fclose(out), 0);
		expected_compare(name, &report_files[i], text, size);
	}
}

#endif
