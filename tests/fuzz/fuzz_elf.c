// SPDX-License-Identifier: Apache-2.0
/* Hostile executables: everything that is asked of a file when a process is seen for the first time. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/elf.h"
#include "image/library_path.h"
#include "python/analyse.h"
#include "python/layout.h"
#include "symbols/functions.h"

static bool any(const char *name)
{
	return *name;
}

static void analyse(const uint8_t *data, size_t size)
{
	struct interp_binary binary;
	enum interp_status status;
	struct elf_image *image;
	uint8_t id[ELF_BUILD_ID_MAX];
	char reason[REASON_SIZE];
	char *library;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (elf_image__new(fd, &image))
		return;
	if (interp_analyse(image, "python3.9", &binary, &status, reason) == 0 && status == INTERP_OK) {
		if (layout_check(&binary.layout) || binary.n_eval > INTERP_EVAL_RANGES)
			abort();
	}
	elf_image__build_id(image, id);
	if (!library_path(image, "/usr/bin/python3.9", "/tmp:$ORIGIN", any, &library))
		free(library);
	elf_image__free(image);
}

static void name_functions(const uint8_t *data, size_t size)
{
	struct functions *functions;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (functions__new(fd, 100000, &functions))
		return;
	if (functions__bytes(functions) > 200000)
		abort();
	for (uint64_t at = 0; at < 0x10000; at += 0x333) {
		const char *name = functions__at(functions, 0x7f0000000000, 0x1000, 0x7f0000000000 + at);

		if (name && !*name)
			abort();
	}
	functions__free(functions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_code_range *ranges = NULL;
	size_t count;

	analyse(data, size);
	name_functions(data, size);
	if (elf_parse_eh_frame(data, size, 0x400000, &ranges, &count) == 0) {
		for (size_t i = 1; i < count; i++) {
			if (ranges[i].start < ranges[i - 1].start || ranges[i].end <= ranges[i].start)
				abort();
		}
		free(ranges);
	}
	return 0;
}
