#!/usr/bin/env bats
# Templates over HTTP (CONTRACT 5).
load helper

setup_file() {
	AUTH=key start_stack || return 1
	SANDBOX_KEY=$(new_key admin)
	export SANDBOX_KEY
}
teardown_file() { stop_stack; }

# An id and a name of this test's own.
setup() { id=t$BATS_TEST_NUMBER; }

# body [JSON-members]: the least that POST takes, and more
body() {
	local extra=${1:-}

	[ -n "$extra" ] || extra='{}'
	jq -cn --arg id "$id" --argjson x "$extra" \
		'{id: $id, name: "name of \($id)", image_url: "example/image:1", runtime_type: "python3.11"} + $x'
}

make() { api POST /templates "$(body "${1:-}")"; expect_code 201; }

replayed() { [ "$(header idempotent-replay)" = true ]; }

@test "a template has the documented defaults, and both names of every field" {
	make
	[ "$(header etag)" = '"v1"' ]
	[ "$(header location)" = "/api/v1/templates/$id" ]
	expect 'del(.created_at, .updated_at) | tojson' "$(jq -cn --arg id "$id" '{id: $id, name: "name of \($id)", description: "",
		version: 1, image_url: "example/image:1", image: "example/image:1", runtime_type: "python3.11",
		default_cpu_cores: 0.5, default_memory_mb: 512, default_disk_mb: 1024, default_timeout: 300,
		default_timeout_sec: 300, max_processes: 128,
		default_resources: {cpu: "0.5", memory: "512Mi", disk: "1Gi", max_processes: 128}, env_vars: {},
		default_env_vars: {}, network: "none", security: {run_as_user: 1000, read_only_root: true},
		security_context: {run_as_user: 1000, read_only_root: true}, dependencies: [], pre_installed_packages: [],
		labels: {}, is_active: true, dependency_install_status: "completed", dependency_install_error: null}')"
	expect '.created_at | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z$")' true
	created=$body
	api GET "/templates/$id"
	expect_code 200
	[ "$body" = "$created" ]
	[ "$(header etag)" = '"v1"' ]
	api HEAD "/templates/$id"
	expect_code 200
	[ "$(header etag)" = '"v1"' ]
}

@test "everything that is given comes back, by either name" {
	make '{"description": "€", "default_cpu_cores": 1.25, "default_memory_mb": 2048, "default_disk_mb": 256,
		"default_timeout_sec": 3600, "max_processes": 1024, "default_env_vars": {"B": "2", "A": "\u0001 \"x\""},
		"network": "egress", "security_context": {"run_as_user": 65533, "read_only_root": false},
		"pre_installed_packages": [{"name": "requests", "version": ">=2.31,<3", "unknown": 1}, {"name": "numpy"}],
		"labels": {"team": "research"}, "is_active": false, "unknown": {}}'
	expect '[.description, .default_cpu_cores, .default_memory_mb, .default_disk_mb, .default_timeout, .max_processes,
		.network, .is_active, .labels.team, .env_vars.A, .dependency_install_status] | tojson' \
		"$(jq -cn '["€", 1.25, 2048, 256, 3600, 1024, "egress", false, "research", "\u0001 \"x\"", "pending"]')"
	expect '.security == {run_as_user: 65533, read_only_root: false} and .security == .security_context' true
	expect '.env_vars == .default_env_vars and .dependencies == .pre_installed_packages' true
	expect '.dependencies | tojson' '[{"name":"requests","version":">=2.31,<3"},{"name":"numpy","version":null}]'
	expect '.default_resources | tojson' '{"cpu":"1.25","memory":"2Gi","disk":"256Mi","max_processes":1024}'
}

@test "limits in session formats, alone or agreeing with the numbers" {
	make '{"default_resources": {"cpu": "500m", "memory": "1Gi"}, "default_memory_mb": 1024}'
	expect '[.default_cpu_cores, .default_memory_mb, .default_disk_mb] | tojson' '[0.5,1024,1024]'
	id=x$id
	api POST /templates "$(body '{"default_resources": {"memory": "2Gi"}, "default_memory_mb": 1024}')"
	expect_code 422
	expect '.detail[0].loc | tojson' '["body","default_memory_mb"]'
}

@test "id and name are unique, names also against renaming" {
	make
	api POST /templates "$(body '{"name": "another"}')"
	expect_code 409
	expect .error_code Sandbox.Conflict
	expect '.error_detail | test("id")' true
	first=$id id=x$id
	api POST /templates "$(body "{\"name\": \"name of $first\"}")"
	expect_code 409
	expect '.error_detail | test("name")' true
	make
	api PUT "/templates/$id" "{\"name\": \"name of $first\"}"
	expect_code 409
	api GET "/templates/$id"
	expect .version 1
	expect .name "name of $id"
}

@test "a change is partial and makes a version; the old one stays as it was; no change makes none" {
	make '{"description": "one", "labels": {"a": "1"}}'
	api PUT "/templates/$id" '{"description": "two", "default_timeout": 60}'
	expect_code 200
	[ "$(header etag)" = '"v2"' ]
	expect '[.version, .description, .default_timeout, .labels.a, .image] | tojson' '[2,"two",60,"1","example/image:1"]'
	for same in '{}' '{"description": "two"}' '{"labels": {"a": "1"}, "default_timeout_sec": 60}' \
		"{\"id\": \"$id\", \"runtime_type\": \"python3.11\"}"; do
		api PUT "/templates/$id" "$same"
		expect_code 200
		expect .version 2
	done
	api GET "/templates/$id?version=1"
	expect_code 200
	[ "$(header etag)" = '"v1"' ]
	expect '[.version, .description, .default_timeout] | tojson' '[1,"one",300]'
	api GET "/templates/$id?version=3"
	expect_code 404
	expect .error_code Sandbox.TemplateNotFound
}

@test "id and runtime_type are fixed; packages are for Python" {
	make
	api PUT "/templates/$id" '{"runtime_type": "nodejs20"}'
	expect_code 400
	api PUT "/templates/$id" '{"id": "other"}'
	expect_code 400
	expect .error_code Sandbox.InvalidParameter
	id=x$id
	api POST /templates "$(body '{"runtime_type": "go1.21", "dependencies": [{"name": "requests"}]}')"
	expect_code 400
	make '{"runtime_type": "go1.21", "dependencies": []}'
}

@test "If-Match guards change and deletion" {
	make
	for tag in '"v2"' 'W/"v1"' '"v0", "v7"'; do
		api PUT "/templates/$id" '{"description": "x"}' -H "If-Match: $tag"
		expect_code 412
		expect .error_code Sandbox.PreconditionFailed
		api DELETE "/templates/$id" -H "If-Match: $tag"
		expect_code 412
	done
	api PUT "/templates/$id" '{"description": "x"}' -H 'If-Match: "v7", "v1"'
	expect_code 200
	expect .version 2
	api DELETE "/templates/$id" -H 'If-Match: "v1"'
	expect_code 412
	api DELETE "/templates/$id" -H 'If-Match: v2'
	expect_code 422
	expect '.detail[0].loc | tojson' '["header","If-Match"]'
	api DELETE "/templates/$id" -H 'If-Match: *'
	expect_code 200
	expect .message "Template $id deleted"
	api GET "/templates/$id"
	expect_code 404
	expect .detail "Template not found: $id"
	api DELETE "/templates/$id"
	expect_code 404
}

@test "changes at the same time: each guarded by If-Match, exactly one of each round wins" {
	local i round pids

	make
	for round in 1 2 3; do
		pids=()
		for i in {1..6}; do
			curl -s -o /dev/null -w '%{http_code}\n' -X PUT -H "X-API-Key: $SANDBOX_KEY" -H "If-Match: \"v$round\"" \
				-H 'Content-Type: application/json' -d "{\"description\": \"$round $i\"}" \
				"$URL/api/v1/templates/$id" >"$BATS_TEST_TMPDIR/c$i" 3>&- & pids+=($!)
		done
		wait "${pids[@]}"
		[ "$(sort "$BATS_TEST_TMPDIR"/c? | uniq -c | xargs)" = "1 200 5 412" ]
	done
	api GET "/templates/$id"
	expect .version 4
}

@test "the list is an array by name, with its count and a link to the rest that neither skips nor repeats" {
	local i path seen=() total link

	for i in 3 1 2 5 4; do
		api POST /templates "$(body "{\"id\": \"list$i\", \"name\": \"list $i\"}")"
		expect_code 201
	done
	api GET "/templates?limit=200"
	expect_code 200
	expect 'type' array
	total=$(jqb length)
	[ "$(header x-total-count)" = "$total" ]
	[ -z "$(header link)" ]
	expect '[.[].name] == ([.[].name] | sort)' true
	expect '.[] | select(.id == "list1") | .version' 1

	path="/templates?limit=2"
	while [ -n "$path" ]; do
		api GET "$path"
		expect_code 200
		[ "$(jqb length)" -le 2 ]
		mapfile -t -O "${#seen[@]}" seen < <(jqb '.[].id')
		link=$(header link)
		path=$(sed -n 's|^<.*/api/v1\(/templates?[^>]*\)>; rel="next"$|\1|p' <<<"$link")
		[ "${#seen[@]}" != 2 ] || api DELETE "/templates/${seen[0]}"	# a row that was seen may go
	done
	[ "${#seen[@]}" = "$total" ]
	[ "$(printf '%s\n' "${seen[@]}" | sort -u | wc -l)" = "$total" ]
	api GET "/templates?limit=2&offset=1"
	expect_code 200
	expect 'length' 2
	api GET "/templates?cursor=AAAA"
	expect_code 400
}

@test "versions are listed newest first, in pages" {
	local v n=0 cursor="" versions=""

	make
	for v in 2 3 4 5; do api PUT "/templates/$id" "{\"description\": \"$v\"}"; done
	api GET "/templates/$id/versions?limit=2"
	expect_code 200
	expect '[.total, .limit, .offset, .has_more, [.items[].version]] | tojson' '[5,2,0,true,[5,4]]'
	api GET "/templates/$id/versions?limit=2&offset=4"
	expect '[.has_more, .next_cursor, [.items[].version]] | tojson' '[false,null,[1]]'
	while :; do
		api GET "/templates/$id/versions?limit=2$cursor"
		versions+=$(jqb '.items[].version' | tr -d '\n')
		[ "$(jqb .has_more)" = true ] || break
		cursor="&cursor=$(jqb .next_cursor)"
		[ $((n++)) -lt 5 ]
		[ "$n" != 1 ] || api PUT "/templates/$id" '{"description": "a sixth, meanwhile"}'
	done
	[ "$versions" = 54321 ]
	api GET /templates/none-such/versions
	expect_code 404
}

@test "an id is free again after deletion; versions count on, the old life is not shown" {
	make '{"env_vars": {"SECRET": "old"}}'
	api PUT "/templates/$id" '{"description": "x"}'
	api DELETE "/templates/$id"
	expect_code 200
	api GET "/templates/$id?version=1"
	expect_code 404
	make
	expect .version 3
	[ "$(header etag)" = '"v3"' ]
	expect .env_vars '{}'
	api GET "/templates/$id/versions"
	expect '[.total, [.items[].version]] | tojson' '[1,[3]]'
	api GET "/templates/$id?version=1"
	expect_code 404
	api PUT "/templates/$id" '{"description": "y"}'
	expect .version 4
	api GET "/templates/$id/versions"
	expect '[.items[].version] | tojson' '[4,3]'
}

@test "a template with active sessions stays; its sessions keep their version" {
	local sid

	api POST /templates "$(body '{"image_url": "sandbox/python-basic:latest", "env_vars": {"WHICH": "one"}}')"
	expect_code 201
	sid=$(new_session "{\"template_id\": \"$id\"}")
	api PUT "/templates/$id" '{"env_vars": {"WHICH": "two"}, "is_active": false}'
	expect_code 200
	api GET "/sessions/$sid"
	expect .template_version 1
	# shellcheck disable=SC2016 # the sandbox's own variable
	run_sync "$sid" shell 'printf %s "$WHICH"'
	expect .stdout one
	api DELETE "/templates/$id"
	expect_code 409
	expect .error_code Sandbox.TemplateInUse
	api POST /sessions "{\"template_id\": \"$id\"}"
	expect_code 400
	api POST /sessions "{\"template_id\": \"$id\", \"template_version\": 1}"
	expect_code 400
	api POST "/sessions/$sid/terminate"
	expect_code 200
	api DELETE "/templates/$id"
	expect_code 200
	api POST /sessions "{\"template_id\": \"$id\"}"
	expect_code 400
}

@test "a session can be made from an older version" {
	local sid

	api POST /templates "$(body '{"image_url": "sandbox/python-basic:latest", "default_memory_mb": 256}')"
	api PUT "/templates/$id" '{"default_memory_mb": 128}'
	sid=$(new_session "{\"template_id\": \"$id\", \"template_version\": 1}")
	api GET "/sessions/$sid"
	expect '[.template_version, .resources.memory] | tojson' '[1,"256Mi"]'
	api POST /sessions "{\"template_id\": \"$id\", \"template_version\": 3}"
	expect_code 400
	api DELETE "/sessions/$sid"
	expect_code 204
}

@test "an Idempotency-Key makes one template, whatever happens to the answer" {
	local first

	make
	api POST /templates "$(body "{\"id\": \"i$id\", \"name\": \"i $id\"}")" -H "Idempotency-Key: k$id"
	expect_code 201
	first=$body
	api POST /templates "$(body "{\"name\": \"i $id\", \"id\": \"i$id\"}")" -H "Idempotency-Key: k$id"
	expect_code 201
	replayed
	[ "$body" = "$first" ]
	[ "$(header etag)" = '"v1"' ]
	[ "$(header location)" = "/api/v1/templates/i$id" ]
	api POST /templates "$(body "{\"id\": \"i$id\", \"name\": \"other\"}")" -H "Idempotency-Key: k$id"
	expect_code 422
	expect .error_code Sandbox.IdempotencyConflict

	# As a worker leaves it that was killed between commit and answer.
	sql "UPDATE idempotency_key SET state = 'running', response = NULL, http_status = NULL,
		lease_until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE idem_key = 'k$id'"
	api POST /templates "$(body "{\"id\": \"i$id\", \"name\": \"i $id\"}")" -H "Idempotency-Key: k$id"
	expect_code 201
	replayed
	expect .id "i$id"
	[ "$(sql "SELECT COUNT(*) FROM template_version WHERE template_id = 'i$id'")" = 1 ]
}

@test "who may: reading for every role, writing for admin only" {
	local role admin=$SANDBOX_KEY

	make
	for role in readonly user; do
		SANDBOX_KEY=$(new_key $role)
		api GET "/templates/$id"
		expect_code 200
		api GET "/templates/$id/versions"
		expect_code 200
		api POST /templates "$(body)"
		expect_code 403
		api PUT "/templates/$id" '{"description": "x"}'
		expect_code 403
		expect .error_code Sandbox.Forbidden
		api DELETE "/templates/$id"
		expect_code 403
	done
	SANDBOX_KEY=
	api GET "/templates/$id"
	expect_code 401
	SANDBOX_KEY=$admin
	api GET "/templates/$id"
	expect .version 1
}
