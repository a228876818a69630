// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "target/scratch.h"
#include "target/script.h"
#include "target/strv.h"
#include "util/cleanup.h"

extern const char hook_sitecustomize_start[], hook_sitecustomize_end[];
extern const char hook_watch_start[], hook_watch_end[];
extern const char hook_logs_start[], hook_logs_end[];
extern const char hook_plots_start[], hook_plots_end[];
extern const char hook_notebook_start[], hook_notebook_end[];

/* The hook removes its directory itself, as the script starts: one that is older was left behind. */
#define STALE_S 60

/* What sitecustomize.py compiles when it needs it. */
static const struct { const char *name, *start, *end; } parts[] = {
	{ "watch", hook_watch_start, hook_watch_end },
	{ "logs", hook_logs_start, hook_logs_end },
	{ "plots", hook_plots_start, hook_plots_end },
	{ "notebook", hook_notebook_start, hook_notebook_end },
};

/* A bytes literal: any path, whatever is in it, comes out the same. */
static void write_literal(FILE *stream, const char *text, size_t size)
{
	fputs("b'", stream);
	for (const unsigned char *p = (const unsigned char *)text; size; p++, size--) {
		if (*p < ' ' || *p >= 0x7f || *p == '\'' || *p == '\\')
			fprintf(stream, "\\x%02x", *p);
		else
			fputc(*p, stream);
	}
	fputc('\'', stream);
}

static void write_text(FILE *stream, const char *text)
{
	if (text)
		write_literal(stream, text, strlen(text));
	else
		fputs("None", stream);
}

static void write_constants(FILE *stream, const struct identity *id, const struct hook_options *options)
{
	const char *pythonpath = environment_get(id->environment, "PYTHONPATH");

	fputs("PYTHONPATH = ", stream);
	write_text(stream, pythonpath);
	fputs("\nLOGS = ", stream);
	write_text(stream, options->logs_path);
	fprintf(stream, "\nLEVEL = %d\nWANTED = {'logging'%s%s}\nNOTEBOOK = ", options->log_level,
		options->no_matplotlib ? ", 'matplotlib.pyplot'" : "", options->no_plotly ? ", 'plotly.io._renderers', 'plotly.offline.offline'" : "");
	write_text(stream, options->notebook_dir);
	fputs("\nPARTS = {", stream);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		fprintf(stream, "%s'%s': ", i ? ", " : "", parts[i].name);
		write_literal(stream, parts[i].start, (size_t)(parts[i].end - parts[i].start));
	}
	fputs("}\n", stream);
}

static int hook_source(const struct identity *id, const struct hook_options *options, char **text, size_t *size)
{
	FILE *stream = open_memstream(text, size);
	bool failed;

	if (!stream)
		return -errno;
	write_constants(stream, id, options);
	fwrite(hook_sitecustomize_start, (size_t)(hook_sitecustomize_end - hook_sitecustomize_start), 1, stream);
	failed = ferror(stream);
	if (fclose(stream) || failed) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int put_file(int dir, const char *name, const char *data, size_t size)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

struct hook_text { char *text; size_t size; };

/* __pycache__ as a plain file: the interpreter cannot cache a compiled copy that would be left behind. */
static int fill(void *context, const char *directory)
{
	const struct hook_text *hook = context;
	_cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (dir < 0)
		return -errno;
	r = put_file(dir, "__pycache__", NULL, 0);
	return r ? r : put_file(dir, "sitecustomize.py", hook->text, hook->size);
}

/* PYTHONPATH cannot name a directory with a colon in it. */
static bool without_colon(const char *place)
{
	return !strchr(place, ':') && strlen(place) <= PATH_MAX / 2;
}

int hook__create(const struct identity *id, const struct hook_options *options, char **directory)
{
	/* the script waits while the hook removes its files, which takes 0.1 ms in memory and 0.5 to 4 ms on a disk */
	static const struct scratch_kind kind = { .prefix = "fixingahole-", .stale_s = STALE_S, .fits = without_colon, .fill = fill };
	struct hook_text hook = {};
	int r = hook_source(id, options, &hook.text, &hook.size);

	if (r < 0)
		return r;
	r = identity__enter(id);
	if (!r) {
		r = scratch__create(&kind, id, &hook, directory);
		identity__leave(id);
	}
	free(hook.text);
	return r;
}

void hook__remove(const struct identity *id, const char *directory)
{
	if (!directory || identity__enter(id) < 0)
		return;
	scratch__remove(directory);
	identity__leave(id);
}

char **script__environment(const struct identity *id, const char *hook_directory)
{
	const char *old = environment_get(id->environment, "PYTHONPATH");
	_cleanup_free_ char *path = NULL;
	struct strv env = {};
	int r = 0;

	for (char *const *p = id->environment; p && *p && !r; p++)
		r = strv_add(&env, *p);
	if (!r)
		r = strv_set(&env, "FIXINGAHOLE_PROFILE", "1");
	if (!r && hook_directory) {
		/* an empty entry would mean the working directory, but an empty PYTHONPATH means nothing */
		if (asprintf(&path, "%s%s%s", hook_directory, old && *old ? ":" : "", old ? old : "") < 0) {
			path = NULL;
			r = -ENOMEM;
		} else {
			r = strv_set(&env, "PYTHONPATH", path);
		}
	}
	if (r < 0) {
		strv_release(&env);
		return NULL;
	}
	return env.items;
}

#define RECORD_SHAPE "0000-00-00 00:00:00 "

/* A record begins with its time; the lines of a message or traceback that follow do not. */
static bool begins_record(const char *line, size_t length)
{
	static const char shape[] = RECORD_SHAPE;

	if (length < sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == '0' ? !isdigit((unsigned char)line[i]) : line[i] != shape[i])
			return false;
	return true;
}

/* A record's level stands behind its time. */
static bool below_warning(const char *record)
{
	const char *level = record + sizeof(RECORD_SHAPE) - 1;

	return !strncmp(level, "DEBUG ", 6) || !strncmp(level, "INFO ", 5);
}

int logs__count(const char *path, size_t *records, size_t *warnings)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fclose_ FILE *stream = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0, n = 0, low = 0;
	struct stat st;
	ssize_t length;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	stream = fdopen(fd, "r");
	if (!stream)
		return -errno;
	fd = -1;
	while ((length = getline(&line, &room, stream)) >= 0) {
		if (!begins_record(line, (size_t)length))
			continue;
		n++;
		low += below_warning(line);
	}
	*records = n;
	*warnings = n - low;
	return 0;
}
