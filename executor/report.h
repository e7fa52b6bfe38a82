/*
 * report.h: what the executor tells the control plane: ready, heartbeats,
 * results that no reader took, its own end (CONTRACT 10.3).
 */
#pragma once

#include <event2/event.h>

#include "job.h"
#include "trial.h"

/*
 * Starts with container_ready, repeated until it is accepted (`ready`; `pull`: files came to storage meanwhile) or refused
 * (`quit`).
 */
void report_open(struct event_base *, struct jobs *, const struct settings *, const struct trial *,
		 void (*ready)(bool pull), void (*quit)(void));

/* A job runs: told when it does not end at once. */
void report_started(struct job *);
/* It has ended: delivery begins when no reader takes its result within a second. */
void report_ended(struct job *);

/* Tells the end; done() is called when it was told or cannot be. */
void report_exit(void (*done)(void));
