// SPDX-License-Identifier: Apache-2.0
#include "cli/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/args.h"
#include "cli/find.h"
#include "cli/options.h"
#include "cli/options_file.h"
#include "cli/paths.h"
#include "cli/settings.h"
#include "util/cleanup.h"
#include "util/log.h"

static int resolve_script(struct invocation *v, const char *directory)
{
	struct config *config = &v->config;
	_cleanup_free_ char **skip = calloc(config->n_ignore + 1, sizeof(*skip));
	_cleanup_free_ char *from_here = NULL;
	struct find_places places = { .directory = directory, .root = config->root, .skip = skip, .n_skip = config->n_ignore + 1 };
	int err;

	if (!skip)
		return -ENOMEM;
	if (!v->file)
		return 0;
	if (config->n_ignore)
		memcpy(skip, config->ignore, config->n_ignore * sizeof(*skip));
	skip[config->n_ignore] = config->output_dir;
	err = find_script(v->file, &places, &config->file);
	if (err)
		return err;
	from_here = path_absolute(directory, v->file);
	if (!from_here)
		return -ENOMEM;
	config->file_typed = strcmp(from_here, config->file) ? config->file : v->file;
	return 0;
}

/* JSON or DIR, from the working directory. */
static int resolve_input(struct invocation *v, const char *directory)
{
	bool wants_folder = v->config.command == COMMAND_STATS;
	_cleanup_free_ char *path = path_absolute(directory, v->input);
	struct stat st;

	if (!path)
		return -ENOMEM;
	if (stat(path, &st) < 0) {
		log_error("cannot open '%s': %s", v->input, strerror(errno));
		return -EINVAL;
	}
	if (wants_folder && !S_ISDIR(st.st_mode)) {
		log_error("'%s' is not a folder: name the one that holds the runs", v->input);
		return -EINVAL;
	}
	if (!wants_folder && S_ISDIR(st.st_mode)) {
		log_error("'%s' is a folder: name a profile_results.json in it, or below", v->input);
		return -EINVAL;
	}
	if (!wants_folder && !S_ISREG(st.st_mode)) {
		log_error("'%s' is not a regular file", v->input);
		return -EINVAL;
	}
	v->config.input = steal_ptr(path);
	return 0;
}

/* The folders of merge: each is there. */
static int check_inputs(const struct config *config)
{
	struct stat st;

	for (size_t i = 0; i < config->n_inputs; i++) {
		if (stat(config->inputs[i], &st) < 0) {
			log_error("cannot open '%s': %s", config->inputs[i], strerror(errno));
			return -EINVAL;
		}
		if (!S_ISDIR(st.st_mode)) {
			log_error("'%s' is not a folder: name the one that holds the results", config->inputs[i]);
			return -EINVAL;
		}
	}
	return 0;
}

static int resolve(struct invocation *v, char *const *environment)
{
	_cleanup_free_ char *directory = NULL;
	int err;

	if (v->config.command == COMMAND_HELP)
		return 0;
	directory = getcwd(NULL, 0);
	if (!directory || directory[0] != '/') {
		log_error("cannot tell the working directory: %s", directory ? "it is out of reach" : strerror(errno));
		return -EINVAL;
	}
	err = settings_resolve(v, directory, environment);
	if (err)
		return err;
	if (v->config.command == COMMAND_PROFILE)
		return resolve_script(v, directory);
	if (v->config.command == COMMAND_MERGE)
		return check_inputs(&v->config);
	return command_spec(v->config.command) && command_spec(v->config.command)->operands == OPERAND_ONE ? resolve_input(v, directory) : 0;
}

int config__load_with(struct config *config, int argc, char **argv, char *const *environment)
{
	struct options_words *words = NULL;
	struct invocation read;
	int err = options_words__read(&words, argc, argv);

	err = err ? err : args_parse(&read, options_words__count(words, argc), options_words__vector(words, argv));
	if (err) {
		options_words__free(words);
		return err;
	}
	read.config.argc = argc;
	read.config.argv = argv;
	read.config.options_words = words;
	err = resolve(&read, environment);
	free(read.ignore);
	if (err) {
		config__release(&read.config);
		return err;
	}
	*config = read.config;
	return 0;
}

int config__load(struct config *config, int argc, char **argv)
{
	return config__load_with(config, argc, argv, environ);
}

void config__release(struct config *config)
{
	for (size_t i = 0; i < config->n_ignore; i++)
		free(config->ignore[i]);
	free(config->ignore);
	free(config->pids);
	free(config->outputs);
	free(config->headers);
	options_words__free(config->options_words);
	free(config->inputs);
	free(config->root);
	free(config->output_dir);
	free(config->settings_path);
	free(config->file);
	free(config->input);
	*config = (struct config){ 0 };
}
