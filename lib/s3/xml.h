/* xml.h: reads the small XML documents of an object store, by libexpat. No DTD, no entities but the five of XML. */
#pragma once

#include "../base/util.h"

/*
 * Calls `element` at the end of each element with its path below the root ("Contents/Key"; "" the root itself) and its
 * own text; -1 from it gives up. `root` gets the root's name. -1: malformed, too deep, a text too long, or given up.
 */
#define XML_ROOT_SZ 64
int xml_read(const char *doc, size_t n, char root[XML_ROOT_SZ],
	     int (*element)(void *arg, const char *path, const char *text), void *arg) MUST_CHECK;
