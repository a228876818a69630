// SPDX-License-Identifier: Apache-2.0
/*
 * stress SECONDS [THREADS]: random calls of the allocator's functions from many threads, blocks handed from one thread to
 * another, forks, and a signal that allocates. Every block's content and alignment are checked. Built
 * with the library's sources under sanitizers, or run with the library preloaded.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHARED 4096
#define MINE 256

struct block {
	unsigned char *p;
	size_t size;
	unsigned char fill;
};

static struct block shared[SHARED];
static pthread_mutex_t shared_lock[16];
static int stop;
static unsigned long calls;

static void check(const struct block *b)
{
	size_t step = b->size / 16 + 1;

	for (size_t i = 0; i < b->size; i += step)
		if (b->p[i] != b->fill) {
			fprintf(stderr, "block %p of %zu bytes: byte %zu was overwritten\n", (void *)b->p, b->size, i);
			abort();
		}
	if (malloc_usable_size(b->p) < b->size)
		abort();
}

static size_t random_size(unsigned *seed)
{
	unsigned kind = rand_r(seed) % 100;

	if (kind < 70)
		return 1 + rand_r(seed) % 600; /* TSan holds the one byte of an empty block for freed */
	if (kind < 95)
		return 1 + rand_r(seed) % 20000;
	return 1 + rand_r(seed) % 400000;
}

static void fill(struct block *b, unsigned *seed)
{
	b->fill = rand_r(seed);
	if (b->p && b->size)
		memset(b->p, b->fill, b->size);
	else if (!b->p)
		b->size = 0;
}

static void make(struct block *b, unsigned *seed)
{
	size_t align = 16;
	void *p;

	b->size = random_size(seed);
	switch (rand_r(seed) % 8) {
	case 0:
		b->p = calloc(1 + b->size / 16, 16);
		for (size_t i = 0; b->p && i < b->size; i += 64)
			if (b->p[i])
				abort();
		break;
	case 1:
		align = 16u << rand_r(seed) % 9;
		b->p = posix_memalign(&p, align, b->size) ? NULL : p;
		break;
	case 2:
		align = 16u << rand_r(seed) % 9;
		b->size = (b->size + align) & ~(align - 1);
		b->p = aligned_alloc(align, b->size);
		break;
	case 3:
		b->p = reallocarray(NULL, b->size / 8 + 1, 8);
		break;
	default:
		b->p = malloc(b->size);
	}
	if ((uintptr_t)b->p % align)
		abort();
	fill(b, seed);
}

static void step(struct block *b, unsigned *seed)
{
	if (!b->p) {
		make(b, seed);
		return;
	}
	check(b);
	if (rand_r(seed) % 4) {
		errno = 77;
		free(b->p);
		if (errno != 77)
			abort();
		b->p = NULL;
		return;
	}
	size_t size = random_size(seed) + 1;
	unsigned char *p = realloc(b->p, size);

	if (!p)
		return;
	b->p = p;
	b->size = b->size < size ? b->size : size;
	check(b);
	b->size = size;
	fill(b, seed);
}

static void *work(void *data)
{
	unsigned seed = (uintptr_t)data * 7919;
	struct block mine[MINE] = { 0 };
	unsigned long n = 0;

	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++) {
		if (rand_r(&seed) % 8) {
			step(&mine[rand_r(&seed) % MINE], &seed);
		} else {
			unsigned i = rand_r(&seed) % SHARED;

			pthread_mutex_lock(&shared_lock[i % 16]);
			step(&shared[i], &seed);
			pthread_mutex_unlock(&shared_lock[i % 16]);
		}
		if (rand_r(&seed) % 4096 == 0) {
			void *p = mmap(NULL, 8 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (p != MAP_FAILED && munmap((char *)p + (2 << 12), 3 << 12) == 0)
				munmap(p, 8 << 12);
		}
	}
	for (int i = 0; i < MINE; i++)
		free(mine[i].p);
	__atomic_fetch_add(&calls, n, __ATOMIC_RELAXED);
	return NULL;
}

#ifdef WITH_FORK
static void fork_once(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		unsigned seed = 5;
		struct block some[64] = { 0 };

		alarm(20);
		for (int i = 0; i < 2000; i++)
			step(&some[rand_r(&seed) % 64], &seed);
		_exit(0);
	}
	if (pid > 0 && (waitpid(pid, &status, 0) != pid || status)) {
		fprintf(stderr, "child: status %x\n", status);
		abort();
	}
}
#endif

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 5, n = argc > 2 ? atoi(argv[2]) : 16;
	pthread_t threads[64];
	time_t end = time(NULL) + seconds;

	for (int i = 0; i < 16; i++)
		pthread_mutex_init(&shared_lock[i], NULL);
	for (int i = 0; i < n && i < 64; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1)))
			return 1;
	while (time(NULL) < end) {
#ifdef WITH_FORK
		fork_once();
#endif
		usleep(20000);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < n && i < 64; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SHARED; i++)
		free(shared[i].p);
	printf("%lu calls\n", calls);
	return 0;
}
