#include "report/window_text.h"
#include <errno.h>
int report_window(FILE *out, const struct window *w, const struct report_options *options)
{
	fprintf(out, "window %.2f s, %u processes %u rows %u stacks, cpu samples %lu, named %lu of %lu\n", (w->end_ns - w->start_ns) / 1e9, w->n_processes, w->n_rows, w->n_stacks, w->cpu_samples, w->named_samples, w->python_samples);
	for (uint32_t i = 0; i < w->n_processes; i++) {
		const struct window_process *p = &w->processes[i];
		if (times_total(&p->times))
		fprintf(out, "%6u %-10s %-20s %-12s cpu %.2f wait %.2f samples %lu unseen %lu rss %lu thr %u end %d c=%s\n", p->pid, p->facts.user, p->facts.name, p->interpreter, times_cpu(&p->times) / 1e9, times_wait(&p->times) / 1e9, p->samples, p->unseen_samples, p->rss_bytes >> 20, p->threads, p->end_ns != 0, p->facts.container);
	}
	for (uint32_t i = 0; i < w->n_rows; i++) {
		const struct window_row *r = &w->rows[i];
		const struct window_stack *s = &w->stacks[r->stack];
		if (times_total(&r->times) > 100000000)
			fprintf(out, "  %u tid %u cpu %.2f wait %.2f %s %s:%u %s\n", w->processes[r->process].pid, r->tid, times_cpu(&r->times) / 1e9, times_wait(&r->times) / 1e9, r->reason, s->site < s->n_frames ? s->frames[s->site].path : "-", s->site < s->n_frames ? s->frames[s->site].lineno : 0, s->site < s->n_frames ? s->frames[s->site].function : "");
	}
	for (int i = 0; i < LOSS_COUNT; i++) fprintf(out, "%s %lu; ", loss_text(i), w->losses[i]);
	fputc('\n', out);
	return 0;
}
