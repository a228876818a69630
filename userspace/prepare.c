// SPDX-License-Identifier: Apache-2.0
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "image/elf.h"
#include "target/calls_file.h"
#include "target/heap_library.h"
#include "target/preload_library.h"
#include "target/strv.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/shell.h"

#define SCRIPT_MAX (256 << 20)

char *prepare_quoted(int argc, char **argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	/* "fixingahole", however long the path it was found by */
	shell_quote(out, strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0]);
	for (int i = 1; i < argc; i++) {
		putc(' ', out);
		shell_quote(out, argv[i]);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);

	return n >= m && !strcmp(path + n - m, suffix);
}

/* The script as it is now, with the user's rights. A text that cannot be read is Python's to complain about. */
static int read_script(struct preparation *prep, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st)) {
		log_error("cannot read '%s': %s", path, strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > SCRIPT_MAX)
		return 0;
	text = malloc(st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while ((n = read(fd, text + prep->source_size, st.st_size - prep->source_size)) > 0)
		prep->source_size += n;
	text[prep->source_size] = 0;
	prep->source = text;
	return 0;
}

static int read_notebook(struct preparation *prep, const char *path)
{
	char problem[512];
	int err = notebook__read(&prep->notebook, path, problem);

	if (err) {
		log_error("cannot run '%s': %s", path, problem);
		return err;
	}
	for (size_t i = 0; i < prep->notebook.n_notices; i++)
		log_notice("%s", prep->notebook.notices[i]);
	return 0;
}

/* Folder, and the copy of the code that runs. Under the user's rights but for outputs__*(), which see to that themselves. */
static int prepare_outputs(struct preparation *prep, const struct config *c, const struct identity *id)
{
	const char *base = c->file ? strrchr(c->file, '/') + 1 : c->module;
	_cleanup_free_ char *folder = outputs_folder_name(base), *copy = NULL;
	char problem[512];
	int err;

	if (!folder)
		return -ENOMEM;
	err = outputs__new(&prep->outputs, id, c->output_dir, folder, time(NULL), problem);
	if (err) {
		log_error("%s", problem);
		return err;
	}
	if (asprintf(&prep->logs_path, "%s/profile_logs.log", outputs__path(prep->outputs)) < 0)
		return -ENOMEM;
	if (!c->file || (!prep->is_notebook && !prep->source))
		return 0;
	if (asprintf(&copy, prep->is_notebook ? "%s.py" : "%s", prep->is_notebook ? folder : base) < 0)
		return -ENOMEM;
	if (asprintf(&prep->copy_path, "%s/%s", outputs__path(prep->outputs), copy) < 0)
		return -ENOMEM;
	err = prep->is_notebook ? outputs__put(prep->outputs, copy, prep->notebook.source, prep->notebook.size) : outputs__put(prep->outputs, copy, prep->source, prep->source_size);
	if (err)
		log_error("cannot write '%s': %s; choose another folder with --output-directory", prep->copy_path, strerror(-err));
	return err;
}

static int choose_python(struct preparation *prep, const struct config *c, const struct identity *id)
{
	int err = script__choose_python(id, c->python, c->file, c->root, &prep->python, &prep->python_why);

	if (err == -ENOENT && c->python)
		log_error("no such interpreter: '%s' (--python); give a path, or a name on PATH", c->python);
	else if (err == -ENOENT)
		log_error("no python3 found on PATH; name one with --python");
	else if (err)
		log_error("cannot execute '%s' as %s: %s", c->python ? c->python : "python3", id->name, strerror(-err));
	else if (!c->quiet)
		log_notice("running with %s (%s)", prep->python, prep->python_why);
	return err;
}

static int find_heap_library(struct preparation *prep, const struct identity *id)
{
	int err = preload_library__find(id, HEAP_LIBRARY, &prep->heap_library);

	if (err == -ENOENT)
		log_error("cannot find libfixingahole-heap.so, which --memory needs, for %s to read: it belongs beside the program or in ../lib/fixingahole from there; 'make install' puts it there", id->name);
	else if (err)
		log_error("cannot find libfixingahole-heap.so, which --memory needs: %s", strerror(-err));
	return err;
}

static int find_calls_library(struct preparation *prep, const struct identity *id)
{
	int err = preload_library__find(id, CALLS_LIBRARY, &prep->calls_library);

	if (err)
		log_error("cannot find libfixingahole-calls.so, which --calls needs, for %s to read: %s; it belongs beside the program or in ../lib/fixingahole from there, where 'make install' puts it", id->name, strerror(-err));
	return err;
}

/* Where calls are counted, and what makes the script's processes count. */
static int prepare_calls(struct preparation *prep, const struct config *c, const struct identity *id)
{
	int err = calls_file__create(&prep->calls_file, id, c->calls_pattern);

	if (err) {
		log_error("cannot create the file that --calls counts in: %s; is there room in /dev/shm or /tmp?", strerror(-err));
		return err;
	}
	err = calls_file__environment(prep->calls_file, &prep->envp, prep->calls_library);
	if (err)
		log_error("out of memory");
	return err;
}

void prepare_heap_probes(struct preparation *prep, const struct config *c)
{
	struct heap_probes_options *o = &prep->heap_probes_options;

	prep->heap_probes = true;
	heap_library__sampling(c->precision, &o->stride, &o->rate);
	/* nothing adds to it while the process grows */
	o->rate *= 2;
	o->budget = c->heap_budget_percent / 100;
}

/* Our libraries are glibc's, and come with its dynamic linker. A script that starts an interpreter is taken to start one that has it. */
static bool takes_libraries(const struct preparation *prep, const struct identity *id)
{
	struct elf_section interpreter;
	struct elf_image *image;
	char linker[256] = "";
	bool takes = true;
	int fd = identity__enter(id);

	if (fd)
		return true;
	fd = open(prep->python, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	identity__leave(id);
	if (fd < 0 || elf_image__new(fd, &image))
		return true;
	if (elf_image__section(image, ".interp", &interpreter) || interpreter.size >= sizeof(linker) || elf_image__read(image, interpreter.address, linker, interpreter.size))
		takes = false;
	else
		takes = strstr(linker, "/ld-linux") != NULL;
	elf_image__free(image);
	return takes;
}

static int choose_heap_source(struct preparation *prep, const struct config *c, const struct identity *id)
{
	bool probes = c->heap_source && !strcmp(c->heap_source, "probes");

	if (!probes && takes_libraries(prep, id))
		return find_heap_library(prep, id);
	if (!probes)
		log_notice("'%s' is not linked with glibc and cannot load our library: its heap is seen by probes", prep->python);
	prepare_heap_probes(prep, c);
	return 0;
}

void prepare_builder_options(struct preparation *prep, const struct config *c, uint32_t allowed_cpus)
{
	struct builder_options *o = &prep->builder_options;

	o->root = c->root;
	o->ignore = c->ignore;
	o->n_ignore = c->n_ignore;
	o->output_dir = c->output_dir;
	o->detailed = c->detailed;
	o->directory = prep->directory;
	o->allowed_cpus = allowed_cpus;
	o->heap = c->memory;
	o->heap_probes = prep->heap_probes;
}

static void fill_builder_options(struct preparation *prep, const struct config *c, uint32_t allowed_cpus)
{
	struct builder_options *o = &prep->builder_options;

	prepare_builder_options(prep, c, allowed_cpus);
	o->calls = c->calls_pattern != NULL;
	o->calls_pattern = c->calls_pattern && *c->calls_pattern ? c->calls_pattern : NULL;
	if (prep->is_notebook) {
		o->script = prep->copy_path;
		o->script_source = prep->notebook.source;
		o->script_size = prep->notebook.size;
		o->script_display = c->file;
		o->cells = &prep->notebook.map;
	} else if (c->file) {
		o->script = c->file;
		o->script_source = prep->source;
		o->script_size = prep->source_size;
	}
}

int prepare(struct preparation *prep, const struct config *c, const struct identity *id, uint32_t allowed_cpus)
{
	const char *bench = getenv("FIXINGAHOLE_BENCH_EMPTY");
	int err;

	prep->bench_empty = bench && !strcmp(bench, "1");
	prep->command_line = prepare_quoted(c->argc, c->argv);
	prep->directory = getcwd(NULL, 0);
	if (!prep->command_line || !prep->directory) {
		log_error("cannot find the working directory: %s", strerror(errno));
		return -errno;
	}
	prep->entrypoint_dir = c->file ? strndup(c->file, strrchr(c->file, '/') == c->file ? 1 : strrchr(c->file, '/') - c->file) : strdup(prep->directory);
	prep->is_notebook = c->file && has_suffix(c->file, ".ipynb");
	err = identity__enter(id);
	if (err) {
		log_error("cannot become user '%s': %s", id->name, strerror(-err));
		return err;
	}
	if (prep->is_notebook)
		err = read_notebook(prep, c->file);
	else if (c->file)
		err = read_script(prep, c->file);
	identity__leave(id);
	if (!err)
		err = choose_python(prep, c, id);
	if (!err)
		err = prepare_outputs(prep, c, id);
	if (!err && c->memory)
		err = choose_heap_source(prep, c, id);
	if (!err && c->calls_pattern && !takes_libraries(prep, id)) {
		log_error("cannot count calls: '%s' is not linked with glibc and cannot load our library; leave --calls out", prep->python);
		err = -EINVAL;
	}
	if (!err && c->calls_pattern)
		err = find_calls_library(prep, id);
	if (!err)
		fill_builder_options(prep, c, allowed_cpus);
	return err;
}

/* A name such as "-x.py" must not look like an option of the interpreter. */
static int add_script(struct strv *argv, const char *path)
{
	_cleanup_free_ char *safe = NULL;

	if (path[0] != '-')
		return strv_add(argv, path);
	return asprintf(&safe, "./%s", path) < 0 ? -ENOMEM : strv_add(argv, safe);
}

int prepare_run(struct preparation *prep, const struct config *c, const struct identity *id)
{
	const struct hook_options hook = {
		.logs_path = prep->logs_path,
		.log_level = c->log_level,
		.no_matplotlib = c->no_plots_matplotlib,
		.no_plotly = c->no_plots_plotly,
		.notebook_dir = prep->is_notebook ? prep->entrypoint_dir : NULL,
	};
	struct strv argv = {};
	int err = hook__create(id, &hook, &prep->hook_directory);

	if (err) {
		/* the script must run all the same: without the log */
		log_warning("cannot create the start-up hook: %s; logs are not captured", strerror(-err));
		prep->hook_directory = NULL;
	}
	err = strv_add(&argv, prep->python);
	if (c->module) {
		err |= strv_add(&argv, "-m");
		err |= strv_add(&argv, c->module);
	} else {
		err |= add_script(&argv, prep->is_notebook ? prep->copy_path : c->file_typed);
	}
	for (int i = 0; i < c->script_argc; i++)
		err |= strv_add(&argv, c->script_argv[i]);
	prep->argv = argv.items;
	prep->envp = script__environment(id, prep->hook_directory);
	if (prep->envp && prep->heap_library)
		err |= heap_library__environment(&prep->envp, prep->heap_library, c->precision);
	if (err || !prep->envp) {
		log_error("out of memory");
		return -ENOMEM;
	}
	err = prep->calls_library ? prepare_calls(prep, c, id) : 0;
	if (err)
		return err;
	prep->spec = (struct launch_spec){ .identity = id, .program = prep->python, .argv = prep->argv, .envp = prep->envp };
	return 0;
}

void prepare_run_release(struct preparation *prep, const struct identity *id)
{
	if (prep->hook_directory)
		hook__remove(id, prep->hook_directory);
	free(steal_ptr(prep->hook_directory));
	calls_file__free(steal_ptr(prep->calls_file), id);
	strv__free(steal_ptr(prep->argv));
	strv__free(steal_ptr(prep->envp));
}

void prepare_discard(const struct preparation *prep, const struct identity *id)
{
	if (!prep->copy_path || identity__enter(id))
		return;
	unlink(prep->copy_path);
	identity__leave(id);
}

void prepare_notices(const struct preparation *prep, struct builder *builder)
{
	char text[512];

	if (!prep->python)
		return;
	snprintf(text, sizeof(text), "ran with %.400s (%s)", prep->python, prep->python_why);
	builder__notice(builder, text);
	if (strstr(prep->python, "/shims/"))
		builder__notice(builder, "that is a pyenv shim: its shell processes are part of the whole; --python \"$(pyenv which python3)\" leaves them out");
	for (size_t i = 0; i < prep->notebook.n_notices; i++)
		builder__notice(builder, prep->notebook.notices[i]);
}

void prepare_logs(const struct preparation *prep, struct profile *profile)
{
	size_t records, warnings;

	if (!prep->logs_path || logs__count(prep->logs_path, &records, &warnings) || !records)
		return;
	profile->logs_path = prep->logs_path;
	profile->n_warnings = warnings;
}

void preparation_release(struct preparation *prep, const struct identity *id)
{
	outputs__free(prep->outputs);
	notebook__release(&prep->notebook);
	free(prep->command_line);
	free(prep->entrypoint_dir);
	free(prep->directory);
	free(prep->python);
	free(prep->source);
	free(prep->copy_path);
	free(prep->logs_path);
	free(prep->heap_library);
	free(prep->program);
	attached__release(&prep->attached);
	free(prep->calls_library);
	memset(prep, 0, sizeof(*prep));
}
