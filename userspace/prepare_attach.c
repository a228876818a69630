// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "prepare.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/log.h"

#define SCRIPT_MAX (256 << 20)

/* The main script as it is now; none is no harm. */
static int read_script(struct preparation *prep)
{
	const struct attached *a = &prep->attached;
	_cleanup_close_ int fd = a->script ? a->opener.open(a->opener.context, a->script) : -1;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > SCRIPT_MAX)
		return 0;
	prep->source = malloc(st.st_size + 1);
	if (!prep->source)
		return -ENOMEM;
	while ((n = read(fd, prep->source + prep->source_size, st.st_size - prep->source_size)) > 0)
		prep->source_size += n;
	prep->source[prep->source_size] = 0;
	return 0;
}

/* <name>-<pid>/<stamp>/, and the copy of the main script. */
static int make_outputs(struct preparation *prep, const struct config *c, const struct identity *id)
{
	const struct attached *a = &prep->attached;
	_cleanup_free_ char *base = outputs_folder_name(a->name), *folder = NULL;
	char problem[512];
	int err;

	if (!base || asprintf(&folder, "%.200s-%d", base, a->named.pids[0]) < 0)
		return -ENOMEM;
	err = outputs__new(&prep->outputs, id, c->output_dir, folder, time(NULL), problem);
	if (err) {
		log_error("%s", problem);
		return err;
	}
	if (!prep->source)
		return 0;
	if (asprintf(&prep->copy_path, "%s/%s", outputs__path(prep->outputs), a->name) < 0)
		return -ENOMEM;
	err = outputs__put(prep->outputs, a->name, prep->source, prep->source_size);
	if (err)
		log_error("cannot write '%s': %s; choose another folder with --output-directory", prep->copy_path, strerror(-err));
	return err;
}

static uint32_t allowed_cpus(pid_t pid)
{
	cpu_set_t set;

	return sched_getaffinity(pid, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

static void fill_builder_options(struct preparation *prep, const struct config *c)
{
	struct builder_options *o = &prep->builder_options;
	const struct attached *a = &prep->attached;

	prepare_builder_options(prep, c, allowed_cpus(a->named.pids[0]));
	if (a->n_report_roots)
		o->root = a->report_roots[0];
	o->roots = a->report_roots;
	o->n_roots = a->n_report_roots;
	o->commanded = a->commanded;
	o->calls = o->calls_probes = c->calls_pattern != NULL;
	o->calls_pattern = c->calls_pattern && *c->calls_pattern ? c->calls_pattern : NULL;
	o->opener = &a->opener;
	o->script = a->script;
	o->script_source = prep->source;
	o->script_size = prep->source_size;
	if (a->command.code && a->named.n == 1) {
		/* as the interpreter calls it; of several processes each may have its own */
		o->script = "<string>";
		o->script_source = a->command.code;
		o->script_size = strlen(a->command.code);
	}
}

/* Where the Yama module is in force, a process may look at its descendants only. */
static bool yama_refuses(void)
{
	_cleanup_fclose_ FILE *file = capability_effective(CAP_SYS_PTRACE) ? NULL : fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope;

	return file && fscanf(file, "%d", &scope) == 1 && scope > 0;
}

int prepare_attach(struct preparation *prep, const struct config *c, const struct identity *id)
{
	struct attached *a = &prep->attached;
	const char *bench = getenv("FIXINGAHOLE_BENCH_EMPTY");
	char problem[512] = "out of memory";
	int err = attached__find(a, c, id, problem);

	if (err) {
		log_error("%s", problem);
		return err;
	}
	if (yama_refuses()) {
		log_error("attaching needs CAP_SYS_PTRACE here, for kernel.yama.ptrace_scope is not 0; run it with sudo, or give it to the binary with setcap");
		return -EPERM;
	}
	if (bench && !strcmp(bench, "1")) {
		log_error("FIXINGAHOLE_BENCH_EMPTY is for scripts that are started");
		return -EINVAL;
	}
	prep->command_line = prepare_quoted(c->argc, c->argv);
	prep->directory = strdup(a->directory);
	prep->program = strdup(a->script ? a->script : a->name);
	prep->entrypoint_dir = a->script ? strndup(a->script, strrchr(a->script, '/') == a->script ? 1 : strrchr(a->script, '/') - a->script) : strdup(a->directory);
	if (!prep->command_line || !prep->directory || !prep->program || !prep->entrypoint_dir) {
		log_error("out of memory");
		return -ENOMEM;
	}
	err = read_script(prep);
	if (!err)
		err = make_outputs(prep, c, id);
	if (!err && c->memory)
		prepare_heap_probes(prep, c);
	if (!err)
		fill_builder_options(prep, c);
	return err;
}
