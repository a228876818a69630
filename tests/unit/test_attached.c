// SPDX-License-Identifier: Apache-2.0
/* Processes that ran before they were seen: what the builder makes of them, and how their files are opened. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "golden/records.h"
#include "profile/model.h"
#include "target/process_root.h"

static void attach(struct maker *m, uint64_t utime_ns)
{
	struct event_attach event = { .head = maker_head(m, EVENT_ATTACH, sizeof(event)), .utime_ns = utime_ns, .stime_ns = 5, .path = "/usr/bin/python3" };

	assert_true(record_valid(&event, sizeof(event)));
	maker_play(m, &event);
}

static void what_was_before_does_not_count(void **state)
{
	struct replay r = { .options = { .root = "/p", .directory = "/p" } };
	struct event_exit end;
	struct profile *p;
	struct maker m;

	replay_init(&r);
	m = maker_of(&r);
	attach(&m, 1000);
	/* told again, when all are attached to: that is the start */
	m.now_ns += 700;
	attach(&m, 1000);
	assert_int_equal(builder__start_ns(r.builder), m.now_ns);
	m.now_ns += 50;
	end = (struct event_exit){ .head = maker_head(&m, EVENT_EXIT, sizeof(end)), .utime_ns = 1300, .stime_ns = 4 };
	maker_play(&m, &end);
	p = builder__profile(r.builder);
	assert_int_equal(p->n_processes, 1);
	assert_string_equal(p->processes[0].program, "/usr/bin/python3");
	assert_int_equal(p->processes[0].utime_ns, 300);
	assert_int_equal(p->processes[0].stime_ns, 0); /* the kernel's two may not quite agree */
	assert_int_equal(p->elapsed_ns, 50);
	profile__free(p);
	replay_release(&r);
}

static void a_path_must_end(void **state)
{
	struct event_attach event = { .head = { .kind = EVENT_ATTACH, .size = sizeof(event) } };

	memset(event.path, 'x', sizeof(event.path));
	assert_false(record_valid(&event, sizeof(event)));
	event.path[sizeof(event.path) - 1] = 0;
	assert_true(record_valid(&event, sizeof(event)));
	assert_false(record_valid(&event, sizeof(event) - 1));
}

static int open_none(void *context, const char *path)
{
	++*(int *)context;
	return -ENOENT;
}

static void their_folders_are_reported(void **state)
{
	char *roots[] = { "/srv/app", "/work" };
	int asked = 0;
	const struct source_opener opener = { open_none, &asked };
	struct replay r = { .options = { .root = "/srv/app", .roots = roots, .n_roots = 2, .opener = &opener, .directory = "/work", .output_dir = "/work/performance" } };

	replay_init(&r);
	assert_true(builder_reports(r.builder, strings__intern(r.strings, "/srv/app/x.py")));
	assert_true(builder_reports(r.builder, strings__intern(r.strings, "y.py")));
	assert_false(builder_reports(r.builder, strings__intern(r.strings, "/work/performance/z.py")));
	assert_false(builder_reports(r.builder, strings__intern(r.strings, "/srv/other.py")));
	assert_false(builder_reports(r.builder, strings__intern(r.strings, "/work/venv/lib/python3.11/json/decoder.py")));
	replay_release(&r);
}

static void make_file(const char *folder, const char *name, mode_t mode)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_WRONLY, mode);
	assert_true(fd >= 0);
	fchmod(fd, mode);
	close(fd);
}

/* Links do not lead out of the root, and the owner's rights decide. */
static void files_of_another_root(void **state)
{
	char folder[] = "/tmp/fixingahole-root-XXXXXX", path[200];
	struct process_root root = { .fd = -1 };
	struct identity own = {};
	int fd;

	assert_non_null(mkdtemp(folder));
	chmod(folder, 0755);
	make_file(folder, "open", 0644);
	make_file(folder, "closed", 0600);
	snprintf(path, sizeof(path), "%s/link", folder);
	assert_int_equal(symlink("/open", path), 0);
	snprintf(path, sizeof(path), "%s/out", folder);
	assert_int_equal(symlink("/etc/passwd", path), 0);

	assert_int_equal(identity__resolve(&own, NULL), 0);
	assert_int_equal(process_root__open(&root, getpid(), &own), 0);
	assert_int_equal(root.owner.uid, geteuid());
	assert_non_null(root.directory);
	close(root.fd);
	root.fd = open(folder, O_PATH | O_DIRECTORY);
	for (size_t i = 0; i < 3; i++) {
		static const char *const there[] = { "/open", "/link", "/../open" };

		fd = process_root__open_file(&root, there[i], O_RDONLY);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(process_root__open_file(&root, "/out", O_RDONLY), -ENOENT);
	assert_int_equal(process_root__exists(&root, "/open"), 0);
	assert_int_equal(process_root__exists(&root, "/nothing"), -ENOENT);
	if (!geteuid()) {
		root.owner.uid = 65534;
		root.owner.gid = 65534;
		root.owner.n_groups = 0;
		assert_int_equal(process_root__open_file(&root, "/closed", O_RDONLY), -EACCES);
		fd = process_root__open_file(&root, "/open", O_RDONLY);
		assert_true(fd >= 0);
		close(fd);
		assert_int_equal(geteuid(), 0);
	}
	process_root__close(&root);
	identity__release(&own);
	for (size_t i = 0; i < 4; i++) {
		static const char *const made[] = { "open", "closed", "link", "out" };

		snprintf(path, sizeof(path), "%s/%s", folder, made[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_before_does_not_count),
		cmocka_unit_test(a_path_must_end),
		cmocka_unit_test(their_folders_are_reported),
		cmocka_unit_test(files_of_another_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
