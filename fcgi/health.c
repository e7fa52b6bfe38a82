/* health.c: what answers without a credential: root, health, the API document. */
#include "../lib/base/clock.h"
#include "../lib/base/embed.h"
#include "handlers.h"
#include "worker.h"

EMBED(openapi);

/* GET / */
int get_root(struct req *r, struct fault *f)
{
	static const char *const features[] = { "sessions", "executions",  "templates",
						"files",    "idempotency", "output" };
	struct json_object *list = json_object_new_array(), *docs, *o;

	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		list = jsn_push(list, json_object_new_string(features[i]));
	docs = jsn_str(json_object_new_object(), "swagger", "/docs");
	docs = jsn_str(docs, "redoc", "/redoc");
	docs = jsn_str(docs, "openapi", "/openapi.json");
	o = jsn_str(json_object_new_object(), "name", "sandbox");
	o = jsn_str(o, "version", VERSION);
	o = jsn_str(o, "status", "operational");
	o = jsn_put(o, "features", list);
	return req_reply(r, 200, jsn_put(o, "documentation", docs), f);
}

/* GET /health: from the last background probe, so that it costs nothing and never waits. */
int get_health(struct req *r, struct fault *f)
{
	static const char *const words[] = {
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_DEGRADED] = "degraded",
		[HEALTH_UNHEALTHY] = "unhealthy",
	};
	struct shared *sh = r->t->shared;
	struct json_object *o =
		jsn_str(json_object_new_object(), "status", words[atomic_load(&sh->health)]);

	o = jsn_str(o, "version", VERSION);
	return req_reply(r, 200, jsn_int(o, "uptime", (clock_ms() - sh->started_ms) / 1000), f);
}

/* GET /openapi.json */
int get_openapi(struct req *r, struct fault *f)
{
	(void)f;
	req_header(r, "Cache-Control", "public, max-age=300");
	return req_bytes(r, 200, "application/json", openapi_text, openapi_text_len);
}
