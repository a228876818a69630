/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locals that clean up after themselves: _cleanup_free_ char *text = NULL;
 */
#ifndef FIXINGAHOLE_CLEANUP_H
#define FIXINGAHOLE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p) { free(*(void **)p); }
static inline void cleanup_close(const int *fd) { if (*fd >= 0) close(*fd); }
static inline void cleanup_fclose(FILE **f) { if (*f) fclose(*f); }
static inline void cleanup_closedir(DIR **d) { if (*d) closedir(*d); }

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclose)))
#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedir)))

/* Takes a pointer out of an owner. */
#define steal_ptr(p) ({ __typeof__(p) *_pp = &(p), _v = *_pp; *_pp = NULL; _v; })

#endif
