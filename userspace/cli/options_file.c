// SPDX-License-Identifier: Apache-2.0
#include "cli/options_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/text_file.h"

#define FILE_MAX (1 << 20)

struct options_words {
	char *text;   /* the file, cut into its words */
	char **words; /* NULL-terminated */
	int n;
};

static int add(struct options_words *w, char *word)
{
	char **grown = reallocarray(w->words, (size_t)w->n + 2, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	w->words = grown;
	grown[w->n++] = word;
	grown[w->n] = NULL;
	return 0;
}

static void trim(char *text)
{
	for (size_t n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--)
		text[n - 1] = '\0';
}

/* One line, without its end: an option, and its value if there is one. */
static int add_line(struct options_words *w, const char *path, unsigned int number, char *line)
{
	size_t length;
	int err;

	line += strspn(line, " \t\r");
	trim(line);
	if (!*line || *line == '#')
		return 0;
	if (line[0] != '-' || line[1] != '-' || !line[2]) {
		log_error("'%s', line %u: '%.80s' is no option: write '--interval 60'", path, number, line);
		return -EINVAL;
	}
	length = strcspn(line, " \t=");
	if (length == strlen("--options") && !strncmp(line, "--options", length)) {
		log_error("'%s', line %u: an options file names no further one", path, number);
		return -EINVAL;
	}
	/* a blank becomes '=': then a value that begins with '-' is one, too, and an option that takes none says so */
	if (line[length] && line[length] != '=') {
		size_t blanks = strspn(line + length, " \t");

		memmove(line + length + 1, line + length + blanks, strlen(line + length + blanks) + 1);
		line[length] = '=';
	}
	err = add(w, line);
	return err;
}

static int add_file(struct options_words *w, const char *path)
{
	char *line, *next;
	unsigned int number = 0;
	size_t size;
	int err;

	if (w->text) {
		log_error("'--options' counts once: put both files into one");
		return -EINVAL;
	}
	err = text_file_read(path, FILE_MAX, &w->text, &size);
	if (err == -ENOMEM)
		return err;
	if (err) {
		log_error("cannot read the options in '%s': %s", path, err == -EINVAL ? "it is no text file" : strerror(-err));
		return -EINVAL;
	}
	for (line = w->text; line && !err; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		err = add_line(w, path, ++number, line);
	}
	return err;
}

/* The file that a word names, or that the next one does; NULL: the word is another one. */
static const char *file_of(const char *word, const char *next, bool *takes_next)
{
	size_t length = strlen("--options");

	*takes_next = false;
	if (strncmp(word, "--options", length))
		return NULL;
	if (word[length] == '=')
		return word + length + 1;
	*takes_next = !word[length];
	return word[length] ? NULL : next;
}

int options_words__read(struct options_words **out, int argc, char **argv)
{
	struct options_words *w;
	bool takes_next, found = false;
	int err = 0;

	if (argc < 3 || strcmp(argv[1], "record"))
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	for (int i = 0; i < argc && !err; i++) {
		const char *file = i < 2 ? NULL : file_of(argv[i], argv[i + 1], &takes_next);

		err = add(w, argv[i]);
		/* what is missing is the parser's to say */
		if (err || !file || !*file)
			continue;
		if (takes_next)
			err = add(w, argv[++i]);
		found = true;
		err = err ? err : add_file(w, file);
	}
	if (err || !found) {
		options_words__free(w);
		return err;
	}
	*out = w;
	return 0;
}

void options_words__free(struct options_words *w)
{
	if (!w)
		return;
	free(w->words);
	free(w->text);
	free(w);
}

int options_words__count(const struct options_words *w, int argc)
{
	return w ? w->n : argc;
}

char **options_words__vector(const struct options_words *w, char **argv)
{
	return w ? w->words : argv;
}
