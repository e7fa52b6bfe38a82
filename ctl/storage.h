/* storage.h: what sandboxctl storage and sandboxctl doctor ask of the file storage. */
#pragma once

#include "ctl.h"

/*
 * Whether a small object can be written to the bucket, read back and removed.
 * 1 yes, 0 there is no such bucket, -1 with what was refused.
 */
int storage_try(const struct conf *, struct arena *, struct fault *) MUST_CHECK;

/* What an operator does about -1 of storage_try(). */
const char *storage_remedy(const struct fault *);
