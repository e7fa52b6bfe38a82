/* unit.h: what every unit test includes; cmocka needs these four before itself. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/base/util.h"

static inline const char *row_text(const char *s)
{
	return s ? s : "(null)";
}

/* A check inside a table's loop: a failure says which row it was. */
#define CHECK_ROW(cond, i, text) \
	do { \
		if (!(cond)) \
			fail_msg("row %zu (%s): %s", (size_t)(i), row_text(text), #cond); \
	} while (0)
