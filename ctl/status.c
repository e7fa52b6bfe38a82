/* status.c: sandboxctl status. */
#include <stdio.h>

#include "../lib/store/overview.h"
#include "ctl.h"

#define STATES_MAX 16
#define NODES_MAX  1000

struct status {
	struct overview_count sessions[STATES_MAX], executions[STATES_MAX];
	struct overview_node *nodes;
	int nsessions, nexecutions, nnodes;
};

static int read_all(struct ctl *c, struct db *db, struct status *s, struct fault *f)
{
	if (!(s->nodes = arena_alloc(c->a, NODES_MAX * sizeof(*s->nodes))))
		return fault_set(f, FAULT_INTERNAL, "out of memory");
	s->nsessions = overview_sessions(db, s->sessions, STATES_MAX, c->a, f);
	s->nexecutions =
		s->nsessions < 0 ? -1 : overview_executions(db, s->executions, STATES_MAX, c->a, f);
	s->nnodes = s->nexecutions < 0 ? -1 : overview_nodes(db, s->nodes, NODES_MAX, c->a, f);
	return s->nnodes < 0 ? -1 : 0;
}

static struct json_object *counts_json(const struct overview_count *k, int n)
{
	struct json_object *o = json_object_new_object();

	for (int i = 0; o && i < n; i++)
		json_object_object_add(o, k[i].state, json_object_new_int64(k[i].n));
	return o;
}

static struct json_object *node_json(const struct overview_node *n)
{
	struct json_object *o = jsn_str(json_object_new_object(), "id", n->id);

	o = jsn_str(o, "type", n->type);
	o = jsn_str(o, "status", n->state);
	o = jsn_int(o, "session_count", n->sessions);
	o = jsn_int(o, "max_sessions", n->max_sessions);
	o = jsn_num(o, "allocated_cpu", (double)n->cpu_millis / 1000);
	o = jsn_num(o, "offered_cpu", (double)n->offered_cpu_millis / 1000);
	o = jsn_int(o, "allocated_memory", n->memory_bytes);
	o = jsn_int(o, "offered_memory", n->offered_memory_bytes);
	return jsn_int(o, "heartbeat_age", n->heartbeat_age_s);
}

static int print_json(const struct status *s)
{
	struct json_object *nodes = json_object_new_array(), *o;

	for (int i = 0; i < s->nnodes; i++)
		nodes = jsn_push(nodes, node_json(&s->nodes[i]));
	o = jsn_put(json_object_new_object(), "sessions", counts_json(s->sessions, s->nsessions));
	o = jsn_put(o, "executions", counts_json(s->executions, s->nexecutions));
	return ctl_json(jsn_put(o, "nodes", nodes));
}

static void print_counts(const char *what, const struct overview_count *k, int n)
{
	printf("%s:", what);
	for (int i = 0; i < n; i++)
		printf(" %lld %s%s", (long long)k[i].n, k[i].state, i + 1 < n ? "," : "");
	printf("%s\n", n ? "" : " none");
}

static void print_node(const struct overview_node *n)
{
	printf("node %s: %s, %s, %lld of %lld sessions, cpu %.1f of %.1f, memory %lld of %lld MiB, ",
	       n->id, n->type, n->state, (long long)n->sessions, (long long)n->max_sessions,
	       (double)n->cpu_millis / 1000, (double)n->offered_cpu_millis / 1000,
	       (long long)(n->memory_bytes >> 20), (long long)(n->offered_memory_bytes >> 20));
	if (n->heartbeat_age_s == INT64_MIN)
		printf("never seen\n");
	else
		printf("seen %lld s ago\n", (long long)n->heartbeat_age_s);
}

int ctl_status(struct ctl *c)
{
	struct fault f = { 0 };
	struct db *db = ctl_db(c);
	struct status s;
	int rc;

	if (!db)
		return CTL_FAILED;
	rc = read_all(c, db, &s, &f);
	db_close(db);
	if (rc < 0)
		return ctl_fault(&f);
	if (c->json)
		return print_json(&s);
	print_counts("sessions", s.sessions, s.nsessions);
	print_counts("executions", s.executions, s.nexecutions);
	for (int i = 0; i < s.nnodes; i++)
		print_node(&s.nodes[i]);
	if (!s.nnodes)
		printf("nodes: none\n");
	return ctl_done();
}
