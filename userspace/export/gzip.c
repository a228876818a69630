// SPDX-License-Identifier: Apache-2.0
#include "export/gzip.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#include "util/cleanup.h"

int gzip_bytes(const struct encoded *plain, struct encoded *out)
{
	z_stream stream = { .next_in = plain->data, .avail_in = (uInt)plain->size };
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	int status;

	if (plain->size > UINT_MAX / 2)
		return -EFBIG;
	/* the fastest level: the better ones take thrice the time for a tenth less */
	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	size = deflateBound(&stream, stream.avail_in);
	data = malloc(size);
	stream.next_out = data;
	stream.avail_out = (uInt)size;
	status = data ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
	size = stream.total_out;
	deflateEnd(&stream);
	if (status != Z_STREAM_END)
		return -ENOMEM;
	*out = (struct encoded){ steal_ptr(data), size };
	return 0;
}
