/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window as JSON, one object. Times in nanoseconds, memory in bytes; what is not known is null or left out. Keys may be added.
 *
 * {
 *  "format": "fixingahole window 1",
 *  "host": …, "start": seconds since the epoch, "seconds": …, "start_ns", "end_ns": CLOCK_MONOTONIC, "rate_hz", "heap": bool,
 *  "cpu_samples", "waits", "python_samples", "named_samples", "frameless_samples", "unsampled_ns", "machine_ns",
 *  "times": {"python_ns", "native_ns", "system_ns", "waiting_ns", "runnable_ns"},
 *  "losses": {what was lost: how much}, "notices": [text],
 *  "processes": [{"pid", "parent_pid", "name", "user", "uid", "command", "cgroup", "container", "program", "interpreter",
 *                 "no_interpreter", "start_ns", and if it ended "end_ns" and "status" as of wait(2),
 *                 "rss_bytes", "rss_before_bytes", "rss_grown_bytes", "threads", "samples", "unseen_samples", "unsampled_ns", times}],
 *  "frames": [{"kind": "python" | "native" | "kernel", "path", "function", "line", "first_line", "library": true}],
 *  "stacks": [{"frames": [index into frames, innermost first], "site": index into this list, or null, "cut": true}],
 *  "rows": [{"process": index, "stack": index, "tid", "reason", times, "samples", "waits", "rss_bytes",
 *            "allocated_bytes", "allocations", "live_bytes", "live_blocks"}]
 * }
 *
 * Of frames, stacks and rows, what is 0, false or null is left out, but for the indices; so is what is 0 of a process's times.
 */
#ifndef FIXINGAHOLE_REPORT_WINDOW_JSON_H
#define FIXINGAHOLE_REPORT_WINDOW_JSON_H

#include <stdio.h>

#include "profile/window.h"

/* 0 or -errno. host: name of this machine. */
int report_window_json(FILE *out, const struct window *window, const char *host);

#endif
