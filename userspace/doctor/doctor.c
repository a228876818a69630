// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "doctor/check.h"
#include "doctor/trial.h"
#include "report/report.h"
#include "report/text.h"
#include "target/preload_library.h"
#include "target/script.h"
#include "util/cleanup.h"
#include "util/log.h"

struct doctor {
	const struct config *config;
	const struct identity *identity;
	struct checkup checkup;
	struct trial script, attach;
	int library_err, probes_err;
	bool color;
	FILE *out;
};

static const char *const words[] = { [HEALTH_OK] = "ok", [HEALTH_LIMITED] = "limited", [HEALTH_NO] = "no" };
static const char *const colors[] = { [HEALTH_OK] = "\033[32m", [HEALTH_LIMITED] = "\033[33m", [HEALTH_NO] = "\033[31m" };

static void print_line(const struct doctor *d, enum health health, const char *text, const char *remedy)
{
	fprintf(d->out, "%s%-8s%s ", d->color ? colors[health] : "", words[health], d->color ? "\033[0m" : "");
	/* names in it come from files and environments of others */
	text_print(d->out, text, strlen(text), 0, TEXT_NAME);
	putc('\n', d->out);
	if (remedy && *remedy)
		fprintf(d->out, "         to do: %s\n", remedy);
}

/* The checks since the last time. */
static size_t print_checks(const struct doctor *d, const char *title, size_t from)
{
	const struct checkup *c = &d->checkup;

	fprintf(d->out, "%s%s\n", from ? "\n" : "", title);
	for (; from < c->n; from++)
		print_line(d, c->checks[from].health, c->checks[from].text, c->checks[from].remedy);
	fflush(d->out);
	return from;
}

/* problem: "cannot do that: error: remedy", of which the last part is for those who do not ask a doctor. */
static void add_failure(struct doctor *d, const char *what, int err, char *problem)
{
	char *last = strrchr(problem, ':');

	if (last && last != strchr(problem, ':'))
		*last = 0;
	checkup_add(&d->checkup, HEALTH_NO, facts_remedy(&d->checkup.facts, err), "%s: %.150s%s%s", what, problem, err == -EPERM || err == -EACCES ? ": " : "",
		    err == -EPERM || err == -EACCES ? facts_reason(&d->checkup.facts, err) : "");
}

static void add_trial(struct doctor *d, const char *what, struct trial *t)
{
	if (t->err)
		add_failure(d, what, t->err, t->problem);
	else if (!t->samples)
		checkup_add(&d->checkup, HEALTH_NO, "'fixingahole doctor --verbose' shows what the kernel said", "%s: no timer tick came", what);
	else if (!t->python)
		checkup_add(&d->checkup, HEALTH_LIMITED, "see above whether the interpreter is supported and memory can be read", "%s: %llu samples, none with Python's lines", what, (unsigned long long)t->samples);
	else
		checkup_add(&d->checkup, HEALTH_OK, NULL, "%s: %llu samples, %llu with Python's lines", what, (unsigned long long)t->samples, (unsigned long long)t->python);
}

static void try_heap(struct doctor *d)
{
	_cleanup_free_ char *library = NULL;
	char problem[512] = "";
	bool admin = false;

	d->library_err = preload_library__find(d->identity, HEAP_LIBRARY, &library);
	if (!d->library_err) {
		d->library_err = trial_library(library, problem);
		if (d->library_err == -EACCES && !facts_have(&d->checkup.facts, CAP_SYS_ADMIN))
			checkup_add(&d->checkup, HEALTH_LIMITED, "run it with sudo, or on Linux 6.6 or later", "probes on the heap's library need CAP_SYS_ADMIN on this kernel (--memory)");
		else if (d->library_err)
			add_failure(d, "probes on the heap's library (--memory)", d->library_err, problem);
		else
			checkup_add(&d->checkup, HEALTH_OK, NULL, "probes on the heap's library (--memory)");
	}
	d->probes_err = trial_probes(&admin, problem);
	if (!facts_have(&d->checkup.facts, CAP_SYS_ADMIN) && (admin || d->probes_err == -EACCES || d->probes_err == -EPERM)) {
		d->probes_err = -EPERM;
		checkup_add(&d->checkup, HEALTH_LIMITED, "run it with sudo, or on Linux 6.13 or later", "probes on a process's allocator need CAP_SYS_ADMIN on this kernel (--memory with --pid)");
	} else if (d->probes_err) {
		add_failure(d, "probes on a process's allocator", d->probes_err, problem);
	} else {
		checkup_add(&d->checkup, HEALTH_OK, NULL, "probes on a process's allocator (--memory with --pid)%s", admin ? "; each returns on its own, which costs more than on Linux 6.13 and later" : "");
	}
}

static void try_all(struct doctor *d)
{
	_cleanup_free_ char *python = NULL;
	const char *why;
	int err = script__choose_python(d->identity, NULL, NULL, d->config->root, &python, &why);

	if (err) {
		d->script.err = d->attach.err = -ENOENT;
		checkup_add(&d->checkup, HEALTH_NO, "install python3, or put one on PATH", "no Python to try it with");
		return;
	}
	trial_script(&d->script, d->identity, python);
	add_trial(d, "profiling a script", &d->script);
	/* the others would fail alike: once is enough */
	if (d->script.err) {
		d->attach.err = d->library_err = d->probes_err = d->script.err;
		return;
	}
	trial_attach(&d->attach, d->identity, python);
	add_trial(d, "attaching to a process", &d->attach);
	try_heap(d);
}

static enum health of_trial(const struct trial *t)
{
	return t->err || !t->samples ? HEALTH_NO : t->python ? HEALTH_OK : HEALTH_LIMITED;
}

static bool runs_systemd(void)
{
	return !access("/run/systemd/system", F_OK);
}

/* What the program's file gives to everybody is not for looking at everybody's processes. */
static bool given_by_file(void)
{
	return getuid() && getauxval(AT_SECURE);
}

static enum health worse(enum health a, enum health b)
{
	return a > b ? a : b;
}

static void print_verdict(struct doctor *d)
{
	const struct facts *f = &d->checkup.facts;
	enum health script = of_trial(&d->script), attach = of_trial(&d->attach), heap, all;

	heap = script == HEALTH_NO || (d->library_err && d->probes_err) ? HEALTH_NO : d->library_err || d->probes_err ? HEALTH_LIMITED : script;
	all = attach == HEALTH_NO || f->cpu_timer || given_by_file() ? HEALTH_NO : f->pid_namespace || !facts_have(f, CAP_SYS_PTRACE) ? HEALTH_LIMITED : attach;
	fprintf(d->out, "\nVerdict\n");
	print_line(d, script, script == HEALTH_LIMITED ? "profile a script: time per process, without lines" : "profile a script", NULL);
	print_line(d, heap, heap != HEALTH_LIMITED ? "its heap (--memory)" : d->library_err ? "its heap (--memory): with --heap-source=probes only" : "its heap (--memory): of scripts, not of processes that run already", NULL);
	print_line(d, attach == HEALTH_OK && f->pid_namespace ? HEALTH_LIMITED : attach, f->pid_namespace ? "attach to a process (--pid): those of this PID namespace" : "attach to a process (--pid)", NULL);
	print_line(d, all, given_by_file() ? "watch the whole machine (record -a): for root, or who was given the capabilities himself" : all != HEALTH_LIMITED ? "watch the whole machine (record -a)" : f->pid_namespace ? "watch the whole machine (record -a): what this PID namespace has of it" :
		   "watch the whole machine (record -a): with lines of one's own processes only", NULL);
	print_line(d, worse(all, runs_systemd() ? HEALTH_OK : all == HEALTH_NO ? HEALTH_NO : HEALTH_LIMITED), runs_systemd() || all == HEALTH_NO ? "run as a service" : "run as a service: no systemd runs here; another supervisor has to start it", NULL);
}

int doctor__run(const struct config *config, const struct identity *identity)
{
	struct doctor d = { .config = config, .identity = identity, .out = stdout };
	struct report_options options = {};
	size_t done;

	report_fit_terminal(&options);
	d.color = options.color;
	check_kernel(&d.checkup);
	done = print_checks(&d, "Kernel", 0);
	check_rights(&d.checkup);
	done = print_checks(&d, "Privileges", done);
	check_surroundings(&d.checkup);
	done = print_checks(&d, "Surroundings", done);
	check_calls(&d.checkup);
	done = print_checks(&d, "System calls, tried", done);
	check_pythons(&d.checkup, identity);
	check_terminal(&d.checkup);
	done = print_checks(&d, "Python and files", done);
	try_all(&d);
	print_checks(&d, "The programs in the kernel, tried", done);
	print_verdict(&d);
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return 1;
	}
	return of_trial(&d.script) == HEALTH_OK ? 0 : 1;
}
