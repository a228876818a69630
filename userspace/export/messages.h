/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf messages in an arena, and their bytes.
 */
#ifndef FIXINGAHOLE_EXPORT_MESSAGES_H
#define FIXINGAHOLE_EXPORT_MESSAGES_H

#include <protobuf-c/protobuf-c.h>

#include "export/encode.h"
#include "util/arena.h"

/* n empty messages of a kind, as the array of pointers that a repeated field is. NULL: out of memory. Never to be freed. */
void *messages(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, size_t n);
void *message(struct arena *arena, const ProtobufCMessageDescriptor *descriptor);
/* Its bytes, allocated. 0, -ENOMEM or -EFBIG. */
int message_bytes(const ProtobufCMessage *message, struct encoded *out);

#endif
