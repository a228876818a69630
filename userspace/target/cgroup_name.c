// SPDX-License-Identifier: Apache-2.0
/*
 * What a cgroup stands for, by how container engines and systemd name them:
 *
 *   /docker/ID, …/docker-ID.scope                                  docker:ID
 *   …/cri-containerd-ID.scope, …:cri-containerd:ID, nerdctl-ID      containerd:ID
 *   …/crio-ID.scope                                                crio:ID
 *   …/libpod-ID.scope, /libpod_parent/libpod-ID                    podman:ID
 *   /kubepods/…/podUID/ID, …/kubepods-…-podUID.slice/…-ID.scope    pod:UID/ID
 *   /lxc.payload.NAME, /lxc/NAME                                   lxc:NAME
 *   /machine.slice/machine-NAME.scope                              machine:NAME
 *   …/NAME.service, …/NAME.scope                                   NAME.service, NAME.scope
 *
 * where ID is 64 hexadecimal digits, of which 12 are shown. A container goes before the services that run in it, and inner ones before
 * outer ones.
 */
#include "target/process_facts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS 64
#define ID_SHOWN 12

/* A part of a path between two slashes. */
struct part { const char *text; size_t size; };

struct found {
	const char *engine;
	struct part id, pod, named, unit;
};

static struct part next_part(const char **at)
{
	struct part part;

	*at += strspn(*at, "/");
	part = (struct part){ *at, strcspn(*at, "/") };
	*at += part.size;
	return part;
}

static bool is(const struct part *part, const char *text)
{
	return part->size == strlen(text) && !memcmp(part->text, text, part->size);
}

static bool begins(const struct part *part, const char *text)
{
	return part->size >= strlen(text) && !memcmp(part->text, text, strlen(text));
}

static bool ends(const struct part *part, const char *text)
{
	size_t n = strlen(text);

	return part->size >= n && !memcmp(part->text + part->size - n, text, n);
}

/* Without what stands at its begin and end. */
static struct part inner(const struct part *part, size_t front, size_t back)
{
	return front + back <= part->size ? (struct part){ part->text + front, part->size - front - back } : (struct part){};
}

/* A container's id: 64 digits that stand for themselves. */
static bool find_id(const struct part *part, size_t *at)
{
	size_t run = 0;

	for (size_t i = 0; i <= part->size; i++) {
		if (i < part->size && isxdigit((unsigned char)part->text[i])) {
			run++;
			continue;
		}
		*at = i - run;
		if (run == ID_DIGITS && (!*at || strchr("-:_", part->text[*at - 1])) && (i == part->size || part->text[i] == '.'))
			return true;
		run = 0;
	}
	return false;
}

/* Whose id it is: by the word before it, or by the folder that it is in. */
static const char *engine_of(const struct part *before, const struct part *folder)
{
	static const struct { const char *word, *name; } engines[] = {
		{ "cri-containerd", "containerd" }, { "containerd", "containerd" }, { "nerdctl", "containerd" }, { "docker", "docker" },
		{ "crio", "crio" }, { "crio-conmon", "crio" }, { "libpod", "podman" }, { "libpod-conmon", "podman" }, { "libpod_parent", "podman" },
	};
	const struct part *const places[] = { before, folder };

	for (size_t p = 0; p < 2; p++) {
		for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
			if (ends(places[p], engines[i].word) && (places[p]->size == strlen(engines[i].word) || strchr("-:/", places[p]->text[places[p]->size - strlen(engines[i].word) - 1])))
				return engines[i].name;
		}
	}
	return "container";
}

static void look_for_pod(struct found *found, const struct part *part)
{
	for (size_t i = 0; i + 3 < part->size; i++) {
		struct part uid = inner(part, i + 3, 0);

		if (memcmp(part->text + i, "pod", 3) || (i && part->text[i - 1] != '-') || !isxdigit((unsigned char)uid.text[0]))
			continue;
		for (size_t n = 0; n <= uid.size; n++) {
			if (n == uid.size || !(isxdigit((unsigned char)uid.text[n]) || strchr("-_", uid.text[n]))) {
				uid.size = n;
				break;
			}
		}
		found->pod = uid;
	}
}

static void look_at(struct found *found, const struct part *part, const struct part *folder, bool in_pods)
{
	struct part before;
	size_t at;

	if (in_pods)
		look_for_pod(found, part);
	if (find_id(part, &at)) {
		before = (struct part){ part->text, at ? at - 1 : 0 };
		found->engine = engine_of(&before, folder);
		found->id = (struct part){ part->text + at, ID_SHOWN };
	} else if (begins(part, "lxc.payload.") && part->size > 12) {
		found->engine = "lxc";
		found->named = inner(part, 12, 0);
	} else if ((is(folder, "lxc") || is(folder, "lxc.payload")) && part->size) {
		found->engine = "lxc";
		found->named = *part;
	} else if (begins(part, "machine-") && ends(part, ".scope") && part->size > 14) {
		found->engine = "machine";
		found->named = inner(part, 8, 6);
	} else if ((ends(part, ".service") && part->size > 8) || (ends(part, ".scope") && part->size > 6)) {
		found->unit = *part;
	}
}

/* systemd writes "-" and others as "\x2d". */
static size_t put(char *out, size_t size, size_t used, const struct part *part)
{
	for (size_t i = 0; i < part->size && used + 1 < size; i++) {
		const char *p = part->text + i;
		unsigned int c;

		if (part->size - i >= 4 && p[0] == '\\' && p[1] == 'x' && isxdigit((unsigned char)p[2]) && isxdigit((unsigned char)p[3]) && sscanf(p + 2, "%2x", &c) == 1 && c >= ' ' && c < 0x7f) {
			out[used++] = (char)c;
			i += 3;
		} else {
			out[used++] = *p;
		}
	}
	out[used] = 0;
	return used;
}

static size_t put_text(char *out, size_t size, size_t used, const char *text)
{
	return put(out, size, used, &(struct part){ text, strlen(text) });
}

bool cgroup_container(const char *cgroup, char *out, size_t size)
{
	struct found found = {};
	struct part part, folder = {};
	bool in_pods = false;
	size_t used;

	for (part = next_part(&cgroup); part.size; folder = part, part = next_part(&cgroup)) {
		in_pods |= begins(&part, "kubepods");
		look_at(&found, &part, &folder, in_pods);
	}
	if (!size || (!found.engine && !found.pod.size && !found.unit.size))
		return false;
	if (found.pod.size) {
		used = put_text(out, size, 0, "pod:");
		used = put(out, size, used, &found.pod);
		for (size_t i = 4; i < used; i++)
			out[i] = out[i] == '_' ? '-' : out[i];
		if (found.id.size)
			put(out, size, put_text(out, size, used, "/"), &found.id);
	} else if (found.engine) {
		used = put_text(out, size, put_text(out, size, 0, found.engine), ":");
		put(out, size, used, found.id.size ? &found.id : &found.named);
	} else {
		put(out, size, 0, &found.unit);
	}
	return true;
}
