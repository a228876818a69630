/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers want to see: headers, our certificate, and whom we trust. Read into memory at once, so that the threads that send need no
 * rights to files. Shared: counted references.
 */
#ifndef FIXINGAHOLE_EXPORT_CREDENTIALS_H
#define FIXINGAHOLE_EXPORT_CREDENTIALS_H

#include "cli/config.h"
#include "target/strv.h"

struct pem {
	char *text;
	size_t size; /* 0: none */
};

struct credentials {
	unsigned int references; /* by __atomic only */
	struct strv headers; /* "Name: value" */
	struct pem authorities, certificate;
	double timeout_s;
};

/* From --header, --header-file, --ca-file, --client-cert, --timeout. 0 and one reference; -EINVAL (usage) or another -errno, and one line in problem that holds no header's value. */
int credentials__load(struct credentials **out, const struct config *config, char problem[512]);
struct credentials *credentials__ref(struct credentials *credentials);
void credentials__unref(struct credentials *credentials);

#endif
