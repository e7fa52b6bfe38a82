/* embed.h: texts that a program carries inside (migrations, profiles, documents); tools/embed makes them. */
#pragma once

#include <stddef.h>

/* Declares name_text, NUL-terminated, and its length without the NUL. */
#define EMBED(name) \
	extern const char name##_text[]; \
	extern const size_t name##_text_len
