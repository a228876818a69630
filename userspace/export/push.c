// SPDX-License-Identifier: Apache-2.0
#include "export/push.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define MS_NS 1000000ULL
#define PAUSE_MIN_MS 500
#define PAUSE_MAX_MS 60000
#define RETRY_AFTER_MAX_S 3600
#define ANSWER_KEPT (16 << 10)
#define ANSWER_MAX (4 << 20)

struct push {
	struct place place;
	struct spool *spool;
	char *host;
	pthread_t thread;
	bool joined;
	const struct curl_api *api;
	CURL *curl;           /* the thread's */
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t change;
	struct credentials *credentials;
	struct push_state state;
	uint64_t not_before_ns, deadline_ns; /* CLOCK_MONOTONIC */
	unsigned int pause_ms;
	bool told;   /* not_before is what the server asked for */
	bool end;
};

/* What comes back of one request. */
struct reply {
	uint8_t body[ANSWER_KEPT];
	size_t kept, size;
};

static size_t on_body(char *data, size_t one, size_t n, void *context)
{
	struct reply *reply = context;
	size_t room = sizeof(reply->body) - reply->kept, kept = n < room ? n : room;

	memcpy(reply->body + reply->kept, data, kept);
	reply->kept += kept;
	reply->size += n;
	return reply->size > ANSWER_MAX ? 0 : n;
}

/* Called about once a second, or more often: no request outlives the end. */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct push *p = context;
	int stop;

	pthread_mutex_lock(&p->lock);
	stop = p->end && clock_ns(CLOCK_MONOTONIC) >= p->deadline_ns;
	pthread_mutex_unlock(&p->lock);
	return stop;
}

/* --- one request --- */

static int add_header(const struct push *p, struct curl_slist **list, const char *line)
{
	struct curl_slist *grown = p->api->slist_append(*list, line);

	if (!grown)
		return -ENOMEM;
	*list = grown;
	return 0;
}

static struct curl_slist *headers_of(const struct push *p, const struct credentials *credentials, const struct spool_item *item)
{
	char key[sizeof("Idempotency-Key: ") + 2 * SPOOL_KEY_SIZE];
	struct curl_slist *list = NULL;
	size_t n = (size_t)snprintf(key, sizeof(key), "Idempotency-Key: ");
	int err = 0;

	for (size_t i = 0; i < SPOOL_KEY_SIZE; i++)
		n += (size_t)snprintf(key + n, sizeof(key) - n, "%02x", item->key[i]);
	for (const char *const *line = request_headers(p->place.protocol); *line && !err; line++)
		err = add_header(p, &list, *line);
	for (size_t i = 0; i < credentials->headers.n && !err; i++)
		err = add_header(p, &list, credentials->headers.items[i]);
	err = err ? err : add_header(p, &list, key);
	/* else curl asks before it sends a large body, and waits a second for servers that do not answer that */
	err = err ? err : add_header(p, &list, "Expect:");
	if (err)
		p->api->slist_free_all(list);
	return err ? NULL : list;
}

static void prepare(struct push *p, const struct credentials *c)
{
	struct curl_blob authorities = { c->authorities.text, c->authorities.size, CURL_BLOB_COPY };
	struct curl_blob certificate = { c->certificate.text, c->certificate.size, CURL_BLOB_COPY };
	const struct curl_api *api = p->api;
	CURL *curl = p->curl;

	/* connections stay open over that */
	api->easy_reset(curl);
	api->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	api->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	api->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	api->easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	api->easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	api->easy_setopt(curl, CURLOPT_USERAGENT, "fixingahole/" VERSION);
	api->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)((c->timeout_s < 10 ? c->timeout_s : 10) * 1000));
	api->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(c->timeout_s * 1000));
	if (c->authorities.size)
		api->easy_setopt(curl, CURLOPT_CAINFO_BLOB, &authorities);
	if (c->certificate.size) {
		api->easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
		api->easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &certificate);
	}
	if (p->place.user) {
		api->easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		api->easy_setopt(curl, CURLOPT_USERNAME, p->place.user);
		api->easy_setopt(curl, CURLOPT_PASSWORD, p->place.password);
	}
}

static const char *answer_header(const struct push *p, const char *name)
{
	struct curl_header *header;

	return p->api->easy_header(p->curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static enum verdict judge(struct push *p, CURLcode code, const char *error, const struct reply *reply, char why[200], uint64_t *retry_after_s)
{
	struct answer answer = { .body = reply->body, .size = reply->kept };
	curl_off_t after = 0;

	*retry_after_s = 0;
	if (code != CURLE_OK) {
		snprintf(why, 200, "%.199s", *error ? error : p->api->easy_strerror(code));
		return VERDICT_AGAIN;
	}
	p->api->easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &answer.status);
	p->api->easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &after);
	if (after > 0)
		*retry_after_s = after < RETRY_AFTER_MAX_S ? (uint64_t)after : RETRY_AFTER_MAX_S;
	if (p->place.protocol == PROTOCOL_PARCA) {
		answer.grpc_status = answer_header(p, "grpc-status");
		answer.grpc_message = answer_header(p, "grpc-message");
	}
	return request_judge(p->place.protocol, &answer, why);
}

static enum verdict send_item(struct push *p, const struct credentials *credentials, const struct spool_item *item, char why[200], uint64_t *retry_after_s)
{
	_cleanup_free_ char *url = request_url(&p->place, &item->times, p->host);
	_cleanup_free_ struct reply *reply = calloc(1, sizeof(*reply));
	struct curl_slist *headers = headers_of(p, credentials, item);
	enum verdict verdict = VERDICT_AGAIN;
	char error[CURL_ERROR_SIZE] = "";

	snprintf(why, 200, "out of memory");
	*retry_after_s = 0;
	if (url && reply && headers) {
		CURLcode code;

		prepare(p, credentials);
		p->api->easy_setopt(p->curl, CURLOPT_URL, url);
		p->api->easy_setopt(p->curl, CURLOPT_POST, 1L);
		p->api->easy_setopt(p->curl, CURLOPT_POSTFIELDS, item->body);
		p->api->easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)item->size);
		p->api->easy_setopt(p->curl, CURLOPT_HTTPHEADER, headers);
		p->api->easy_setopt(p->curl, CURLOPT_ERRORBUFFER, error);
		p->api->easy_setopt(p->curl, CURLOPT_WRITEFUNCTION, on_body);
		p->api->easy_setopt(p->curl, CURLOPT_WRITEDATA, reply);
		p->api->easy_setopt(p->curl, CURLOPT_NOPROGRESS, 0L);
		p->api->easy_setopt(p->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		p->api->easy_setopt(p->curl, CURLOPT_XFERINFODATA, p);
		code = p->api->easy_perform(p->curl);
		verdict = judge(p, code, error, reply, why, retry_after_s);
		p->api->easy_setopt(p->curl, CURLOPT_ERRORBUFFER, NULL);
	}
	p->api->slist_free_all(headers);
	return verdict;
}

/* --- the thread --- */

static uint64_t random_pause_ns(unsigned int pause_ms)
{
	uint32_t random = 0;

	/* without it many that failed together would try again together */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)clock_ns(CLOCK_MONOTONIC);
	return (uint64_t)pause_ms * MS_NS / 2 + (uint64_t)pause_ms * MS_NS / 2 * random / UINT32_MAX;
}

/* Locked. */
static void pause_after_failure(struct push *p, uint64_t retry_after_s)
{
	p->pause_ms = !p->pause_ms ? PAUSE_MIN_MS : p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
	p->told = retry_after_s;
	p->not_before_ns = clock_ns(CLOCK_MONOTONIC) + (retry_after_s ? retry_after_s * 1000 * MS_NS : random_pause_ns(p->pause_ms));
}

/* Locked, at entry and at the end; not in between. */
static void send_next(struct push *p)
{
	struct credentials *credentials = credentials__ref(p->credentials);
	enum verdict verdict = VERDICT_AGAIN;
	uint64_t retry_after_s = 0;
	struct spool_item item;
	char why[200];
	int err;

	pthread_mutex_unlock(&p->lock);
	err = spool__peek(p->spool, &item);
	if (err && err != -ENOENT) {
		snprintf(why, sizeof(why), "cannot read the spool: %s", strerror(-err));
	} else if (!err) {
		verdict = send_item(p, credentials, &item, why, &retry_after_s);
		if (verdict == VERDICT_AGAIN)
			spool__keep(p->spool);
		else
			spool__done(p->spool, item.number);
		free(item.body);
	}
	credentials__unref(credentials);
	pthread_mutex_lock(&p->lock);
	if (err == -ENOENT)
		return;
	if (verdict == VERDICT_AGAIN) {
		/* what was broken off at the end is no failure of the server's */
		if (p->end && clock_ns(CLOCK_MONOTONIC) >= p->deadline_ns)
			return;
		p->state.retries++;
		snprintf(p->state.error, sizeof(p->state.error), "%s", why);
		pause_after_failure(p, retry_after_s);
		return;
	}
	p->state.error[0] = '\0';
	p->pause_ms = 0;
	p->told = false;
	p->not_before_ns = 0;
	if (verdict == VERDICT_TAKEN) {
		p->state.pushed++;
		return;
	}
	p->state.refused++;
	snprintf(p->state.refusal, sizeof(p->state.refusal), "%s", why);
}

/* Locked. */
static void wait_until(struct push *p, uint64_t moment_ns)
{
	struct timespec until = { .tv_sec = (time_t)(moment_ns / 1000000000), .tv_nsec = (long)(moment_ns % 1000000000) };

	pthread_cond_timedwait(&p->change, &p->lock, &until);
}

/* The network's side has no use for any of them. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	syscall(SYS_capset, &header, none);
}

static void *run(void *argument)
{
	struct push *p = argument;

	drop_capabilities();
	pthread_mutex_lock(&p->lock);
	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		bool empty = spool__empty(p->spool);

		if (p->end && (empty || now >= p->deadline_ns || p->not_before_ns >= p->deadline_ns))
			break;
		if (empty)
			pthread_cond_wait(&p->change, &p->lock);
		else if (now < p->not_before_ns)
			wait_until(p, p->not_before_ns);
		else
			send_next(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are the main thread's. */
static int start(struct push *p)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	err = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (err)
		return -err;
	err = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

/* --- for the others --- */

int push__new(struct push **out, const struct curl_api *curl, const struct place *place, struct spool *spool, struct credentials *credentials, const char *host)
{
	struct push *p = calloc(1, sizeof(*p));
	pthread_condattr_t attributes;
	int err;

	if (!p)
		return -ENOMEM;
	p->api = curl;
	p->curl = curl->easy_init();
	p->host = strdup(host);
	if (!p->curl || !p->host) {
		p->api->easy_cleanup(p->curl);
		free(p->host);
		free(p);
		return -ENOMEM;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->change, &attributes);
	pthread_condattr_destroy(&attributes);
	p->place = *place;
	p->spool = spool;
	p->credentials = credentials__ref(credentials);
	err = start(p);
	if (err) {
		credentials__unref(p->credentials);
		p->api->easy_cleanup(p->curl);
		free(p->host);
		free(p);
		return err;
	}
	*out = p;
	return 0;
}

void push__wake(struct push *p)
{
	pthread_mutex_lock(&p->lock);
	pthread_cond_signal(&p->change);
	pthread_mutex_unlock(&p->lock);
}

void push__renew(struct push *p, struct credentials *credentials)
{
	pthread_mutex_lock(&p->lock);
	credentials__unref(p->credentials);
	p->credentials = credentials__ref(credentials);
	p->pause_ms = 0;
	if (!p->told)
		p->not_before_ns = 0;
	pthread_cond_signal(&p->change);
	pthread_mutex_unlock(&p->lock);
}

void push__end(struct push *p, uint64_t deadline_ns)
{
	pthread_mutex_lock(&p->lock);
	p->end = true;
	p->deadline_ns = deadline_ns;
	if (!p->told)
		p->not_before_ns = 0;
	pthread_cond_signal(&p->change);
	pthread_mutex_unlock(&p->lock);
}

void push__join(struct push *p)
{
	if (!p->joined)
		pthread_join(p->thread, NULL);
	p->joined = true;
}

void push__free(struct push *p)
{
	if (!p)
		return;
	push__end(p, 0);
	push__join(p);
	p->api->easy_cleanup(p->curl);
	credentials__unref(p->credentials);
	spool__free(p->spool);
	place_release(&p->place);
	pthread_cond_destroy(&p->change);
	pthread_mutex_destroy(&p->lock);
	free(p->host);
	free(p);
}

void push__state(struct push *p, struct push_state *state)
{
	pthread_mutex_lock(&p->lock);
	*state = p->state;
	pthread_mutex_unlock(&p->lock);
}

struct spool *push__spool(struct push *p)
{
	return p->spool;
}

const struct place *push__place(const struct push *p)
{
	return &p->place;
}
