/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPython is this, where does it keep things, and where is its eval loop?
 * Answers come from the ELF file alone (never by running it); what is read from it is hostile until checked.
 */
#ifndef FIXINGAHOLE_INTERP_H
#define FIXINGAHOLE_INTERP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "bpf/events.h"
#include "image/usdt.h"

/* One interpreter binary (python3.11 or libpython3.12.so.1.0). Addresses are ELF virtual addresses (add the bias). */
struct interp_binary {
	struct py_layout layout;
	uint64_t runtime;                  /* _PyRuntime */
	uint64_t text_start, text_end;     /* executable segment(s), hull */
	uint64_t dynamic;                  /* the dynamic section; 0: none */
	struct { uint64_t start, end; } eval[INTERP_EVAL_RANGES];
	uint32_t n_eval;
	uint64_t evaluate;                 /* _PyEval_EvalFrameDefault's start; 0: not found */
	struct usdt function_entry;        /* the build's static probe python:function__entry; .n 0: it has none */
	char version_text[32];             /* "3.11.2", or "3.11" where only that is known */
};

enum interp_status {
	INTERP_OK = 0,
	INTERP_NOT_PYTHON,     /* no _PyRuntime: some other program, or a static launcher whose libpython is still to be mapped */
	INTERP_UNSUPPORTED,    /* a CPython that we cannot walk: see reason */
};

/* One process (address space) and its interpreter. */
struct interp_process {
	enum interp_status status;
	char reason[160];      /* not OK: one line, names the thing ("CPython 3.6 is not supported", "free-threaded …") */
	char path[256];        /* the binary, as /proc/PID/maps names it */
	const struct interp_binary *binary; /* OK only; owned by the cache */
	uint64_t bias;         /* address in the process = ELF virtual address + bias */
	bool in_executable;    /* OK only: it is the executable itself, no library of it */
	struct stat executable; /* as it was looked at */
	uint64_t code_start;   /* the executable's lowest executable segment, an ELF virtual address of it */
	uint64_t debug_slot;   /* likewise: where it has the address of the dynamic linker's struct r_debug; 0: nowhere */
};

/* Remembers binaries by device, inode, size and mtime. */
struct interp_cache;
struct interp_cache *interp_cache__new(void);
void interp_cache__free(struct interp_cache *cache);

/*
 * Looks at the executable, and where it holds no interpreter, at /proc/PID/maps for a libpython. (An executable with an interpreter of its
 * own uses that, whatever else is mapped.) Files are opened through /proc/PID (exe, map_files, root) so that containers work. Returns 0 and fills *out
 * (whatever the status), -ESRCH when the process is gone, else -errno.
 */
int interp__find(struct interp_cache *cache, pid_t pid, struct interp_process *out);

/*
 * The same of a program that nobody has executed yet, by its path. search: the LD_LIBRARY_PATH that it will have, or NULL. Addresses are the
 * ELF file's (.bias is 0). It may still load another libpython than was found for it.
 */
int interp__foretell(struct interp_cache *cache, const char *program, const char *search, struct interp_process *out);

/* For tests and tools: one ELF file by path. -ENOENT, -ENOEXEC …; *status and reason as above. */
int interp__analyse_file(const char *path, struct interp_binary *out, enum interp_status *status, char reason[160]);

/* Is this opcode, as found in memory (specialised forms too), a call that may run a builtin?
 * Forms that are specialised to Python functions answer false. Versions 0x0307 to 0x030f. */
bool interp__opcode_is_call(uint32_t version, uint8_t opcode);

#endif
