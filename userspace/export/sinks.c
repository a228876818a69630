// SPDX-License-Identifier: Apache-2.0
#include "export/sinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/paths.h"
#include "export/credentials.h"
#include "export/encode.h"
#include "export/folder.h"
#include "export/push.h"
#include "export/tables.h"
#include "target/identity.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/strings.h"

#define PLACES_MAX 16

enum format { FORMAT_PPROF, FORMAT_OTLP, FORMATS };

/* One of both is set. */
struct sink {
	struct folder *folder;
	struct push *push;
	uint64_t written, failed, not_encoded;
	char error[256];       /* of the caller's side: encoding, writing */
	/* what was said already */
	bool told_error;
	uint64_t told_lost, told_refused;
};

struct sinks {
	struct identity identity;
	char host[256];
	char *spool_folder;
	char *outputs;         /* what was asked for, to compare with */
	struct sink list[PLACES_MAX];
	size_t n;
	struct curl_api curl;
};

/* --- the places --- */

/* <STATE_DIRECTORY of systemd>/spool; /var/spool/fixingahole; ~/.local/state/fixingahole/spool */
static int spool_folder(const struct config *config, const struct identity *identity, const char *directory, char **out)
{
	const char *state = getenv("STATE_DIRECTORY"), *own = getenv("XDG_STATE_HOME");
	int r;

	if (config->spool_dir) {
		*out = path_absolute(directory, config->spool_dir);
		return *out ? 0 : -ENOMEM;
	}
	if (state && *state == '/')
		r = asprintf(out, "%.*s/spool", (int)strcspn(state, ":"), state);
	else if (!geteuid())
		r = asprintf(out, "/var/spool/fixingahole");
	else if (own && *own == '/')
		r = asprintf(out, "%s/fixingahole/spool", own);
	else
		r = asprintf(out, "%s/.local/state/fixingahole/spool", identity->home);
	return r < 0 ? -ENOMEM : 0;
}

/* What decides where profiles go, as one text. */
static char *outputs_text(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	fprintf(stream, "%s\n%s\n", config->protocol ? config->protocol : "", config->spool_dir ? config->spool_dir : "");
	for (size_t i = 0; i < config->n_outputs; i++)
		fprintf(stream, "%s\n", config->outputs[i]);
	if (fclose(stream)) {
		free(text);
		return NULL;
	}
	return text;
}

/* A queue's name: readable, and one for each server, over restarts. (FNV-1a; hash_bytes() may change.) */
static void queue_name(const struct place *place, char name[96])
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	const char *host = strstr(place->shown, "://") + 3;
	size_t n = 0;

	for (const char *c = place->url; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
	hash = (hash ^ (unsigned char)place->protocol) * 0x100000001b3ULL;
	for (; *host && *host != '/' && n < 60; host++)
		name[n++] = (*host >= 'a' && *host <= 'z') || (*host >= '0' && *host <= '9') || strchr(".-", *host) ? *host : '_';
	snprintf(name + n, 96 - n, "-%016llx", (unsigned long long)hash);
	/* no hidden folders, and no way up */
	if (*name == '.')
		*name = '_';
}

static int add_server(struct sinks *s, const struct config *config, struct place *place, struct credentials *credentials, char problem[512])
{
	struct spool *spool = NULL;
	char queue[96];
	int err;

	queue_name(place, queue);
	err = spool__open(&spool, s->spool_folder, queue, config->spool_bytes, problem);
	if (err)
		return err;
	err = push__new(&s->list[s->n].push, &s->curl, place, spool, credentials, s->host);
	if (err) {
		spool__free(spool);
		snprintf(problem, 512, "cannot push to '%.200s': %s", place->shown, strerror(-err));
		return err;
	}
	*place = (struct place){};
	s->n++;
	return 0;
}

static struct folder_limits folder_limits(const struct config *config)
{
	return (struct folder_limits){ .files = (unsigned int)config->keep_files, .bytes = config->keep_bytes };
}

static int add_place(struct sinks *s, const struct config *config, const char *word, const char *directory, struct credentials *credentials, char problem[512])
{
	const struct folder_limits limits = folder_limits(config);
	struct place place;
	int err;

	if (s->n == PLACES_MAX) {
		snprintf(problem, 512, "more than %d places to write to", PLACES_MAX);
		return -EINVAL;
	}
	err = place_parse(&place, &s->curl, word, config->protocol, directory, problem);
	if (err)
		return err;
	if (place.folder) {
		err = folder__new(&s->list[s->n].folder, place.folder, &s->identity, &limits, problem);
		s->n += !err;
	} else {
		err = add_server(s, config, &place, credentials, problem);
	}
	place_release(&place);
	return err;
}

static int set_up(struct sinks *s, const struct config *config, char problem[512])
{
	_cleanup_free_ char *directory = getcwd(NULL, 0);
	struct credentials *credentials = NULL;
	int err = identity__resolve(&s->identity, config->user);

	if (err)
		return err;
	if (!directory)
		return -errno;
	if (gethostname(s->host, sizeof(s->host) - 1) < 0 || !*s->host)
		strcpy(s->host, "localhost");
	s->outputs = outputs_text(config);
	if (!s->outputs)
		return -ENOMEM;
	err = spool_folder(config, &s->identity, directory, &s->spool_folder);
	if (err) {
		s->spool_folder = NULL;
		return err;
	}
	for (size_t i = 0; i < config->n_outputs && !s->curl.library && !err; i++)
		if (place_is_remote(config->outputs[i]))
			err = curl_api_load(&s->curl, problem);
	err = err ? err : credentials__load(&credentials, config, problem);
	for (size_t i = 0; i < config->n_outputs && !err; i++)
		err = add_place(s, config, config->outputs[i], directory, credentials, problem);
	credentials__unref(credentials);
	return err;
}

int sinks__new(struct sinks **out, const struct config *config, char problem[512])
{
	struct sinks *s = calloc(1, sizeof(*s));
	int err;

	*problem = '\0';
	err = s ? set_up(s, config, problem) : -ENOMEM;
	if (err) {
		if (!*problem)
			snprintf(problem, 512, "cannot prepare the places for profiles: %s", strerror(-err));
		sinks__free(s);
		return err;
	}
	*out = s;
	return 0;
}

int sinks__reload(struct sinks *s, const struct config *config, char problem[512])
{
	const struct folder_limits limits = folder_limits(config);
	_cleanup_free_ char *outputs = outputs_text(config);
	struct credentials *credentials;
	int err;

	if (!outputs) {
		snprintf(problem, 512, "out of memory");
		return -ENOMEM;
	}
	if (strcmp(outputs, s->outputs)) {
		snprintf(problem, 512, "other values of --output, --protocol or --spool need a restart");
		return -EINVAL;
	}
	err = credentials__load(&credentials, config, problem);
	if (err)
		return err;
	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].folder) {
			folder__limit(s->list[i].folder, &limits);
			continue;
		}
		spool__limit(push__spool(s->list[i].push), config->spool_bytes);
		push__renew(s->list[i].push, credentials);
	}
	credentials__unref(credentials);
	return 0;
}

void sinks__finish(struct sinks *s, uint64_t grace_ns)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + grace_ns;

	/* all at once, so that grace is not one after the other's */
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].push)
			push__end(s->list[i].push, deadline);
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].push)
			push__join(s->list[i].push);
}

void sinks__free(struct sinks *s)
{
	if (!s)
		return;
	sinks__finish(s, 0);
	for (size_t i = 0; i < s->n; i++) {
		push__free(s->list[i].push);
		folder__free(s->list[i].folder);
	}
	curl_api_release(&s->curl);
	identity__release(&s->identity);
	free(s->spool_folder);
	free(s->outputs);
	free(s);
}

/* --- windows --- */

static enum format format_of(const struct sink *sink)
{
	return sink->push && push__place(sink->push)->protocol == PROTOCOL_OTLP ? FORMAT_OTLP : FORMAT_PPROF;
}

static void not_encoded(struct sink *sink, int err)
{
	sink->not_encoded++;
	snprintf(sink->error, sizeof(sink->error), "cannot encode a profile: %s", strerror(-err));
}

static void to_folder(struct sink *sink, const struct window *window, const struct encoded *encoded)
{
	int err = folder__put(sink->folder, (time_t)window->start_epoch_s, encoded->data, encoded->size);

	sink->written += !err;
	sink->failed += err != 0;
	if (err)
		snprintf(sink->error, sizeof(sink->error), "cannot write to the folder: %s", strerror(-err));
}

static void to_server(struct sinks *s, struct sink *sink, const struct window *window, const struct encoded *encoded)
{
	uint64_t start = window_time_ns(window);
	struct spool_item item = { .times = { start, start + (window->end_ns - window->start_ns), window->rate_hz } };
	struct encoded body = {};
	int err = request_body(push__place(sink->push)->protocol, encoded, s->host, &body);

	if (err) {
		not_encoded(sink, err);
		return;
	}
	item.body = body.data;
	item.size = body.size;
	err = spool__put(push__spool(sink->push), &item);
	free(body.data);
	if (!err) {
		push__wake(sink->push);
		return;
	}
	/* what is larger than the spool is counted there */
	sink->failed += err != -EFBIG;
	if (err == -EFBIG)
		snprintf(sink->error, sizeof(sink->error), "a profile of %zu bytes is larger than the whole spool", item.size);
	else
		snprintf(sink->error, sizeof(sink->error), "cannot write to the spool: %s", strerror(-err));
}

void sinks__window(struct sinks *s, const struct window *window)
{
	static int (*const encoders[FORMATS])(const struct window *, const char *, struct encoded *) = { encode_pprof, encode_otlp };
	struct encoded encoded[FORMATS] = {};
	int err[FORMATS] = {};
	bool done[FORMATS] = {};

	for (size_t i = 0; i < s->n; i++) {
		struct sink *sink = &s->list[i];
		enum format format = format_of(sink);

		if (!done[format])
			err[format] = encoders[format](window, s->host, &encoded[format]);
		done[format] = true;
		*sink->error = '\0';
		if (err[format])
			not_encoded(sink, err[format]);
		else if (sink->folder)
			to_folder(sink, window, &encoded[format]);
		else
			to_server(s, sink, window, &encoded[format]);
	}
	for (int i = 0; i < FORMATS; i++)
		free(encoded[i].data);
}

/* --- what became of them --- */

static void add_state(struct sinks_state *state, struct sink *sink)
{
	struct spool_state spool;
	struct push_state push;
	const char *error = sink->error;

	state->written += sink->written;
	state->failed += sink->failed;
	state->not_encoded += sink->not_encoded;
	if (sink->folder)
		state->removed += folder__removed(sink->folder);
	if (sink->push) {
		push__state(sink->push, &push);
		spool__state(push__spool(sink->push), &spool);
		state->pushed += push.pushed;
		state->refused += push.refused;
		state->retries += push.retries;
		state->waiting += spool.waiting;
		state->waiting_bytes += spool.waiting_bytes;
		state->dropped_full += spool.dropped;
		state->corrupt += spool.corrupt;
		error = *error ? error : push.error;
	}
	if (*error)
		snprintf(state->last_error, sizeof(state->last_error), "%s", error);
	state->dropped = state->dropped_full + state->refused + state->corrupt + state->failed + state->not_encoded;
}

void sinks__state(struct sinks *s, struct sinks_state *out)
{
	*out = (struct sinks_state){};
	for (size_t i = 0; i < s->n; i++)
		add_state(out, &s->list[i]);
}

static bool doubled(uint64_t now, uint64_t *told)
{
	if (!now || (*told && now < *told * 2))
		return false;
	*told = now;
	return true;
}

static void log_sink(struct sink *sink)
{
	const char *name = sink->folder ? folder__path(sink->folder) : push__place(sink->push)->shown;
	struct sinks_state state = {};
	struct push_state push = {};
	uint64_t lost;

	add_state(&state, sink);
	lost = state.dropped - state.refused;
	if (sink->push) /* it may have refused one more since */
		push__state(sink->push, &push);
	if (*state.last_error && !sink->told_error)
		log_warning("'%s': %s%s", name, state.last_error, *sink->error ? "" : "; trying again, profiles wait in the spool");
	else if (!*state.last_error && sink->told_error)
		log_notice("'%s' works again; %llu profile%s", name, (unsigned long long)state.waiting, state.waiting == 1 ? " waits" : "s wait");
	sink->told_error = *state.last_error;
	if (doubled(push.refused, &sink->told_refused))
		log_warning("'%s' refused %llu profile%s for good: %s", name, (unsigned long long)push.refused, push.refused == 1 ? "" : "s", push.refusal);
	if (doubled(lost, &sink->told_lost))
		log_warning("'%s': %llu profile%s lost: %llu dropped from the full spool, %llu damaged in it, %llu not written, %llu not encoded", name,
			    (unsigned long long)lost, lost == 1 ? "" : "s", (unsigned long long)state.dropped_full, (unsigned long long)state.corrupt,
			    (unsigned long long)state.failed, (unsigned long long)state.not_encoded);
}

void sinks__log_changes(struct sinks *s)
{
	for (size_t i = 0; i < s->n; i++)
		log_sink(&s->list[i]);
}

void sinks__summary(struct sinks *s, char line[256])
{
	struct sinks_state state;
	bool folders = false, servers = false;
	size_t n = 0;

	sinks__state(s, &state);
	for (size_t i = 0; i < s->n; i++) {
		folders = folders || s->list[i].folder;
		servers = servers || s->list[i].push;
	}
	if (folders)
		n += (size_t)snprintf(line + n, 256 - n, "%llu profile%s written, ", (unsigned long long)state.written, state.written == 1 ? "" : "s");
	if (servers)
		n += (size_t)snprintf(line + n, 256 - n, "%llu sent, ", (unsigned long long)state.pushed);
	if (state.waiting)
		n += (size_t)snprintf(line + n, 256 - n, "%llu wait in the spool (%llu bytes), ", (unsigned long long)state.waiting, (unsigned long long)state.waiting_bytes);
	snprintf(line + n, 256 - n, "%llu lost", (unsigned long long)state.dropped);
}
