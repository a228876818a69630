/* temporary */
#include "profile/window.h"
#include "report/report.h"
int report_window(FILE *out, const struct window *window, const struct report_options *options);
