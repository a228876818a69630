// SPDX-License-Identifier: Apache-2.0
#include "report/stored.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report/text.h"
#include "util/cleanup.h"

#define FILE_BYTES_MAX (512LL * 1024 * 1024)

void set_problem(char problem[512], const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *shown = NULL;
	size_t size = 0;
	va_list args;
	FILE *out;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	out = text ? open_memstream(&shown, &size) : NULL;
	if (out) {
		text_print(out, text, strlen(text), 500, TEXT_NAME);
		if (fclose(out) != 0)
			size = 0;
	}
	if (size > 511) { /* many bytes per column: cut between characters */
		for (size = 511; size && ((unsigned char)shown[size] & 0xc0) == 0x80; size--)
			;
	}
	memcpy(problem, size ? shown : "", size);
	problem[size] = '\0';
}

void name_problem(char problem[512], const char *path)
{
	char reason[512];

	if (!*problem || strstr(problem, path))
		return;
	memcpy(reason, problem, sizeof(reason));
	set_problem(problem, "'%s': %s", path, reason);
}

static int read_file(const char *path, char **text, size_t *size, char problem[512])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *buffer = NULL;
	struct stat st;
	size_t have = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		set_problem(problem, "cannot open '%s': %s", path, strerror(errno));
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX) {
		set_problem(problem, "cannot use '%s': %s", path, S_ISREG(st.st_mode) ? "larger than 512 MB" : "not a regular file");
		return -EINVAL;
	}
	buffer = malloc((size_t)st.st_size + 1);
	if (!buffer)
		return -ENOMEM;
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, buffer + have, (size_t)st.st_size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			set_problem(problem, "cannot read '%s': %s", path, strerror(errno));
			return -EINVAL;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	buffer[have] = '\0';
	*size = have;
	*text = steal_ptr(buffer);
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The key that an object of the tree has twice, or NULL. cJSON bounds the depth. */
static const char *find_twin(const cJSON *json)
{
	_cleanup_free_ const cJSON **members = NULL;
	const char *twin = NULL;
	const cJSON *item;
	size_t n = 0;

	cJSON_ArrayForEach(item, json) {
		twin = item->child ? find_twin(item) : NULL;
		if (twin)
			return twin;
		n++;
	}
	members = cJSON_IsObject(json) && n > 1 ? calloc(n, sizeof(*members)) : NULL;
	if (!members)
		return NULL;
	n = 0;
	cJSON_ArrayForEach(item, json)
		members[n++] = item;
	qsort(members, n, sizeof(*members), by_key);
	for (size_t i = 1; i < n && !twin; i++)
		twin = strcmp(members[i - 1]->string, members[i]->string) ? NULL : members[i]->string;
	return twin;
}

static int parse(const char *path, cJSON **json, char problem[512])
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int err = read_file(path, &text, &size, problem);

	if (err < 0)
		return err;
	*json = cJSON_ParseWithLengthOpts(text, size + 1, NULL, 1);
	if (*json)
		return 0;
	set_problem(problem, "cannot use '%s': not JSON", path);
	return -EINVAL;
}

int stored_read_json(const char *path, cJSON **json, char problem[512])
{
	const char *twin;
	cJSON *read;
	int err = parse(path, &read, problem);

	if (err < 0)
		return err;
	twin = find_twin(read);
	if (twin) {
		set_problem(problem, "cannot use '%s': the key '%s' is there twice", path, twin);
		cJSON_Delete(read);
		return -EINVAL;
	}
	*json = read;
	return 0;
}

const char *stored_number(const cJSON *item, double max, double *value)
{
	if (!cJSON_IsNumber(item))
		return item ? "not a number" : "missing";
	if (!isfinite(item->valuedouble) || item->valuedouble < -0.001 || item->valuedouble > max)
		return "out of range";
	*value = item->valuedouble > 0 ? item->valuedouble : 0;
	return NULL;
}

static int get_number(const cJSON *object, const char *where, const char *key, double max, double *value, char problem[512])
{
	const char *wrong = stored_number(cJSON_GetObjectItemCaseSensitive(object, key), max, value);

	if (wrong)
		set_problem(problem, "cannot use the profile: '%s' of %s is %s", key, where, wrong);
	return wrong ? -EINVAL : 0;
}

static int read_function(struct stored_function *function, const char *path, const cJSON *object, char problem[512])
{
	const cJSON *name = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, "line") : NULL;
	double lineno = 0;

	if (!cJSON_IsString(name)) {
		set_problem(problem, "cannot use the profile: a function of '%s' has no name", path);
		return -EINVAL;
	}
	*function = (struct stored_function){.path = path, .name = name->valuestring};
	if (get_number(object, name->valuestring, "lineno", UINT32_MAX, &lineno, problem) < 0 ||
	    get_number(object, name->valuestring, "n_cpu_percent_python", 1000, &function->python_percent, problem) < 0 ||
	    get_number(object, name->valuestring, "n_cpu_percent_c", 1000, &function->native_percent, problem) < 0 ||
	    get_number(object, name->valuestring, "n_sys_percent", 1000, &function->system_percent, problem) < 0 ||
	    get_number(object, name->valuestring, "n_peak_mb", 1e12, &function->peak_mb, problem) < 0)
		return -EINVAL;
	function->lineno = (uint32_t)lineno;
	return 0;
}

static int read_functions(struct stored *stored, const cJSON *files, char problem[512])
{
	const cJSON *file, *object;
	size_t n = 0;

	cJSON_ArrayForEach(file, files) {
		const cJSON *functions = cJSON_IsObject(file) ? cJSON_GetObjectItemCaseSensitive(file, "functions") : NULL;

		if (!cJSON_IsArray(functions)) {
			set_problem(problem, "cannot use the profile: 'functions' of '%s' is not a list", file->string ? file->string : "");
			return -EINVAL;
		}
		n += (size_t)cJSON_GetArraySize(functions);
	}
	stored->functions = calloc(n + 1, sizeof(*stored->functions));
	if (!stored->functions)
		return -ENOMEM;
	cJSON_ArrayForEach(file, files) {
		const cJSON *functions = cJSON_GetObjectItemCaseSensitive(file, "functions");

		cJSON_ArrayForEach(object, functions) {
			int err = read_function(&stored->functions[stored->n_functions], file->string ? file->string : "", object, problem);

			if (err < 0)
				return err;
			stored->n_functions++;
		}
	}
	return 0;
}

static int read_all(struct stored *stored, const char *path, char problem[512])
{
	const cJSON *files = cJSON_GetObjectItemCaseSensitive(stored->json, "files"), *item;

	if (!cJSON_IsObject(stored->json) || !cJSON_IsObject(files) || !cJSON_HasObjectItem(stored->json, "elapsed_time_sec")) {
		set_problem(problem, "cannot use '%s': JSON, but not a profile ('files' or 'elapsed_time_sec' is missing)", path);
		return -ENOENT;
	}
	if (get_number(stored->json, "the profile", "elapsed_time_sec", 1e12, &stored->elapsed_s, problem) < 0)
		return -EINVAL;
	item = cJSON_GetObjectItemCaseSensitive(stored->json, "start_time_absolute");
	stored->start_epoch_s = cJSON_IsNumber(item) ? item->valuedouble : 0;
	item = cJSON_GetObjectItemCaseSensitive(stored->json, "memory");
	stored->memory = cJSON_IsTrue(item);
	item = cJSON_GetObjectItemCaseSensitive(stored->json, "max_footprint_mb");
	if (item && get_number(stored->json, "the profile", "max_footprint_mb", 1e12, &stored->max_footprint_mb, problem) < 0)
		return -EINVAL;
	return read_functions(stored, files, problem);
}

int stored__load(struct stored *stored, const char *path, char problem[512])
{
	int err;

	*stored = (struct stored){0};
	err = parse(path, &stored->json, problem);
	if (err < 0)
		return err;
	err = read_all(stored, path, problem);
	if (err < 0)
		stored__release(stored);
	return err;
}

/* Sum of the whole's times in one details file of the same run; 0: not that. */
static double details_whole_s(const struct stored *stored, const char *path)
{
	char problem[512];
	const cJSON *whole, *item;
	double sum = 0;
	cJSON *json;

	if (parse(path, &json, problem) < 0)
		return 0;
	item = cJSON_GetObjectItemCaseSensitive(json, "start_epoch_s");
	whole = cJSON_GetObjectItemCaseSensitive(json, "whole");
	if (cJSON_IsNumber(item) && fabs(item->valuedouble - stored->start_epoch_s) < 1e-3) {
		cJSON_ArrayForEach(item, whole)
			sum += cJSON_IsNumber(item) && isfinite(item->valuedouble) && item->valuedouble > 0 ? item->valuedouble : 0;
	}
	cJSON_Delete(json);
	return sum;
}

double stored__whole_s(const struct stored *stored, const char *path)
{
	const char *slash = strrchr(path, '/'), *number = strrchr(path, '_');
	int folder = slash ? (int)(slash - path) + 1 : 0;
	_cleanup_free_ char *numbered = NULL, *plain = NULL;
	double whole = 0;

	/* "NAME_2.json" goes with "profile_details_2.json" */
	if (number && number[1] >= '0' && number[1] <= '9' && asprintf(&numbered, "%.*sprofile_details%s", folder, path, number) > 0)
		whole = details_whole_s(stored, numbered);
	if (whole <= 0 && asprintf(&plain, "%.*sprofile_details.json", folder, path) > 0)
		whole = details_whole_s(stored, plain);
	return whole > 0 ? whole : stored->elapsed_s;
}

void stored__release(struct stored *stored)
{
	cJSON_Delete(stored->json);
	free(stored->functions);
	free(stored->stacks);
	free(stored->frames);
	free(stored->frame_text);
	*stored = (struct stored){0};
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Copies [p, end) without its percent-encoding, NUL-terminated; returns the place behind. */
static char *decode(char *to, const char *p, const char *end)
{
	while (p < end) {
		if (*p == '%' && end - p >= 3 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0 && (p[1] != '0' || p[2] != '0')) {
			*to++ = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
			p += 3;
		} else {
			*to++ = *p++;
		}
	}
	*to++ = '\0';
	return to;
}

/* "PATH FUNCTION:LINE;", from the end: the reference does not escape blanks in paths. False if it is nothing like it. */
static bool read_frame(struct profile_frame *frame, const char *text, char **to)
{
	const char *end = text + strlen(text), *colon, *blank;
	unsigned long lineno;
	char *rest;

	if (end > text && end[-1] == ';')
		end--;
	for (colon = end; colon > text && colon[-1] != ':'; colon--)
		;
	if (colon == text || colon == end || !isdigit((unsigned char)*colon))
		return false;
	errno = 0;
	lineno = strtoul(colon, &rest, 10);
	if (errno || rest != end || lineno > UINT32_MAX)
		return false;
	colon--;
	for (blank = colon; blank > text && blank[-1] != ' '; blank--)
		;
	if (blank == text)
		return false;
	frame->lineno = (uint32_t)lineno;
	frame->path = *to;
	*to = decode(*to, text, blank - 1);
	frame->function = *to;
	*to = decode(*to, blank, colon);
	return true;
}

/* Checks the stacks' shape and counts what they need. */
static int measure_stacks(const cJSON *stacks, size_t *n_stacks, size_t *n_frames, size_t *n_bytes, char problem[512])
{
	const cJSON *stack, *frame;

	*n_stacks = *n_frames = *n_bytes = 0;
	cJSON_ArrayForEach(stack, stacks) {
		const cJSON *frames = cJSON_IsArray(stack) ? stack->child : NULL;
		const cJSON *figures = frames ? frames->next : NULL;
		double count;

		if (!cJSON_IsArray(frames) || !cJSON_IsObject(figures)) {
			set_problem(problem, "cannot use the profile: stack %zu is not a pair of frames and figures", *n_stacks);
			return -EINVAL;
		}
		if (get_number(figures, "a stack", "count", 1e15, &count, problem) < 0)
			return -EINVAL;
		cJSON_ArrayForEach(frame, frames) {
			if (!cJSON_IsString(frame)) {
				set_problem(problem, "cannot use the profile: a frame of stack %zu is not a text", *n_stacks);
				return -EINVAL;
			}
			*n_bytes += strlen(frame->valuestring) + 2;
			(*n_frames)++;
		}
		(*n_stacks)++;
	}
	return 0;
}

int stored__read_stacks(struct stored *stored, char problem[512])
{
	const cJSON *stacks = cJSON_GetObjectItemCaseSensitive(stored->json, "stacks"), *stack, *frame;
	size_t n_stacks, n_frames, n_bytes, at = 0;
	char *to;
	int err;

	if (stacks && !cJSON_IsArray(stacks)) {
		set_problem(problem, "cannot use the profile: 'stacks' is not a list");
		return -EINVAL;
	}
	err = measure_stacks(stacks, &n_stacks, &n_frames, &n_bytes, problem);
	if (err < 0)
		return err;
	stored->stacks = calloc(n_stacks + 1, sizeof(*stored->stacks));
	stored->frames = calloc(n_frames + 1, sizeof(*stored->frames));
	to = stored->frame_text = malloc(n_bytes + 1);
	if (!stored->stacks || !stored->frames || !stored->frame_text)
		return -ENOMEM;
	cJSON_ArrayForEach(stack, stacks) {
		struct summary_stack *entry = &stored->stacks[stored->n_stacks++];

		entry->frames = &stored->frames[at];
		cJSON_ArrayForEach(frame, stack->child) {
			if (!read_frame(&stored->frames[at], frame->valuestring, &to)) {
				set_problem(problem, "cannot use the profile: '%s' is not a frame", frame->valuestring);
				return -EINVAL;
			}
			at++;
			entry->n_frames++;
		}
		entry->samples = (uint64_t)fmax(0, cJSON_GetObjectItemCaseSensitive(stack->child->next, "count")->valuedouble);
	}
	return 0;
}
