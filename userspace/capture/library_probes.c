// SPDX-License-Identifier: Apache-2.0
#include "capture/library_probes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "capture/probe_set.h"
#include "image/elf.h"

#define TRACE_UPROBE_MULTI 48 /* enum bpf_attach_type, newer than our headers */

struct search { const char *name; uint64_t address; };

static int match(const struct elf_symbol *symbol, void *arg)
{
	struct search *s = arg;

	if (strcmp(symbol->name, s->name))
		return 0;
	s->address = symbol->value;
	return 1;
}

/* Where in the file the function begins. */
static int find(struct elf_image *image, const char *name, uint64_t *offset)
{
	struct search s = { .name = name };
	const struct elf_segment *segments;
	size_t n;

	if (elf_image__each_symbol(image, match, &s) != 1)
		return -ENOENT;
	segments = elf_image__segments(image, &n);
	for (size_t i = 0; i < n; i++) {
		if (s.address < segments[i].address || s.address - segments[i].address >= segments[i].file_size)
			continue;
		*offset = s.address - segments[i].address + segments[i].offset;
		return 0;
	}
	return -ENOENT;
}

static int attach(struct library_probes *p, struct elf_image *image, const char *library, const struct library_probe *probe)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = probe->function);
	struct bpf_link *link;
	uint64_t offset;
	int fd = find(image, probe->function, &offset);

	if (fd)
		return fd;
	fd = probe_set_link(probe->program, TRACE_UPROBE_MULTI, library, &offset, NULL, 1, 0);
	if (fd >= 0) {
		p->fds[p->n_fds++] = fd;
		return 0;
	}
	link = bpf_program__attach_uprobe_opts(probe->program, -1, library, 0, &options);
	if (!link)
		return -errno;
	p->links[p->n_links++] = link;
	return 0;
}

void library_probe_prepare(struct bpf_program *program)
{
	bpf_program__set_expected_attach_type(program, TRACE_UPROBE_MULTI);
}

int library_probes__attach(struct library_probes *p, const char *library, const struct library_probe *list, unsigned int n)
{
	struct elf_image *image;
	int fd, err;

	if (n > LIBRARY_PROBES_MAX)
		return -E2BIG;
	fd = open(library, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : elf_image__new(fd, &image);
	if (err)
		return err;
	for (unsigned int i = 0; i < n && !err; i++)
		err = attach(p, image, library, &list[i]);
	elf_image__free(image);
	return err;
}

void library_probes__release(struct library_probes *p)
{
	for (unsigned int i = 0; i < p->n_fds; i++)
		close(p->fds[i]);
	for (unsigned int i = 0; i < p->n_links; i++)
		bpf_link__destroy(p->links[i]);
	p->n_fds = p->n_links = 0;
}
