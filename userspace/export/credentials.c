// SPDX-License-Identifier: Apache-2.0
#include "export/credentials.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/explain.h"
#include "util/text_file.h"

#define FILE_MAX (4 << 20)
#define HEADERS_MAX 64

/* Ours alone: what they say depends on the body. */
static bool is_reserved(const char *name, size_t length)
{
	static const char *const reserved[] = { "content-length", "transfer-encoding", "content-encoding", "connection", "expect", "idempotency-key" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (strlen(reserved[i]) == length && !strncasecmp(name, reserved[i], length))
			return true;
	return false;
}

/* where: what names the header without telling it. */
static int add_header(struct credentials *c, const char *line, const char *where, char problem[512])
{
	size_t name = strcspn(line, ":");
	bool fine = name && line[name] == ':' && line[name + 1 + strspn(line + name + 1, " \t")];

	for (size_t i = 0; i < name && fine; i++)
		fine = isalnum((unsigned char)line[i]) || strchr("!#$%&'*+-.^_`|~", line[i]);
	for (const char *value = line + name; *value && fine; value++)
		fine = (unsigned char)*value >= ' ' || *value == '\t';
	if (!fine)
		return explain(problem, -EINVAL, "%s is no header: write 'Name: value'", where);
	if (is_reserved(line, name))
		return explain(problem, -EINVAL, "%s: '%.*s' is set by fixingahole itself", where, (int)(name < 40 ? name : 40), line);
	if (c->headers.n >= HEADERS_MAX)
		return explain(problem, -EINVAL, "%s: more than %d headers", where, HEADERS_MAX);
	return strv_add(&c->headers, line) < 0 ? explain(problem, -ENOMEM, "out of memory") : 0;
}

static int cannot_read(char problem[512], int err, const char *path, const char *option)
{
	return explain(problem, err, "cannot read '%.300s' (%s): %s", path, option, err == -EINVAL ? "it is no text file" : strerror(-err));
}

static int read_headers(struct credentials *c, const char *path, char problem[512])
{
	_cleanup_free_ char *text = NULL;
	char *line, *next, where[400];
	unsigned int number = 0;
	size_t size;
	int err = text_file_read(path, FILE_MAX, &text, &size);

	if (err)
		return cannot_read(problem, err, path, "--header-file");
	for (line = text; line && !err; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		line += strspn(line, " \t");
		for (size_t n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
			line[n - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		snprintf(where, sizeof(where), "'%.300s', line %u", path, number);
		err = add_header(c, line, where, problem);
	}
	if (text)
		explicit_bzero(text, size);
	return err;
}

static int read_pem(struct pem *pem, const char *path, const char *option, char problem[512])
{
	char *text;
	size_t size;
	int err = text_file_read(path, FILE_MAX, &text, &size);

	if (err)
		return cannot_read(problem, err, path, option);
	if (!strstr(text, "-----BEGIN ")) {
		free(text);
		return explain(problem, -EINVAL, "'%.300s' (%s) holds no certificate in PEM format", path, option);
	}
	*pem = (struct pem){ text, size };
	return 0;
}

int credentials__load(struct credentials **out, const struct config *config, char problem[512])
{
	struct credentials *c = calloc(1, sizeof(*c));
	char where[64];
	int err = 0;

	if (!c)
		return explain(problem, -ENOMEM, "out of memory");
	c->references = 1;
	c->timeout_s = config->timeout_s;
	for (size_t i = 0; i < config->n_headers && !err; i++) {
		snprintf(where, sizeof(where), "the value of '--header' number %zu", i + 1);
		err = add_header(c, config->headers[i], where, problem);
	}
	if (!err && config->header_file)
		err = read_headers(c, config->header_file, problem);
	if (!err && config->ca_file)
		err = read_pem(&c->authorities, config->ca_file, "--ca-file", problem);
	if (!err && config->client_cert)
		err = read_pem(&c->certificate, config->client_cert, "--client-cert", problem);
	if (err) {
		credentials__unref(c);
		return err;
	}
	*out = c;
	return 0;
}

struct credentials *credentials__ref(struct credentials *c)
{
	__atomic_add_fetch(&c->references, 1, __ATOMIC_RELAXED);
	return c;
}

void credentials__unref(struct credentials *c)
{
	if (!c || __atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < c->headers.n; i++)
		explicit_bzero(c->headers.items[i], strlen(c->headers.items[i]));
	strv_release(&c->headers);
	if (c->certificate.size)
		explicit_bzero(c->certificate.text, c->certificate.size);
	free(c->authorities.text);
	free(c->certificate.text);
	free(c);
}
