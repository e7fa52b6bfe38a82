#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

const struct fault_info fault_infos[FAULT__MAX] = {
#define X(id, status, retry, code, desc, sol) [FAULT_##id] = { status, retry, code, desc, sol },
	FAULT_LIST(X)
#undef X
};

int fault_set(struct fault *f, enum fault_id id, const char *fmt, ...)
{
	va_list ap;

	*f = (struct fault){ .info = &fault_infos[id] };
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
	text_utf8_trim(f->detail);
	return -1;
}
