/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the user asked for, resolved once: command line > environment >
 * pyproject.toml > defaults. Read-only afterwards.
 */
#ifndef FIXINGAHOLE_CONFIG_H
#define FIXINGAHOLE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command { COMMAND_PROFILE, COMMAND_RECORD, COMMAND_TOP, COMMAND_SUMMARIZE, COMMAND_STATS, COMMAND_MERGE, COMMAND_DOCTOR, COMMAND_VERSION, COMMAND_HELP };

enum duration_mode { DURATION_RELATIVE, DURATION_ABSOLUTE };

enum log_level { LOG_LEVEL_DEBUG = 10, LOG_LEVEL_INFO = 20, LOG_LEVEL_WARNING = 30, LOG_LEVEL_ERROR = 40, LOG_LEVEL_CRITICAL = 50 };

struct config {
	enum command command;
	const char *help_topic; /* COMMAND_HELP: command name, or NULL for the overview */

	/* the invocation */
	int argc;
	char **argv;            /* as typed; argv[0] is the program */

	/* resolved settings; strings are owned by the config; in directories symlinks are resolved as far as they exist */
	char *root;             /* absolute, no trailing '/' (but "/") */
	char *output_dir;       /* absolute */
	char **ignore;          /* absolute directories */
	size_t n_ignore;
	enum duration_mode duration;
	const char *root_source, *output_source, *ignore_source, *duration_source; /* "default", "--output-directory", "FIXINGAHOLE_OUTPUT", "/path/pyproject.toml" */
	char *settings_path;    /* absolute path of the pyproject.toml that has our table; NULL: none has */

	/* profile */
	char *file;             /* absolute path of the script or notebook, by the name it was called (symlinks stay); NULL with module */
	const char *file_typed; /* FILE as typed where that is its path from the working directory (what sys.argv[0] would be), else == file */
	const char *module;
	/* processes that run already, in place of a script */
	int *pids;              /* --pid, owned */
	size_t n_pids;
	const char *process_name; /* --name: a shell pattern */
	const char *cgroup;     /* --cgroup */
	double seconds;         /* detach after so long; 0: at the end */
	bool children;          /* default true: their descendants, too */
	char **script_argv;     /* arguments for the script, without the script itself */
	int script_argc;
	bool memory;            /* the heap, too */
	const char *calls_pattern; /* of functions whose calls are counted; "": all; NULL: none */
	const char *heap_source; /* "preload" or "probes"; NULL: preload for a script, probes for processes that run already */
	double heap_budget_percent; /* of the target's time, that probes may cost; 0: no limit */
	bool detailed;
	bool trace;             /* default true */
	bool metadata;          /* default true */
	bool sort;              /* default true */
	int precision;          /* -10..10 */
	enum log_level log_level;
	bool no_plots_matplotlib, no_plots_plotly;
	double live_s;          /* 0: off */
	int repeat;             /* >= 1 */
	const char *output_file; /* base name in place of profile_results; NULL: default. With stats: -o */
	const char *python;     /* --python, NULL: choose */
	const char *user;       /* --user, NULL: who called sudo */
	int rate_hz;            /* default 1000 */
	bool quiet;
	bool verbose;

	/* record, top */
	bool all;               /* every process of the machine */
	double interval_s;      /* record: a profile per so many seconds; 0: one of the whole time */
	const char **outputs;   /* record: folders and URLs as typed; the array is owned */
	size_t n_outputs;
	bool json;              /* record: the summary as JSON */
	bool once;              /* top: one screen, as text */
	/* record: how profiles go to folders and servers (export/sinks.h) */
	const char *protocol;   /* of URLs without one: "pyroscope", "parca", "otlp" or "pprof"; NULL: each must say */
	int keep_files;         /* in a folder; 0: no limit */
	uint64_t keep_bytes;    /* likewise */
	const char **headers;   /* "Name: value" as typed; the array is owned */
	size_t n_headers;
	const char *header_file; /* of such lines; NULL: none */
	const char *ca_file, *client_cert; /* PEM; NULL: the system's authorities; none */
	double timeout_s;       /* of a request */
	const char *spool_dir;  /* NULL: by the kind of user */
	uint64_t spool_bytes;   /* per server */
	const char *options_file; /* --options, the last one: read already; here for messages */
	struct options_words *options_words; /* owned: what the options file said */

	/* summarize, stats */
	char *input;            /* JSON file or directory */
	const char **inputs;    /* merge: directories as typed; the array is owned */
	size_t n_inputs;
	int top_n;              /* default 10 */
	double threshold_percent; /* default 0.1 */
};

/*
 * Parses the command line, environment and settings file. On success (0) fills
 * *config, which the caller releases. On a usage error prints one line to
 * stderr ("fixingahole: …: what, with which thing, what to do") and returns -EINVAL; the
 * caller exits 2. Other -errno (memory): caller exits 1.
 */
int config__load(struct config *config, int argc, char **argv);
/* The same with another environment than ours: under sudo the settings and VIRTUAL_ENV are in the caller's. */
int config__load_with(struct config *config, int argc, char **argv, char *const *environment);
void config__release(struct config *config);

#endif
