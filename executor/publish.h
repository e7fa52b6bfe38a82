/*
 * publish.h: between an execution's end and its result: what it left in the
 * workspace, the list of its artifacts and its long logs go to storage, in this
 * order (CONTRACT 9). While storage is down the result waits.
 */
#pragma once

#include "job.h"
#include "sync.h"

void publish_open(struct event_base *, struct sync *, const struct settings *);

/*
 * Fills j->artifacts, j->artifacts_more, j->not_stored and j->logs_stored, then calls done(), maybe before it returns.
 * Calls that fail are made again until they work; what storage refuses for good is left out.
 */
void publish(struct job *, void (*done)(struct job *));
/* The executor stops: what waits goes on with what is stored. */
void publish_stop(void);
