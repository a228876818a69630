/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chatter, to stderr, one line each: "fixingahole: cannot open 'x': No such file or directory".
 * Lower case, subject in quotes, no full stop. Leaf modules return errors and log at debug level only.
 */
#ifndef FIXINGAHOLE_LOG_H
#define FIXINGAHOLE_LOG_H

#include <stdbool.h>

void log_set_verbose(bool verbose);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_notice(const char *format, ...);
/* With --verbose only. */
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

/*
 * Where lines go in place of stderr, for as long as the terminal shows something else; NULL: stderr again. The line is without its
 * end, and valid for the call only.
 */
void log_divert(void (*sink)(void *context, const char *line), void *context);

#endif
