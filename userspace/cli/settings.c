// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/paths.h"
#include "cli/toml.h"
#include "util/cleanup.h"
#include "util/log.h"

#define FILE_MAX ((off_t)4 << 20)

/* All that the settings are taken from. */
struct sources {
	struct invocation *invocation;
	const char *directory;
	char *const *environment;
	struct toml_settings toml;
	char *git_root;   /* NULL outside of a repository */
	char *toml_dir;   /* the folder of settings_path */
};

/* One value and where it stands, for the message when it is wrong. */
struct setting {
	const char *source;
	unsigned int line; /* 0: not from a file */
	const char *key;
};

static const char *environment_value(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

static int wrong(const struct setting *setting, const char *problem, const char *value)
{
	char shown[1024];

	path_shown(value, shown, sizeof(shown));
	if (setting->line)
		log_error("%s, line %u: %s: %s '%s'", setting->source, setting->line, setting->key, problem, shown);
	else
		log_error("%s: %s '%s'", setting->source, problem, shown);
	return -EINVAL;
}

/*
 * What stands above the working directory counts only if root, we, or the owner of the working directory made it: anybody
 * may put things into /tmp.
 */
static bool is_trusted(const char *directory, const char *folder, const struct stat *file)
{
	struct stat st;

	return !strcmp(directory, folder) || file->st_uid == 0 || file->st_uid == geteuid() ||
	       (stat(directory, &st) == 0 && file->st_uid == st.st_uid);
}

static int find_git_root(const char *directory, char **git_root)
{
	_cleanup_free_ char *at = strdup(directory);

	while (at) {
		_cleanup_free_ char *mark = path_absolute(at, ".git");
		struct stat st;
		char *parent;

		if (!mark)
			return -ENOMEM;
		if (stat(mark, &st) == 0) {
			if (is_trusted(directory, at, &st)) {
				*git_root = steal_ptr(at);
				return 0;
			}
			log_warning("the git repository '%s' is passed over: it belongs to another user", at);
		}
		if (!strcmp(at, "/"))
			return 0;
		parent = path_parent(at);
		free(at);
		at = parent;
	}
	return -ENOMEM;
}

static int read_whole(int fd, size_t limit, char **text, size_t *size)
{
	_cleanup_free_ char *data = malloc(limit + 1);
	size_t used = 0;

	if (!data)
		return -ENOMEM;
	while (used < limit) {
		ssize_t n = read(fd, data + used, limit - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		used += (size_t)n;
	}
	*size = used;
	*text = steal_ptr(data);
	return 0;
}

/* 1: our table is there and in *toml; 0: it is not, or there is no such file. */
static int read_file(const char *directory, const char *folder, const char *path, struct toml_settings *toml)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	struct toml_problem problem = { 0 };
	struct stat st;
	size_t size = 0;
	int err;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || (errno == EACCES && access(path, F_OK) < 0)))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		log_error("cannot open '%s': %s", path, strerror(errno));
		return -EINVAL;
	}
	if (!is_trusted(directory, folder, &st)) {
		log_warning("'%s' is not read: it belongs to another user", path);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		log_error("cannot read '%s': %s", path, S_ISREG(st.st_mode) ? "it is larger than 4 MiB" : "not a regular file");
		return -EINVAL;
	}
	err = read_whole(fd, (size_t)st.st_size, &text, &size);
	if (err && err != -ENOMEM) {
		log_error("cannot read '%s': %s", path, strerror(-err));
		return -EINVAL;
	}
	err = err ? err : toml_read(toml, text, size, &problem);
	if (err == -EINVAL)
		log_error("%s, line %u: %s", path, problem.line, problem.text);
	return err ? err : toml->found;
}

static int read_folder(struct sources *s, const char *folder)
{
	_cleanup_free_ char *path = path_absolute(folder, "pyproject.toml");
	int err = path ? read_file(s->directory, folder, path, &s->toml) : -ENOMEM;

	if (err == 1) {
		s->toml_dir = strdup(folder);
		s->invocation->config.settings_path = steal_ptr(path);
		if (!s->toml_dir)
			return -ENOMEM;
	}
	return err;
}

/* The nearest pyproject.toml with our table: others on the way (of a package in a larger project) are passed by. */
static int read_project(struct sources *s)
{
	const char *venv = environment_value(s->environment, "VIRTUAL_ENV");
	_cleanup_free_ char *at = strdup(s->directory);
	_cleanup_free_ char *venv_path = NULL, *venv_parent = NULL;
	int err = 0;

	while (at) {
		char *parent;

		err = read_folder(s, at);
		if (err)
			return err < 0 ? err : 0;
		if (!strcmp(at, "/") || (s->git_root && !strcmp(at, s->git_root)))
			break;
		parent = path_parent(at);
		free(at);
		at = parent;
	}
	if (!at)
		return -ENOMEM;
	if (!venv || !*venv)
		return 0;
	venv_path = path_absolute(s->directory, venv);
	venv_parent = venv_path ? path_parent(venv_path) : NULL;
	err = venv_parent ? read_folder(s, venv_parent) : -ENOMEM;
	return err < 0 ? err : 0;
}

/* The value of a key from the environment or else the file; NULL for neither. */
static const char *look_up(const struct sources *s, enum toml_key key, struct setting *setting)
{
	static const char *const variables[TOML_KEYS] = {
		"FIXINGAHOLE_ROOT", "FIXINGAHOLE_OUTPUT", "FIXINGAHOLE_IGNORE", "FIXINGAHOLE_DURATION",
	};
	const char *value = environment_value(s->environment, variables[key]);
	const struct toml_entry *entry = &s->toml.entries[key];

	*setting = (struct setting){ .source = value ? variables[key] : "default", .key = toml_key_name(key) };
	if (value || !entry->present)
		return value;
	setting->source = s->invocation->config.settings_path;
	setting->line = entry->line;
	return entry->n_values ? entry->values[0] : "";
}

/* An absolute directory: there already, or not there at all if it need not be. */
static int resolve_directory(const struct setting *setting, const char *base, const char *value, bool must_exist, char **directory)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (!*value)
		return wrong(setting, "must not be empty:", value);
	path = path_resolved(base, value);
	if (!path)
		return -ENOMEM;
	if (strlen(path) >= PATH_MAX)
		return wrong(setting, "the path is too long:", value);
	if (stat(path, &st) < 0) {
		/* only a shell knows homes, and not everywhere: else there would be a folder of that name */
		if (value[0] == '~' && (!value[1] || value[1] == '/'))
			return wrong(setting, "'~' is not expanded here, name the folder in full, not", value);
		if (must_exist || errno == ENOTDIR)
			return wrong(setting, "no such directory:", value);
	} else if (!S_ISDIR(st.st_mode)) {
		return wrong(setting, "not a directory:", value);
	}
	*directory = steal_ptr(path);
	return 0;
}

static int resolve_root(struct sources *s)
{
	struct config *config = &s->invocation->config;
	struct setting setting;
	const char *value = look_up(s, TOML_ROOT, &setting);
	const char *base = setting.line ? s->toml_dir : s->directory;

	config->root_source = setting.source;
	if (!value)
		value = s->git_root ? s->git_root : s->directory;
	return resolve_directory(&setting, base, value, true, &config->root);
}

static int resolve_output(struct sources *s)
{
	struct config *config = &s->invocation->config;
	struct setting setting;
	const char *value = look_up(s, TOML_OUTPUT, &setting), *base = config->root;

	if (s->invocation->output) {
		setting = (struct setting){ .source = "--output-directory" };
		value = s->invocation->output;
		base = s->directory;
	}
	config->output_source = setting.source;
	return resolve_directory(&setting, base, value ? value : "performance", false, &config->output_dir);
}

static int resolve_duration(struct sources *s)
{
	struct config *config = &s->invocation->config;
	struct setting setting;
	const char *value = look_up(s, TOML_DURATION, &setting);

	if (s->invocation->duration) {
		setting = (struct setting){ .source = "--duration" };
		value = s->invocation->duration;
	}
	config->duration_source = setting.source;
	if (value && strcasecmp(value, "relative") && strcasecmp(value, "absolute"))
		return wrong(&setting, "must be 'relative' or 'absolute', not", value);
	config->duration = value && !strcasecmp(value, "absolute") ? DURATION_ABSOLUTE : DURATION_RELATIVE;
	return 0;
}

static int ignore_add(struct config *config, const struct setting *setting, const char *base, const char *value)
{
	char **grown = reallocarray(config->ignore, config->n_ignore + 1, sizeof(*grown));
	int err;

	if (!grown)
		return -ENOMEM;
	config->ignore = grown;
	err = resolve_directory(setting, base, value, false, &grown[config->n_ignore]);
	if (!err)
		config->n_ignore++;
	return err;
}

static int ignore_typed(struct sources *s)
{
	struct config *config = &s->invocation->config;
	const struct setting setting = { .source = config->ignore_source };

	for (size_t i = 0; i < s->invocation->n_ignore; i++) {
		int err = ignore_add(config, &setting, s->directory, s->invocation->ignore[i]);

		if (err)
			return err;
		if (access(config->ignore[config->n_ignore - 1], F_OK) < 0)
			log_warning("'--ignore': no directory '%s'", s->invocation->ignore[i]);
	}
	return 0;
}

/* "a:b"; between two colons there is no name, and so nothing to ignore. */
static int ignore_listed(struct sources *s, const struct setting *setting, const char *value)
{
	_cleanup_free_ char *list = strdup(value);
	char *rest = list, *name;

	if (!list)
		return -ENOMEM;
	while ((name = strsep(&rest, ":"))) {
		int err = *name ? ignore_add(&s->invocation->config, setting, s->invocation->config.root, name) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int resolve_ignore(struct sources *s)
{
	struct config *config = &s->invocation->config;
	const struct toml_entry *entry = &s->toml.entries[TOML_IGNORE];
	struct setting setting;
	const char *value = look_up(s, TOML_IGNORE, &setting);

	if (s->invocation->n_ignore) {
		config->ignore_source = "--ignore";
		return ignore_typed(s);
	}
	config->ignore_source = setting.source;
	if (!value)
		return 0;
	if (!setting.line)
		return ignore_listed(s, &setting, value);
	for (size_t i = 0; i < entry->n_values; i++) {
		int err = ignore_add(config, &setting, config->root, entry->values[i]);

		if (err)
			return err;
	}
	return 0;
}

int settings_resolve(struct invocation *invocation, const char *directory, char *const *environment)
{
	struct sources s = { .invocation = invocation, .directory = directory, .environment = environment };
	int err = find_git_root(directory, &s.git_root);

	err = err ? err : read_project(&s);
	err = err ? err : resolve_root(&s);
	err = err ? err : resolve_output(&s);
	err = err ? err : resolve_ignore(&s);
	err = err ? err : resolve_duration(&s);
	toml_release(&s.toml);
	free(s.git_root);
	free(s.toml_dir);
	return err;
}
