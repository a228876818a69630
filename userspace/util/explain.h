/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXINGAHOLE_EXPLAIN_H
#define FIXINGAHOLE_EXPLAIN_H

/* One line of why something failed, cut where it is too long. Returns error: return explain(problem, -EINVAL, "…"). */
__attribute__((format(printf, 3, 4))) int explain(char problem[512], int error, const char *format, ...);

#endif
