// SPDX-License-Identifier: Apache-2.0
#include "export/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "export/file.h"
#include "target/outputs.h"
#include "util/cleanup.h"

#define MAGIC 0x314c4f4f50534846ULL /* "FHSPOOL1" */
#define SUFFIX ".spool"
#define NAME_LENGTH 16
#define ITEMS_MAX (1u << 20)
#define BODY_MAX (300u << 20)

/* Little-endian, as all machines that this runs on. */
struct spool_head {
	uint64_t magic;
	uint64_t start_epoch_ns, end_epoch_ns;
	uint64_t size;       /* of the body */
	uint32_t rate_hz;
	uint32_t body_sum;   /* CRC-32 */
	uint8_t key[SPOOL_KEY_SIZE];
	uint32_t reserved;   /* 0 */
	uint32_t head_sum;   /* of all before it */
};
_Static_assert(sizeof(struct spool_head) == 64, "on disk");

struct entry {
	uint64_t number, bytes;
};

struct spool {
	pthread_mutex_t lock;
	int fd, lock_fd;
	uint64_t bytes_max, next;
	uint64_t busy;       /* number of the one that is being sent; 0: none */
	struct entry *entries; /* a ring */
	size_t room, first, count;
	uint64_t bytes, dropped, corrupt;
};

static struct entry *at(const struct spool *s, size_t i)
{
	return &s->entries[(s->first + i) % s->room];
}

static int append(struct spool *s, uint64_t number, uint64_t bytes)
{
	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct entry *grown = s->room >= ITEMS_MAX ? NULL : calloc(room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		for (size_t i = 0; i < s->count; i++)
			grown[i] = *at(s, i);
		free(s->entries);
		s->entries = grown;
		s->room = room;
		s->first = 0;
	}
	s->count++;
	*at(s, s->count - 1) = (struct entry){ number, bytes };
	s->bytes += bytes;
	return 0;
}

static void name_of(uint64_t number, char name[32])
{
	snprintf(name, 32, "%0*llx" SUFFIX, NAME_LENGTH, (unsigned long long)number);
}

/* Takes the i-th one out, with its file. */
static void remove_at(struct spool *s, size_t i)
{
	char name[32];

	name_of(at(s, i)->number, name);
	unlinkat(s->fd, name, 0);
	s->bytes -= at(s, i)->bytes;
	for (; i; i--)
		*at(s, i) = *at(s, i - 1);
	s->first = (s->first + 1) % s->room;
	s->count--;
}

/* --- opening --- */

static bool parse_name(const char *name, uint64_t *number)
{
	*number = 0;
	for (unsigned int i = 0; i < NAME_LENGTH; i++, name++) {
		const char *digits = "0123456789abcdef", *digit = *name ? strchr(digits, *name) : NULL;

		if (!digit)
			return false;
		*number = *number << 4 | (uint64_t)(digit - digits);
	}
	return !strcmp(name, SUFFIX) && *number && *number < UINT64_MAX;
}

static int compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

/* What an earlier run left. Foreign names are left alone. */
static int load(struct spool *s)
{
	_cleanup_closedir_ DIR *dir = file_list(s->fd);
	struct dirent *entry;
	uint64_t number;
	struct stat st;
	int err = dir ? 0 : -errno;

	while (!err && (entry = readdir(dir))) {
		if (!parse_name(entry->d_name, &number) || fstatat(s->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && st.st_size >= (off_t)sizeof(struct spool_head) && st.st_size <= (off_t)(BODY_MAX + sizeof(struct spool_head))) {
			err = append(s, number, (uint64_t)st.st_size);
			continue;
		}
		s->corrupt++;
		unlinkat(s->fd, entry->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	/* nothing was taken out yet, so the ring begins at 0 */
	if (s->count)
		qsort(s->entries, s->count, sizeof(*s->entries), compare);
	s->next = s->count ? at(s, s->count - 1)->number + 1 : 1;
	return err;
}

static int open_queue(struct spool *s, const char *path)
{
	struct stat st;
	int err = outputs_make_folders(path);

	if (err)
		return err;
	s->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & 077) && fchmod(s->fd, 0700) < 0)
		return -errno;
	s->lock_fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return -errno;
	return flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0 ? (errno == EWOULDBLOCK ? -EBUSY : -errno) : 0;
}

/* All but the newest so many can go. The one that is being sent is the last to go. */
static bool drop_oldest(struct spool *s, size_t newest)
{
	size_t i;

	if (s->count <= newest)
		return false;
	i = at(s, 0)->number == s->busy && s->count > newest + 1;
	remove_at(s, i);
	s->dropped++;
	return true;
}

/* Down to the bound. */
static void make_room(struct spool *s, uint64_t bytes)
{
	while ((s->bytes + bytes > s->bytes_max || s->count >= ITEMS_MAX) && drop_oldest(s, 0))
		;
}

int spool__open(struct spool **out, const char *folder, const char *queue, uint64_t bytes_max, char problem[512])
{
	_cleanup_free_ char *path = NULL;
	struct spool *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;

	if (s) {
		*s = (struct spool){ .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .lock_fd = -1, .bytes_max = bytes_max };
		err = asprintf(&path, "%s/%s", folder, queue) < 0 ? -ENOMEM : 0;
		if (err)
			path = NULL;
	}
	err = err ? err : open_queue(s, path);
	if (!err) {
		file_sweep(s->fd, 0);
		err = load(s);
	}
	if (err) {
		spool__free(s);
		if (err == -EBUSY)
			snprintf(problem, 512, "another recording spools in '%.300s': give this one its own folder with --spool", path);
		else
			snprintf(problem, 512, "cannot spool in '%.300s': %s; choose another folder with --spool", path ? path : folder, err == -EPERM ? "it is another user's" : strerror(-err));
		return err;
	}
	make_room(s, 0);
	*out = s;
	return 0;
}

void spool__free(struct spool *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_mutex_destroy(&s->lock);
	free(s->entries);
	free(s);
}

void spool__limit(struct spool *s, uint64_t bytes_max)
{
	pthread_mutex_lock(&s->lock);
	s->bytes_max = bytes_max;
	pthread_mutex_unlock(&s->lock);
}

/* --- in and out --- */

static uint32_t sum(const void *data, size_t size)
{
	return (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, size);
}

static int put(struct spool *s, const struct spool_item *item, struct spool_head *head)
{
	const struct iovec parts[] = { { head, sizeof(*head) }, { item->body, item->size } };
	uint64_t bytes = sizeof(*head) + item->size;
	char name[32];
	int err;

	if (bytes > s->bytes_max || item->size > BODY_MAX) {
		s->dropped++;
		return -EFBIG;
	}
	make_room(s, bytes);
	err = append(s, s->next, bytes);
	if (err)
		return err;
	name_of(s->next, name);
	err = file_put(s->fd, name, parts, 2, 0600);
	/* a full disk is a bound, too: what is newer counts more. (The new one is an entry already, the last one.) */
	while (err == -ENOSPC && drop_oldest(s, 1))
		err = file_put(s->fd, name, parts, 2, 0600);
	if (err) {
		s->count--;
		s->bytes -= bytes;
		return err;
	}
	s->next++;
	return 0;
}

int spool__put(struct spool *s, const struct spool_item *item)
{
	struct spool_head head = {
		.magic = MAGIC, .start_epoch_ns = item->times.start_epoch_ns, .end_epoch_ns = item->times.end_epoch_ns, .size = item->size,
		.rate_hz = item->times.rate_hz, .body_sum = sum(item->body, item->size),
	};
	int err;

	if (getrandom(head.key, sizeof(head.key), 0) != sizeof(head.key))
		return -EIO;
	head.head_sum = sum(&head, offsetof(struct spool_head, head_sum));
	pthread_mutex_lock(&s->lock);
	err = put(s, item, &head);
	pthread_mutex_unlock(&s->lock);
	return err;
}

static int read_all(int fd, void *to, size_t size)
{
	char *at = to;

	while (size) {
		ssize_t n = read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* -EBADMSG, -ELOOP, -ENOENT: that file is of no use. */
static int read_item(const struct spool *s, uint64_t number, struct spool_item *item)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ uint8_t *body = NULL;
	struct spool_head head;
	struct stat st;
	char name[32];
	int err;

	name_of(number, name);
	fd = openat(s->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	err = read_all(fd, &head, sizeof(head));
	if (err)
		return err;
	if (head.magic != MAGIC || head.reserved || head.head_sum != sum(&head, offsetof(struct spool_head, head_sum)))
		return -EBADMSG;
	if (head.size > BODY_MAX || (uint64_t)st.st_size != head.size + sizeof(head) || head.start_epoch_ns > head.end_epoch_ns)
		return -EBADMSG;
	body = malloc(head.size + 1);
	if (!body)
		return -ENOMEM;
	err = read_all(fd, body, head.size);
	if (err)
		return err;
	if (head.body_sum != sum(body, head.size))
		return -EBADMSG;
	*item = (struct spool_item){ .number = number, .times = { head.start_epoch_ns, head.end_epoch_ns, head.rate_hz }, .body = steal_ptr(body), .size = head.size };
	memcpy(item->key, head.key, sizeof(item->key));
	return 0;
}

int spool__peek(struct spool *s, struct spool_item *item)
{
	int err = -ENOENT;

	pthread_mutex_lock(&s->lock);
	while (s->count) {
		uint64_t number = at(s, 0)->number;

		err = read_item(s, number, item);
		if (!err)
			s->busy = number;
		if (err != -EBADMSG && err != -ELOOP && err != -ENOENT && err != -ENXIO)
			break;
		s->corrupt++;
		remove_at(s, 0);
		err = -ENOENT;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

void spool__done(struct spool *s, uint64_t number)
{
	pthread_mutex_lock(&s->lock);
	if (s->count && at(s, 0)->number == number)
		remove_at(s, 0);
	else if (s->dropped)
		s->dropped--; /* it made room while it was on its way, and arrived all the same */
	s->busy = 0;
	pthread_mutex_unlock(&s->lock);
}

void spool__keep(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->busy = 0;
	pthread_mutex_unlock(&s->lock);
}

void spool__state(struct spool *s, struct spool_state *state)
{
	pthread_mutex_lock(&s->lock);
	*state = (struct spool_state){ s->count, s->bytes, s->dropped, s->corrupt };
	pthread_mutex_unlock(&s->lock);
}

bool spool__empty(struct spool *s)
{
	struct spool_state state;

	spool__state(s, &state);
	return !state.waiting;
}
