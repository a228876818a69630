// SPDX-License-Identifier: Apache-2.0
#include "service.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "notify.h"
#include "util/log.h"

#define STEP_NS 1000000000ULL

static volatile sig_atomic_t hung_up;

struct service {
	const struct config *config;
	const struct identity *identity;
	struct sinks *sinks;
	struct notify *notify;
	uint64_t next_ns;
};

static void on_hangup(int number)
{
	hung_up = 1;
}

static void catch_hangup(void)
{
	struct sigaction action = { .sa_handler = on_hangup };

	sigemptyset(&action.sa_mask);
	sigaction(SIGHUP, &action, NULL);
}

int service__new(struct service **out, const struct config *config, const struct identity *identity, struct sinks *sinks)
{
	struct service *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct service){ .config = config, .identity = identity, .sinks = sinks };
	err = notify__new(&s->notify);
	if (err == -ENOMEM) {
		free(s);
		return err;
	}
	if (err)
		log_warning("cannot tell the service manager anything: %s (NOTIFY_SOCKET)", strerror(-err));
	if (s->notify || config->options_file || config->header_file)
		catch_hangup();
	*out = s;
	return 0;
}

void service__free(struct service *s)
{
	if (!s)
		return;
	notify__free(s->notify);
	free(s);
}

void service__started(struct service *s)
{
	if (s)
		notify__ready(s->notify, "recording");
}

static void reload(struct service *s)
{
	struct config fresh;
	char problem[512];
	int err;

	notify__reloading(s->notify);
	/* what is wrong in there was said */
	err = config__load_with(&fresh, s->config->argc, s->config->argv, s->identity->environment);
	if (!err) {
		err = s->sinks ? sinks__reload(s->sinks, &fresh, problem) : 0;
		if (err)
			log_error("%s", problem);
		config__release(&fresh);
	}
	log_notice(err ? "the settings stay as they were" : "settings read again");
	notify__ready(s->notify, NULL);
}

uint64_t service__step(struct service *s, uint64_t now_ns)
{
	if (!s)
		return UINT64_MAX;
	if (hung_up) {
		hung_up = 0;
		reload(s);
	}
	if (now_ns >= s->next_ns) {
		uint64_t watchdog = notify__watchdog_ns(s->notify);

		notify__watchdog(s->notify);
		/* each second also for a SIGHUP that came while nobody slept */
		s->next_ns = now_ns + (watchdog && watchdog / 4 < STEP_NS ? watchdog / 4 : STEP_NS);
	}
	return s->next_ns;
}

void service__window(struct service *s)
{
	char line[256];

	if (!s || !s->sinks)
		return;
	sinks__log_changes(s->sinks);
	sinks__summary(s->sinks, line);
	notify__status(s->notify, line);
}

void service__stopping(struct service *s)
{
	if (s)
		notify__stopping(s->notify);
}
