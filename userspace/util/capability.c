// SPDX-License-Identifier: Apache-2.0
#include "util/capability.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

bool capability_effective(unsigned int number)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};

	return !syscall(SYS_capget, &header, sets) && sets[CAP_TO_INDEX(number)].effective & CAP_TO_MASK(number);
}
