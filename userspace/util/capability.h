/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXINGAHOLE_CAPABILITY_H
#define FIXINGAHOLE_CAPABILITY_H

#include <stdbool.h>

/* Has the calling thread this capability (CAP_SYS_ADMIN, …) now? */
bool capability_effective(unsigned int number);

#endif
