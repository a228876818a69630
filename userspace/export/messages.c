// SPDX-License-Identifier: Apache-2.0
#include "export/messages.h"

#include <errno.h>
#include <stdlib.h>

/* Readers refuse more (the format's own limit is 2 GiB), and its sizes are 32 bits wide in places. */
#define BYTES_MAX ((size_t)1 << 30)

void *messages(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, size_t n)
{
	size_t size = (descriptor->sizeof_message + 15) & ~(size_t)15;
	void **pointers = arena_array(arena, n, sizeof(*pointers));
	char *all = arena_array(arena, n, size);

	if (!pointers || !all)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		pointers[i] = all + i * size;
		protobuf_c_message_init(descriptor, pointers[i]);
	}
	return pointers;
}

void *message(struct arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
	void *one = arena_alloc(arena, descriptor->sizeof_message);

	if (one)
		protobuf_c_message_init(descriptor, one);
	return one;
}

int message_bytes(const ProtobufCMessage *message, struct encoded *out)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *data;

	if (size > BYTES_MAX)
		return -EFBIG;
	data = malloc(size ?: 1);
	if (!data)
		return -ENOMEM;
	out->size = protobuf_c_message_pack(message, data);
	out->data = data;
	return 0;
}
