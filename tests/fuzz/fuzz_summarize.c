// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a stored profile: `summarize` and `stats` must refuse or answer, in one line or in full. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report_options options = {.trace = true, .top_n = 10, .threshold_percent = 0.1, .color = size & 1};
	char path[64], problem[512], *text = NULL;
	size_t length;
	int fd = memfd_create("profile.json", MFD_CLOEXEC), err;
	FILE *out = open_memstream(&text, &length);

	if (fd < 0 || !out || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = report_summarize(out, path, &options, problem);
	if ((err < 0) == (problem[0] == '\0') || strchr(problem, '\n'))
		abort();
	if (fclose(out) != 0)
		abort();
	if (err == 0 && !options.color && memchr(text, '\033', length))
		abort();
	free(text);
	close(fd);
	return 0;
}
