/*
 * work.h: what has to be done over rows, by a worker at once or by a daemon
 * later: the same functions over the same rows.
 *
 * A struct work is one thread's tools. No function here keeps a database
 * connection while it waits for a runtime or an executor.
 */
#pragma once

#include "../base/conf.h"
#include "../db.h"
#include "../httpc.h"
#include "../rt/runtime.h"

struct work {
	const struct conf *cf;
	struct db_pool *pool;
	const struct rt_ops *ops; /* of this host's runtime */
	struct rt *rt;
	struct httpc *http; /* this thread's */
	struct s3 *s3;      /* the same; made by files_s3(), closed with the thread */
	const char *owner;  /* host/pid, lease_owner of the rows this process works on */
};
