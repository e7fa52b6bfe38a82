/*
 * template.h: the tables template and template_version. A template is a name
 * for its newest version; versions never change. A deleted template keeps its
 * row, so that versions count on when its id is used again; `first_version`
 * is the first one of the present life, older ones are not shown.
 *
 * Finders return 1 found, 0 not there, -1 with a fault. Strings live in the
 * caller's arena; JSON columns are canonical text. Times as the database prints them.
 */
#pragma once

#include "../db.h"

struct template
{
	const char *id, *name, *description, *image_url, *image_digest, *runtime_type, *env_vars,
		*network, *dependencies, *dependency_install_status, *dependency_install_error,
		*labels, *layer_id, *created_by, *created_at, /* of the template */
		*version_created_at;
	int64_t version, current_version, cpu_millis, memory_bytes, disk_bytes, timeout_s,
		max_processes, run_as_user, read_only_root,
		version_active, /* is_active as this version says */
		is_active;      /* as the newest says: may sessions be created? */
};

/* The version, or the newest when `version` is 0. */
int template_find(struct db *, const char *id, int64_t version, struct template *, struct arena *,
		  struct fault *) MUST_CHECK;
/* Inside a transaction: the newest, with the template locked against changes and deletion. */
int template_lock(struct db *, const char *id, struct template *, struct arena *,
		  struct fault *) MUST_CHECK;
/*
 * Inside the transaction that inserts a session: the template cannot be deleted before that commits. 1, or 0 when it
 * was deleted or made inactive meanwhile.
 */
int template_hold(struct db *, const char *id, struct fault *) MUST_CHECK;

/* By name, those after `after_name` (NULL: from the beginning, skipping `offset`). The count. */
int template_list(struct db *, const char *after_name, int64_t offset, struct template *out,
		  int max, struct arena *, struct fault *) MUST_CHECK;
int template_count(struct db *, int64_t *, struct fault *) MUST_CHECK;
/* Newest first, those below `below` (0: from the newest, skipping `offset`). The count. */
int template_versions(struct db *, const char *id, int64_t below, int64_t offset,
		      struct template *out, int max, struct arena *, struct fault *) MUST_CHECK;
int template_versions_count(struct db *, const char *id, int64_t *, struct fault *) MUST_CHECK;

/* Inside a transaction. Fills t->version. 0, or -1 with CONFLICT: the id or the name is taken. */
int template_insert(struct db *, struct template *t, struct fault *) MUST_CHECK;
/* Inside a transaction, after template_lock(): t becomes the newest version. Fills t->version. CONFLICT: name taken. */
int template_add_version(struct db *, struct template *t, struct fault *) MUST_CHECK;
/* Inside a transaction, after template_lock(). TEMPLATE_IN_USE while active sessions have it. */
int template_delete(struct db *, const char *id, struct fault *) MUST_CHECK;

/* Was there ever a template of this id? For seeding. 1, 0, -1. */
int template_known(struct db *, const char *id, struct fault *) MUST_CHECK;
