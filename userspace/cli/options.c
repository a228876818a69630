// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <limits.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define FIELD(f) .offset = offsetof(struct invocation, f)
#define CONFIG(f) FIELD(config.f)
#define ON_ATTACH (ON_PROFILE | ON_RECORD | ON_TOP)
#define ON_ANY (ON_PROFILE | ON_RECORD | ON_TOP | ON_SUMMARIZE | ON_STATS | ON_MERGE | ON_DOCTOR)

static const char *const level_choices[] = { "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", NULL };
static const char *const duration_choices[] = { "relative", "absolute", NULL };
static const char *const heap_source_choices[] = { "preload", "probes", NULL };
static const char *const protocol_choices[] = { "pyroscope", "parca", "otlp", "pprof", NULL };
static const char *const plot_choices[] = { "matplotlib", "plotly", NULL };

const struct option options[] = {
	{ "module", NULL, ON_PROFILE, GROUP_TARGET, OPTION_MODULE, "NAME", CONFIG(module),
	  .help = "run a module, as python -m does, in place of FILE" },
	{ "python", NULL, ON_PROFILE, GROUP_TARGET, OPTION_TEXT, "PATH", CONFIG(python),
	  .help = "the interpreter; else the active or the project's virtual environment, the script's shebang, python3" },
	{ "user", NULL, ON_PROFILE, GROUP_TARGET, OPTION_TEXT, "NAME", CONFIG(user),
	  .help = "run the script as this user; else as the user who called sudo" },
	{ "repeat", "r", ON_PROFILE, GROUP_TARGET, OPTION_INTEGER, "N", CONFIG(repeat), .min = 1,
	  .help = "profile N runs and add their mean and standard deviation (default 1)" },
	{ "all", "a", ON_RECORD | ON_TOP, GROUP_TARGET, OPTION_SET, NULL, CONFIG(all),
	  .help = "all processes of the machine; the default of top" },
	{ "pid", NULL, ON_ATTACH, GROUP_TARGET, OPTION_PIDS, "PID", .min = 1, .max = 4194304,
	  .help = "attach to a running process and its descendants; repeatable" },
	{ "name", NULL, ON_ATTACH, GROUP_TARGET, OPTION_TEXT, "PATTERN", CONFIG(process_name),
	  .help = "attach to all processes whose name, script or module matches this shell pattern" },
	{ "cgroup", NULL, ON_ATTACH, GROUP_TARGET, OPTION_TEXT, "PATH", CONFIG(cgroup),
	  .help = "attach to all processes of this cgroup and those below it: a service, a container" },
	{ "seconds", NULL, ON_ATTACH, GROUP_TARGET, OPTION_NUMBER, "S", CONFIG(seconds), .min = 0.1,
	  .help = "stop after S seconds; else at Ctrl-C, or when the processes end" },
	{ "no-children", NULL, ON_ATTACH, GROUP_TARGET, OPTION_CLEAR, NULL, CONFIG(children),
	  .help = "leave the descendants of attached processes out" },

	{ "cpu", "c", ON_PROFILE, GROUP_MEASURE, OPTION_SET, NULL, FIELD(cpu),
	  .help = "time and physical memory (RSS) per line, not the heap; the default" },
	{ "memory", "m", ON_PROFILE | ON_RECORD, GROUP_MEASURE, OPTION_SET, NULL, CONFIG(memory),
	  .help = "heap memory per line, too: what it allocated, held, and held at the peak" },
	{ "precision", "p", ON_PROFILE | ON_RECORD, GROUP_MEASURE, OPTION_INTEGER, "-10..10", CONFIG(precision), .min = -10, .max = 10,
	  .help = "how fine --memory looks: a sample per 128 KiB / 2^N allocated, lines from about 10 MB / 2^N (default 0)" },
	{ "rate", NULL, ON_ATTACH, GROUP_MEASURE, OPTION_INTEGER, "HZ", CONFIG(rate_hz), .min = 1, .max = 10000,
	  .help = "samples per second and thread (default 1000; of record and top: per CPU, 99)" },
	{ "calls", NULL, ON_PROFILE, GROUP_MEASURE, OPTION_PATTERN, "PATTERN", true, CONFIG(calls_pattern),
	  .help = "count calls exactly, of functions that the shell pattern fits, or of all; it is compared with the function's name, alone and "
		  "qualified, the file's name, and its path (--calls=PATTERN); of processes that run already, from Python 3.11 on, calls from C only" },
	{ "heap-source", NULL, ON_PROFILE, GROUP_MEASURE, OPTION_CHOICE, "preload|probes", .choices = heap_source_choices, CONFIG(heap_source),
	  .help = "how --memory sees the heap: a library in the script (default), or probes on its allocator (always with --pid)" },
	{ "heap-budget", NULL, ON_PROFILE | ON_RECORD, GROUP_MEASURE, OPTION_NUMBER, "PERCENT", CONFIG(heap_budget_percent), .min = 0, .max = 100,
	  .help = "how much of the script's time those probes, and one that counts calls in a running process, may cost before they are there in slices only; 0: no limit (default 3)" },

	{ "detailed", "d", ON_ATTACH, GROUP_REPORT, OPTION_SET, NULL, CONFIG(detailed),
	  .help = "report other files, too: libraries, the standard library" },
	{ "interval", NULL, ON_RECORD, GROUP_REPORT, OPTION_NUMBER, "SECONDS", CONFIG(interval_s), .min = 1,
	  .help = "a profile every so many seconds, for ever; else one of the whole time" },
	{ "json", NULL, ON_RECORD, GROUP_REPORT, OPTION_SET, NULL, CONFIG(json),
	  .help = "print the summary as JSON" },
	{ "interval", NULL, ON_TOP, GROUP_REPORT, OPTION_NUMBER, "SECONDS", CONFIG(interval_s), .min = 0.2,
	  .help = "refresh every so many seconds (default 2); + and - change it" },
	{ "once", NULL, ON_TOP, GROUP_REPORT, OPTION_SET, NULL, CONFIG(once),
	  .help = "print one screen as text, of --seconds or else of --interval, and end" },
	{ "ignore", "i", ON_PROFILE, GROUP_REPORT, OPTION_DIRECTORIES, "DIR",
	  .help = "neither search DIR for FILE nor report on it; repeatable" },
	{ "trace", "t", ON_PROFILE, GROUP_REPORT, OPTION_SET, NULL, CONFIG(trace),
	  .help = "show who calls the most expensive functions; the default" },
	{ "no-trace", "nt", ON_PROFILE, GROUP_REPORT, OPTION_CLEAR, NULL, CONFIG(trace),
	  .help = "leave the callers out" },
	{ "duration", NULL, ON_PROFILE | ON_SUMMARIZE | ON_MERGE, GROUP_REPORT, OPTION_CHOICE, "relative|absolute", .choices = duration_choices, FIELD(duration),
	  .help = "times in percent or in seconds (default relative)" },
	{ "live", NULL, ON_PROFILE, GROUP_REPORT, OPTION_NUMBER, "SECONDS", CONFIG(live_s), .min = 1,
	  .help = "show where the time goes every so many seconds, at least 1" },
	{ "quiet", "q", ON_PROFILE | ON_RECORD, GROUP_REPORT, OPTION_SET, NULL, CONFIG(quiet),
	  .help = "print no summary; the files are written all the same" },
	{ "metadata", NULL, ON_PROFILE | ON_STATS, GROUP_REPORT, OPTION_SET, NULL, CONFIG(metadata),
	  .help = "add git repository, branch, commit, changed files and time to function_stats.json; the default" },
	{ "no-metadata", NULL, ON_PROFILE | ON_STATS, GROUP_REPORT, OPTION_CLEAR, NULL, CONFIG(metadata),
	  .help = "leave them out" },
	{ "sort", NULL, ON_PROFILE | ON_STATS, GROUP_REPORT, OPTION_SET, NULL, CONFIG(sort),
	  .help = "sort function_stats.json by mean user time; the default" },
	{ "no-sort", NULL, ON_PROFILE | ON_STATS, GROUP_REPORT, OPTION_CLEAR, NULL, CONFIG(sort),
	  .help = "leave it in the order in which functions were first seen" },
	{ "top", "n", ON_SUMMARIZE | ON_MERGE, GROUP_REPORT, OPTION_INTEGER, "N", CONFIG(top_n), .min = 1,
	  .help = "list N functions at most (default 10)" },
	{ "threshold", "t", ON_SUMMARIZE | ON_MERGE, GROUP_REPORT, OPTION_NUMBER, "PERCENT", CONFIG(threshold_percent), .min = 0, .max = 100,
	  .help = "leave out functions below this share of the time (default 0.1)" },

	{ "log-level", "l", ON_PROFILE, GROUP_SCRIPT, OPTION_LEVEL, "LEVEL", .choices = level_choices, CONFIG(log_level),
	  .help = "keep the script's log records from DEBUG, INFO, WARNING, ERROR or CRITICAL upwards (default WARNING)" },
	{ "no-plots", "np", ON_PROFILE, GROUP_SCRIPT, OPTION_PLOTS, "matplotlib|plotly", true, plot_choices,
	  .help = "open no plot windows, of this library or of both; repeatable" },

	{ "output-directory", "o", ON_PROFILE | ON_MERGE, GROUP_OUTPUT, OPTION_TEXT, "DIR", FIELD(output),
	  .help = "where results go (default performance/ in root)" },
	{ "output", "o", ON_RECORD, GROUP_OUTPUT, OPTION_OUTPUTS, "DIR|URL",
	  .help = "where profiles go: a folder, or a server as pyroscope+https://HOST, parca+, otlp+ or pprof+; repeatable" },
	{ "protocol", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_CHOICE, "pyroscope|parca|otlp|pprof", .choices = protocol_choices, CONFIG(protocol),
	  .help = "what servers speak whose URL does not say it; parca is spoken as gRPC-Web, otlp over HTTP, neither as plain gRPC" },
	{ "keep-files", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_INTEGER, "N", CONFIG(keep_files), .min = 0,
	  .help = "profiles that a folder keeps, older ones are removed; 0: no limit (default 1440)" },
	{ "keep-bytes", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_SIZE, "SIZE", CONFIG(keep_bytes),
	  .help = "the same by their size, as 500M or 2G (default 1G)" },
	{ "header", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_HEADERS, "NAME: VALUE",
	  .help = "an HTTP header for servers; others see it in the list of processes, secrets belong in --header-file; repeatable" },
	{ "header-file", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_TEXT, "FILE", CONFIG(header_file),
	  .help = "more headers, one per line; read again on SIGHUP" },
	{ "ca-file", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_TEXT, "FILE", CONFIG(ca_file),
	  .help = "certificates (PEM) of the authorities that servers are verified by; else the system's" },
	{ "client-cert", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_TEXT, "FILE", CONFIG(client_cert),
	  .help = "our own certificate and its key in one file (PEM), for servers that want one" },
	{ "timeout", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_NUMBER, "SECONDS", CONFIG(timeout_s), .min = 0.1, .max = 3600,
	  .help = "what a server may take for a profile before it is sent again (default 30)" },
	{ "spool", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_TEXT, "DIR", CONFIG(spool_dir),
	  .help = "where profiles wait until their server took them, over restarts, too (default /var/spool/fixingahole)" },
	{ "spool-bytes", NULL, ON_RECORD, GROUP_OUTPUT, OPTION_SIZE, "SIZE", CONFIG(spool_bytes),
	  .help = "what may wait for each server; then the oldest are dropped (default 256M)" },
	{ "output-file", NULL, ON_PROFILE, GROUP_OUTPUT, OPTION_NAME, "NAME", CONFIG(output_file),
	  .help = "base name of the result files (default profile_results)" },
	{ "output-file", "o", ON_STATS, GROUP_OUTPUT, OPTION_NAME, "NAME", CONFIG(output_file),
	  .help = "name of the file to write in DIR (default function_stats.json)" },

	{ "options", NULL, ON_RECORD, GROUP_OTHER, OPTION_TEXT, "FILE", CONFIG(options_file),
	  .help = "more options, one per line; read again on SIGHUP" },
	{ "verbose", "v", ON_ANY, GROUP_OTHER, OPTION_SET, NULL, CONFIG(verbose),
	  .help = "say more about what is done, on stderr" },
	{ "version", "V", ON_OVERVIEW, GROUP_OTHER, OPTION_SET, NULL, FIELD(version),
	  .help = "print the version and the settings, with where each comes from" },
	{ "help", "h", ON_ANY | ON_OVERVIEW, GROUP_OTHER, OPTION_SET, NULL, FIELD(help),
	  .help = "print this help" },
};
const size_t options_count = ARRAY_SIZE(options);

const struct command_spec commands[] = {
	{ "profile", COMMAND_PROFILE, OPERAND_SCRIPT, "[options] FILE [options] [--] [arguments]",
	  "run a Python script or notebook, or attach to processes, and report time and memory per line",
	  "FILE is a path from the working directory or from root, or a bare name that exists once under root. After "
	  "FILE, options count until the first word that is not one of them; from there on, or after --, all words are "
	  "the script's own." },
	{ "record", COMMAND_RECORD, OPERAND_NONE, "[options] -a | --pid PID | --name PATTERN | --cgroup PATH",
	  "watch processes, or the whole machine, for a while or for ever",
	  "Samples every process, Python's per line, and prints who took the time: processes, containers, users, lines." },
	{ "top", COMMAND_TOP, OPERAND_NONE, "[options]",
	  "show live who takes the time: processes, functions, lines, stacks",
	  "Shows all processes, or those named, the busiest first; enter leads into one: its functions, their lines, the stacks that led there. "
	  "'?' lists the keys. Where standard output is no terminal, one screen is printed as text." },
	{ "summarize", COMMAND_SUMMARIZE, OPERAND_ONE, "[options] JSON",
	  "print the summary of a stored profile_results.json",
	  "JSON is a profile_results.json, written by this program or by scalene." },
	{ "stats", COMMAND_STATS, OPERAND_ONE, "[options] DIR",
	  "mean and standard deviation of every function over several runs",
	  "Reads every profile_results*.json below DIR and writes function_stats.json there." },
	{ "merge", COMMAND_MERGE, OPERAND_MANY, "[options] DIR...",
	  "join the results of ranks, workers or machines into one report",
	  "Reads every run in and below each DIR, adds them up, and says how even the processes were. The reports go to "
	  "merged/TIME below the output directory." },
	{ "doctor", COMMAND_DOCTOR, OPERAND_NONE, "[options]",
	  "say what works on this machine, and what to change",
	  "Tries everything that profiling needs, here and with the rights that it has, and says for each what to do if it fails. Exits "
	  "with 0 if a script can be profiled." },
};
const size_t commands_count = ARRAY_SIZE(commands);

const struct command_spec *command_find(const char *name)
{
	for (size_t i = 0; i < commands_count; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

const struct command_spec *command_spec(enum command command)
{
	for (size_t i = 0; i < commands_count; i++)
		if (commands[i].command == command)
			return &commands[i];
	return NULL;
}

static bool same(const char *name, const char *typed, size_t length)
{
	return name && strlen(name) == length && !memcmp(name, typed, length);
}

const struct option *option_by_name(enum command command, const char *name, size_t length)
{
	for (size_t i = 0; i < options_count; i++)
		if (options[i].commands & (1u << command) && same(options[i].name, name, length))
			return &options[i];
	return NULL;
}

const struct option *option_by_letters(enum command command, const char *letters, size_t length)
{
	for (size_t i = 0; i < options_count; i++)
		if (options[i].commands & (1u << command) && same(options[i].letters, letters, length))
			return &options[i];
	return NULL;
}

#define WORD_MAX 40

/* How many letters must be changed, added, dropped or swapped with their neighbour; UINT_MAX for long words. */
static unsigned int distance(const char *a, size_t n, const char *b)
{
	unsigned int row[3][WORD_MAX + 1];
	size_t m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned int best = before[j - 1] + (a[i - 1] != b[j - 1]);

			best = before[j] + 1 < best ? before[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < best)
				best = earlier[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

/* The beginning of a name counts as nearer than any misspelling. */
static unsigned int unlikeness(const char *typed, size_t length, const char *name)
{
	if (length >= 2 && !strncmp(name, typed, length))
		return 0;
	return distance(typed, length, name);
}

/* A third of the word may be wrong. */
static bool near_enough(unsigned int unlike, size_t length)
{
	return unlike <= (length + 2) / 3 && unlike < length;
}

const struct option *option_nearest(enum command command, const char *typed)
{
	const struct option *nearest = NULL;
	unsigned int least = UINT_MAX;
	size_t length;

	typed += strspn(typed, "-");
	length = strcspn(typed, "=");
	for (size_t i = 0; i < options_count; i++) {
		unsigned int unlike;

		if (!(options[i].commands & (1u << command)))
			continue;
		unlike = unlikeness(typed, length, options[i].name);
		if (unlike < least && near_enough(unlike, length)) {
			least = unlike;
			nearest = &options[i];
		}
	}
	return nearest;
}

const struct command_spec *command_nearest(const char *typed)
{
	const struct command_spec *nearest = NULL;
	unsigned int least = UINT_MAX;

	for (size_t i = 0; i < commands_count; i++) {
		unsigned int unlike = unlikeness(typed, strlen(typed), commands[i].name);

		if (unlike < least && near_enough(unlike, strlen(typed))) {
			least = unlike;
			nearest = &commands[i];
		}
	}
	return nearest;
}
