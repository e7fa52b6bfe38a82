/* when.h: the database's times in answers (CONTRACT 1.2, Time). */
#pragma once

#include "../lib/base/jsn.h"

/* "2026-01-06 10:00:00.123" (UTC) as RFC 3339; NULL becomes null. */
static inline struct json_object *when(struct json_object *o, const char *key, const char *db_time,
				       struct arena *a)
{
	return jsn_str(o, key,
		       db_time ? arena_printf(a, "%.10sT%.12sZ", db_time, db_time + 11) : NULL);
}
