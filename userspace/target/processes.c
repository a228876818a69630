// SPDX-License-Identifier: Apache-2.0
#include "target/processes.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/remote.h"
#include "target/process_command.h"
#include "util/cleanup.h"

/* Of /proc/PID/stat's flags. */
#define PF_KTHREAD 0x00200000u
#define CGROUP_DEPTH 32

/* A small file of /proc as text. -ESRCH where the process is gone. */
static ssize_t read_text(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	return n;
}

int process_stat(pid_t pid, struct process_stat *out)
{
	unsigned long long utime, stime, start;
	uint64_t tick_ns = 1000000000ULL / sysconf(_SC_CLK_TCK);
	char path[64], text[1024], *name, *rest;
	unsigned int flags;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	n = read_text(path, text, sizeof(text));
	if (n < 0)
		return n;
	/* a name may hold anything, brackets and newlines too */
	name = strchr(text, '(');
	rest = strrchr(text, ')');
	if (!name || !rest || rest < name)
		return -EPROTO;
	*out = (struct process_stat){ .pid = pid };
	if (sscanf(rest + 1, " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu", &out->state, &out->parent, &flags, &utime, &stime, &start) != 6)
		return -EPROTO;
	snprintf(out->name, sizeof(out->name), "%.*s", (int)(rest - name - 1), name + 1);
	out->kernel = flags & PF_KTHREAD;
	out->utime_ns = utime * tick_ns;
	out->stime_ns = stime * tick_ns;
	out->start_ns = start * tick_ns;
	return 0;
}

/* The numbers behind "Key:", as text. False: no such line. */
static bool status_line(pid_t pid, const char *key, char value[256])
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], line[512];
	size_t length = strlen(key);

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		snprintf(value, 256, "%.250s", line + length + 1);
		return true;
	}
	return false;
}

uint64_t process_status_bytes(pid_t pid, const char *key)
{
	char value[256];

	return status_line(remote__thread(pid), key, value) ? strtoull(value, NULL, 10) * 1024 : 0;
}

int pid_list_add(struct pid_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->pids[i] == pid)
			return 0;
	}
	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		pid_t *grown = realloc(list->pids, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->pids = grown;
		list->capacity = capacity;
	}
	list->pids[list->n++] = pid;
	return 1;
}

void pid_list_release(struct pid_list *list)
{
	free(list->pids);
	*list = (struct pid_list){};
}

/* The numbers among a directory's names. */
static int add_numbers(const char *path, struct pid_list *list)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (err >= 0 && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			err = pid_list_add(list, atoi(entry->d_name));
	}
	return err < 0 ? err : 0;
}

int process_threads(pid_t pid, struct pid_list *list)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return add_numbers(path, list);
}

uint64_t machine_cpu_ns(void)
{
	unsigned long long user, nice, system, irq, soft;
	char text[256];

	if (read_text("/proc/stat", text, sizeof(text)) <= 0 || sscanf(text, "cpu %llu %llu %llu %*u %*u %llu %llu", &user, &nice, &system, &irq, &soft) != 5)
		return 0;
	return (user + nice + system + irq + soft) * (1000000000ULL / sysconf(_SC_CLK_TCK));
}

int processes_all(struct pid_list *list)
{
	struct pid_list all = {};
	struct process_stat stat;
	int err = add_numbers("/proc", &all);

	for (size_t i = 0; err >= 0 && i < all.n; i++) {
		if (all.pids[i] != getpid() && !process_stat(all.pids[i], &stat) && !stat.kernel)
			err = pid_list_add(list, all.pids[i]);
	}
	pid_list_release(&all);
	return err < 0 ? err : 0;
}

int processes_add_descendants(struct pid_list *list)
{
	struct pid_list all = {};
	_cleanup_free_ struct process_stat *stats = NULL;
	size_t n = 0;
	int err = add_numbers("/proc", &all);

	stats = err ? NULL : calloc(all.n + 1, sizeof(*stats));
	if (!err && !stats)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < all.n; i++)
		n += !process_stat(all.pids[i], &stats[n]);
	/* the list grows while we go along it */
	for (size_t i = 0; !err && i < list->n; i++) {
		for (size_t k = 0; k < n && err >= 0; k++) {
			if (stats[k].parent == list->pids[i] && stats[k].state != 'Z')
				err = pid_list_add(list, stats[k].pid);
		}
		err = err > 0 ? 0 : err;
	}
	pid_list_release(&all);
	return err;
}

bool process_all_allowed(void)
{
	return !getuid() || !getauxval(AT_SECURE);
}

static int check_owner(pid_t pid, char problem[512])
{
	const struct passwd *owner;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st))
		return -ESRCH;
	if (process_all_allowed() || st.st_uid == getuid())
		return 0;
	owner = getpwuid(st.st_uid);
	snprintf(problem, 512, "process %d belongs to %s%.200s%s: attach to it with sudo", pid, owner ? "'" : "another user", owner ? owner->pw_name : "", owner ? "'" : "");
	return -EPERM;
}

static bool only_zombie(pid_t pid)
{
	struct pid_list threads = {};
	struct process_stat stat;
	bool alive = false;

	process_threads(pid, &threads);
	for (size_t i = 0; i < threads.n; i++) {
		char path[64], text[512], *rest;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, threads.pids[i]);
		if (threads.pids[i] == pid)
			alive |= !process_stat(pid, &stat) && stat.state != 'Z' && stat.state != 'X';
		else if (read_text(path, text, sizeof(text)) > 0 && (rest = strrchr(text, ')')))
			alive |= !strchr("ZX", rest[1] ? rest[2] : 'X');
	}
	pid_list_release(&threads);
	return !alive;
}

int process_check(pid_t pid, char problem[512])
{
	struct process_stat stat;
	char value[256];
	int err = process_stat(pid, &stat);

	if (err == -ESRCH)
		snprintf(problem, 512, "there is no process %d", pid);
	else if (err)
		snprintf(problem, 512, "cannot look at process %d: %s", pid, strerror(-err));
	if (err)
		return err;
	if (status_line(pid, "Tgid", value) && atoi(value) != pid) {
		snprintf(problem, 512, "%d is a thread of process %d: give that number", pid, atoi(value));
		return -EINVAL;
	}
	if (pid == getpid()) {
		snprintf(problem, 512, "process %d is this profiler itself", pid);
		return -EINVAL;
	}
	if (stat.kernel) {
		snprintf(problem, 512, "process %d, '%s', is a thread of the kernel: it runs no program", pid, stat.name);
		return -EINVAL;
	}
	if (only_zombie(pid)) {
		snprintf(problem, 512, "process %d, '%s', has ended: it only waits for its parent to notice", pid, stat.name);
		return -ESRCH;
	}
	return check_owner(pid, problem);
}

static bool matches(pid_t pid, const char *pattern)
{
	struct process_command command = {};
	struct process_stat stat;
	bool found;

	if (process_stat(pid, &stat) || stat.kernel)
		return false;
	found = !fnmatch(pattern, stat.name, 0);
	if (!found && !process_command__read(&command, pid)) {
		const char *script = command.script ? strrchr(command.script, '/') : NULL;

		found = (command.script && !fnmatch(pattern, script ? script + 1 : command.script, 0)) || (command.module && !fnmatch(pattern, command.module, 0));
	}
	process_command__release(&command);
	return found;
}

int processes_by_name(const char *pattern, struct pid_list *list, char problem[512])
{
	char why[512] = "";
	struct pid_list all = {};
	int err = add_numbers("/proc", &all);
	size_t n = 0;

	for (size_t i = 0; err >= 0 && i < all.n; i++) {
		if (all.pids[i] == getpid() || !matches(all.pids[i], pattern))
			continue;
		if (process_check(all.pids[i], why))
			continue;
		err = pid_list_add(list, all.pids[i]);
		n++;
	}
	pid_list_release(&all);
	if (err < 0)
		snprintf(problem, 512, "cannot look for processes: %s", strerror(-err));
	else if (!n && why[0])
		snprintf(problem, 512, "no process named '%.200s' can be attached to: %.250s", pattern, why);
	else if (!n)
		snprintf(problem, 512, "no process is named '%.200s', nor is its script", pattern);
	return err < 0 ? err : n ? 0 : -ENOENT;
}

/* cgroup.procs here and below. */
static int add_cgroup(int parent, const char *name, int depth, struct pid_list *list)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), procs, err = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (procs >= 0) {
		_cleanup_fclose_ FILE *file = fdopen(procs, "r");
		char problem[512];
		int pid;

		while (file && err >= 0 && fscanf(file, "%d", &pid) == 1) {
			if (pid > 0 && pid != getpid() && !process_check(pid, problem))
				err = pid_list_add(list, pid);
		}
	} else if (!depth) {
		return -ENOTDIR;
	}
	while (err >= 0 && depth < CGROUP_DEPTH && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			err = add_cgroup(fd, entry->d_name, depth + 1, list);
	}
	return err < 0 ? err : 0;
}

int processes_by_cgroup(const char *path, struct pid_list *list, char problem[512])
{
	_cleanup_free_ char *full = NULL;
	size_t before = list->n;
	int err;

	if (!strncmp(path, "/sys/fs/cgroup", 14))
		full = strdup(path);
	else if (asprintf(&full, "/sys/fs/cgroup/%s", path + strspn(path, "/")) < 0)
		full = NULL;
	err = full ? add_cgroup(AT_FDCWD, full, 0, list) : -ENOMEM;
	if (err == -ENOENT || err == -ENOTDIR)
		snprintf(problem, 512, "there is no cgroup '%.300s': name it as 'systemd-cgls' or /proc/PID/cgroup shows it", path);
	else if (err)
		snprintf(problem, 512, "cannot read cgroup '%.300s': %s", path, strerror(-err));
	else if (list->n == before)
		snprintf(problem, 512, "cgroup '%.300s' has no process that can be attached to", path);
	return err ? err : list->n == before ? -ENOENT : 0;
}
