/* workspace.h: POST /workspace/pull (CONTRACT 10.1). */
#pragma once

#include <event2/http.h>

#include "sync.h"

/* Answers when the workspace holds what storage holds of these paths. */
void workspace_pull(struct evhttp_request *, struct sync *, struct arena *);
