// SPDX-License-Identifier: Apache-2.0
#include "cli/values.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/log.h"

#define PATTERN_MAX 255

static int set_integer(const struct typed *m, int *field)
{
	const struct option *o = m->option;
	long max = o->max != 0 ? (long)o->max : INT_MAX, number = 0;
	char *end = NULL;

	errno = 0;
	if (isdigit((unsigned char)m->value[m->value[0] == '-' || m->value[0] == '+']))
		number = strtol(m->value, &end, 10);
	if (!end || *end || errno || number < (long)o->min || number > max) {
		if (o->max != 0)
			log_error("'%s' must be a whole number from %.0f to %.0f, not '%s'%s", m->shown, o->min, o->max, m->value, m->hint);
		else
			log_error("'%s' must be a whole number of at least %.0f, not '%s'%s", m->shown, o->min, m->value, m->hint);
		return -EINVAL;
	}
	*field = (int)number;
	return 0;
}

static int set_number(const struct typed *m, double *field)
{
	const struct option *o = m->option;
	char *end = NULL;
	double number = NAN;

	if (m->value[0] && !m->value[strspn(m->value, "0123456789.+-eE")])
		number = strtod(m->value, &end);
	if (!end || *end || !isfinite(number) || number < o->min || (o->max != 0 && number > o->max)) {
		if (o->max != 0)
			log_error("'%s' must be a number from %g to %g, not '%s'%s", m->shown, o->min, o->max, m->value, m->hint);
		else
			log_error("'%s' must be a number of at least %g, not '%s'%s", m->shown, o->min, m->value, m->hint);
		return -EINVAL;
	}
	*field = number;
	return 0;
}

/* Index among the choices, upper or lower case alike; -EINVAL, said. */
static int choose(const struct typed *m)
{
	char list[128] = "";
	size_t used = 0;

	for (int i = 0; m->option->choices[i]; i++) {
		const char *before = !i ? "" : m->option->choices[i + 1] ? ", " : " or ";

		if (!strcasecmp(m->option->choices[i], m->value))
			return i;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", before, m->option->choices[i]);
	}
	log_error("'%s' must be %s, not '%s'%s", m->shown, list, m->value, m->hint);
	return -EINVAL;
}

static bool is_file_name(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/') && strlen(name) <= 200;
}

/* As in "import NAME": parts between dots, none empty. Letters beyond ASCII are Python's to judge. */
static bool is_module_name(const char *name)
{
	bool begin = true;

	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		if (*c == '.' ? begin : !(isalpha(*c) || *c == '_' || *c >= 0x80 || (isdigit(*c) && !begin)))
			return false;
		begin = *c == '.';
	}
	return !begin;
}

static int set_text(struct invocation *v, const struct typed *m, const char **field)
{
	if (!m->value[0]) {
		log_error("'%s' must not be empty%s", m->shown, m->hint);
		return -EINVAL;
	}
	if (m->option->kind == OPTION_NAME && !is_file_name(m->value)) {
		log_error("'%s' must be a file's name without a directory, not '%s'%s", m->shown, m->value, m->hint);
		return -EINVAL;
	}
	if (m->option->kind == OPTION_MODULE && !is_module_name(m->value)) {
		log_error("'%s' must be a module's name as in 'import', not '%s'", m->shown, m->value);
		return -EINVAL;
	}
	if (m->option->kind == OPTION_MODULE && v->file) {
		log_error("'%s' cannot go with the file '%s'%s", m->shown, v->file, m->hint);
		return -EINVAL;
	}
	*field = m->value;
	return 0;
}

int value_add_word(const char ***words, size_t *n, const char *word)
{
	const char **grown = reallocarray(*words, *n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*words = grown;
	grown[(*n)++] = word;
	return 0;
}

static int add_text(struct invocation *v, const struct typed *m, const char ***words, size_t *n)
{
	const char *value = NULL;
	int err = set_text(v, m, &value);

	return err ? err : value_add_word(words, n, value);
}

static int set_size(const struct typed *m, uint64_t *field)
{
	static const char units[] = "KMGT";
	uint64_t bytes = 0;
	const char *c = m->value, *unit;
	unsigned int shift = 0;
	bool fits = isdigit((unsigned char)*c);

	for (; fits && isdigit((unsigned char)*c); c++)
		fits = !__builtin_mul_overflow(bytes, 10, &bytes) && !__builtin_add_overflow(bytes, (uint64_t)(*c - '0'), &bytes);
	unit = *c ? strchr(units, toupper((unsigned char)*c)) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		c++;
	}
	if (!fits || *c || bytes > UINT64_MAX >> 1 >> shift) {
		log_error("'%s' must be a number of bytes, with K, M, G or T if you like, not '%s'", m->shown, m->value);
		return -EINVAL;
	}
	*field = bytes << shift;
	return 0;
}

static int add_pid(struct invocation *v, const struct typed *m)
{
	struct config *c = &v->config;
	int pid, err = set_integer(m, &pid), *grown;

	if (err)
		return err;
	grown = reallocarray(c->pids, c->n_pids + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->pids = grown;
	grown[c->n_pids++] = pid;
	return 0;
}

static int set_pattern(const struct typed *m, const char **field)
{
	if (m->value && (!m->value[0] || strlen(m->value) > PATTERN_MAX)) {
		log_error("'%s=PATTERN' must have 1 to %d letters%s", m->shown, PATTERN_MAX, m->hint);
		return -EINVAL;
	}
	*field = m->value ? m->value : "";
	return 0;
}

static int set_plots(struct invocation *v, const struct typed *m)
{
	struct config *config = &v->config;
	int choice = m->value ? choose(m) : 0;

	if (choice < 0)
		return choice;
	config->no_plots_matplotlib |= !m->value || choice == 0;
	config->no_plots_plotly |= !m->value || choice == 1;
	return 0;
}

int value_apply(struct invocation *v, const struct typed *m)
{
	const struct option *o = m->option;
	void *field = (char *)v + o->offset;
	int choice;

	if (m->value && !o->value) {
		log_error("'%s' takes no value, but has '%s'%s", m->shown, m->value, m->hint);
		return -EINVAL;
	}
	switch (o->kind) {
	case OPTION_SET:
	case OPTION_CLEAR:
		*(bool *)field = o->kind == OPTION_SET;
		return 0;
	case OPTION_INTEGER:
		return set_integer(m, field);
	case OPTION_NUMBER:
		return set_number(m, field);
	case OPTION_TEXT:
	case OPTION_NAME:
	case OPTION_MODULE:
		return set_text(v, m, field);
	case OPTION_DIRECTORIES:
		return add_text(v, m, &v->ignore, &v->n_ignore);
	case OPTION_PIDS:
		return add_pid(v, m);
	case OPTION_OUTPUTS:
		return add_text(v, m, &v->config.outputs, &v->config.n_outputs);
	case OPTION_HEADERS:
		return add_text(v, m, &v->config.headers, &v->config.n_headers);
	case OPTION_SIZE:
		return set_size(m, field);
	case OPTION_PATTERN:
		return set_pattern(m, field);
	case OPTION_PLOTS:
		return set_plots(v, m);
	case OPTION_CHOICE:
		choice = choose(m);
		if (choice >= 0)
			*(const char **)field = o->choices[choice];
		return choice < 0 ? choice : 0;
	case OPTION_LEVEL:
		choice = choose(m);
		if (choice >= 0)
			*(enum log_level *)field = LOG_LEVEL_DEBUG + 10 * choice;
		return choice < 0 ? choice : 0;
	}
	return -EINVAL;
}
