// SPDX-License-Identifier: Apache-2.0
#include "report/losses.h"

#include <string.h>

#include "report/heap.h"
#include "report/merged.h"
#include "report/share.h"
#include "report/text.h"

#define FEW_SAMPLES 100
#define COLUMNS 78

void print_loss_counts(FILE *out, const uint64_t losses[LOSS_COUNT])
{
	int used = fprintf(out, "Lost:");

	for (int i = 0; i < LOSS_COUNT; i++) {
		char text[96];
		int length = snprintf(text, sizeof(text), " %llu %s%s", (unsigned long long)losses[i], loss_text((enum loss)i),
				      i + 1 < LOSS_COUNT ? "," : "");

		if (used + length > COLUMNS)
			used = fprintf(out, "\n     ") - 1;
		fputs(text, out);
		used += length;
	}
	putc('\n', out);
}

void print_losses(FILE *out, const struct profile *profile)
{
	double unknown = profile->python_frames ? (double)profile->unknown_frames / (double)profile->python_frames * 100 : 0;

	fprintf(out, "Samples: %llu at %u Hz, waits: %llu, unknown frames: %llu of %llu (%.2f%%)\n", (unsigned long long)profile->cpu_samples,
		profile->rate_hz, (unsigned long long)profile->waits, (unsigned long long)profile->unknown_frames,
		(unsigned long long)profile->python_frames, unknown);
	if (profile->cpu_samples < FEW_SAMPLES)
		fprintf(out, "Only %llu CPU sample%s: the shares of CPU time are rough.\n", (unsigned long long)profile->cpu_samples,
			profile->cpu_samples == 1 ? "" : "s");
	print_loss_counts(out, profile->losses);
	if (profile->merge)
		print_merged_losses(out, profile);
	if (profile->heap)
		print_heap_losses(out, profile->heap);
	/* each thread's last part of a period is normal */
	if (profile->unsampled_ns > 5000000 && profile->unsampled_ns > (times_cpu(&profile->whole) + profile->unsampled_ns) / 100)
		fprintf(out, "Not sampled: %.3f seconds of CPU time, of threads and processes that ended before or between their samples;\n"
			"      in no line and not in the whole. A higher --rate sees more of it.\n", (double)profile->unsampled_ns / 1e9);
	print_other_programs(out, profile);
	if (profile->helpers_ns && share_of(profile->helpers_ns, profile) >= 0.01)
		fprintf(out, "Threads without Python code: %.3f seconds of CPU time (%.1f%%), outside root: of threads that\n"
			"      libraries start for themselves, as BLAS does.\n",
			(double)profile->helpers_ns / 1e9, share_of(profile->helpers_ns, profile) * 100);
	for (size_t i = 0; i < profile->n_notices; i++) {
		fputs("Notice: ", out);
		text_print(out, profile->notices[i], strlen(profile->notices[i]), 0, TEXT_NAME);
		putc('\n', out);
	}
}
