// SPDX-License-Identifier: Apache-2.0
#include "profile/profile.h"

const char *loss_text(enum loss loss)
{
	switch (loss) {
	case LOSS_DROPPED_RECORDS:
		return "dropped records";
	case LOSS_MISSED_TICKS:
		return "missed timer ticks";
	case LOSS_CUT_STACKS:
		return "cut stacks";
	case LOSS_UNREADABLE_FRAMES:
		return "unreadable frames";
	case LOSS_UNNAMED_CODE:
		return "unnamed code";
	case LOSS_NO_INTERPRETER:
		return "samples without a known interpreter";
	case LOSS_BAD_RECORDS:
		return "undecodable records";
	case LOSS_SKIPPED_WALKS:
		return "waits with an estimated stack";
	case LOSS_NOT_FOLLOWED:
		return "threads not followed";
	case LOSS_DOUBTFUL_NAMES:
		return "doubtful names";
	case LOSS_COUNT:
		break;
	}
	return "";
}
