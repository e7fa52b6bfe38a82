#!/usr/bin/env bats
# sandboxctl against a real database: migrations that were killed, keys, what doctor sees.
load helper

setup_file() { AUTH=key start_stack; }
teardown_file() { stop_stack; }

# The server's administrator, who alone makes databases.
root_sql() {
	MYSQL_PWD=$(sed -n "s/^ALTER USER root@localhost IDENTIFIED BY '\(.*\)';/\1/p" "$RUN/db/init.sql") \
		mariadb --no-defaults --socket="$RUN/db/mariadb.sock" --user=root -e "SET foreign_key_checks = 0; $1"
}

# A second database of the stack's server, empty, for the migrations.
setup() {
	export EMPTY=$BATS_TEST_TMPDIR/empty.ini
	root_sql "CREATE OR REPLACE DATABASE other; GRANT ALL ON other.* TO sandbox@localhost"
	sed 's/^name *=.*//; s/^\[database\]/[database]\nname = other/' "$CONFIG" >"$EMPTY"
}

ctl() { run --separate-stderr "$TOP/${BUILD:-build/rel}/sandboxctl" --config "$EMPTY" "$@"; }

tables() { sql "SELECT table_name, column_name, column_type FROM information_schema.columns
	WHERE table_schema = '$1' ORDER BY 1, 2"; }

is() { [ "$1" = "$2" ] || { echo "got '$1', expected '$2'; stderr: ${stderr:-}" >&2; return 1; }; }

# ---- the command line ----

@test "help is there for the program and for each group, and says no word to standard error" {
	ctl --help
	is "$status" 0
	[ -z "$stderr" ]
	[[ $output = *"migrate [--check]"* && $output = *"key create NAME"* && $output = *"doctor"* ]]
	ctl key --help
	is "$status" 0
	[[ $output = *"key revoke ID"* && $output != *"doctor"* ]]
	ctl --version
	is "$output" "sandboxctl $(cat "$TOP/VERSION")"
}

@test "wrong usage is 100, a wrong configuration 102, and both say why" {
	local words

	for words in "" "nonsense" "key" "key nonsense" "key create" "key create a b" "key list --role user" "migrate --bad" \
		"key create a" "key create a --role king" "key create a --role user --expires never" "doctor now"; do
		# shellcheck disable=SC2086 # words
		ctl $words
		is "$words: $status" "$words: 100"
		[ -n "$stderr" ] && [ -z "$output" ]
	done
	echo "[server]" >"$EMPTY"
	echo "workres = 1" >>"$EMPTY"
	ctl config check
	is "$status" 102
	[[ $stderr = *"empty.ini:2: [server] workres: unknown key"* ]]
	run --separate-stderr "$TOP/${BUILD:-build/rel}/sandboxctl" --config /nonexistent migrate
	is "$status" 102
}

@test "the configuration in force is printed without its secrets" {
	ctl config print
	is "$status" 0
	[[ $output = *"database name other"* && $output = *"internal secret (set)"* && $output = *"session cpu_min 0.100"* ]]
	[[ $output != *"$(sed -n 's/^password *= *//p' "$CONFIG" | head -n 1)"* ]]
	is "$(wc -l <<<"$output")" "$("$TOP/${BUILD:-build/rel}/sandboxctl" config keys | wc -l)"
}

# ---- migrations ----

@test "an empty database is refused with the command that helps; migrate makes it; again is harmless" {
	ctl status
	is "$status" 1
	[[ $stderr = *"run 'sandboxctl migrate'"* ]]
	ctl migrate --check
	is "$status" 1
	ctl migrate --json
	is "$status" 0
	is "$(jq -r .applied <<<"$output")" "$(jq -r .version <<<"$output")"
	is "$(jq -r .version <<<"$output")" "$(find "$TOP/sql/migrations" -name '*.sql' | wc -l)"	# every file is carried
	is "$(tables other)" "$(tables sandbox)"
	ctl migrate
	is "$output" "schema version $(sql 'SELECT MAX(version) FROM other.schema_migration'): nothing to do"
	ctl migrate --check
	is "$status" 0
}

@test "a migration that was killed at any statement goes on where it stood" {
	local n last

	ctl migrate
	last=$(sql "SELECT statements FROM other.schema_migration WHERE version = 1")
	for ((n = 0; n < last; n++)); do
		# As a kill leaves it: counted up to n, the next statement done or not.
		sql "UPDATE other.schema_migration SET applied_at = NULL, statements = $n WHERE version = 1"
		[ $((n % 2)) = 0 ] || sql "DROP TABLE other.storage_garbage"
		ctl migrate --check
		is "$n: $status" "$n: 1"
		[[ $stderr = *"interrupted"* ]]
		ctl migrate
		is "$n: $status" "$n: 0"
		is "$(tables other)" "$(tables sandbox)"
		is "$(sql 'SELECT statements FROM other.schema_migration WHERE version = 1')" "$last"
	done
}

@test "sandboxctl killed in the middle of a migration, by force and again and again" {
	local i pid want

	want=$(tables sandbox)
	for i in {1..15}; do
		root_sql "CREATE OR REPLACE DATABASE other"
		"$TOP/${BUILD:-build/rel}/sandboxctl" --config "$EMPTY" migrate 3>&- & pid=$!
		sleep "0.0$(printf %02d $((i * 2)))"
		kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		ctl migrate
		is "$i: $status" "$i: 0"
		is "$(tables other)" "$want"
		is "$(sql 'SELECT COUNT(*) FROM other.template')" 3
	done
}

@test "several at once: one does it, the others find it done" {
	local i pids=()

	for i in {1..6}; do
		"$TOP/${BUILD:-build/rel}/sandboxctl" --config "$EMPTY" migrate --json >"$BATS_TEST_TMPDIR/m$i" 3>&- & pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	is "$(cat "$BATS_TEST_TMPDIR"/m? | jq -s 'map(.applied) | add')" "$(sql 'SELECT COUNT(*) FROM other.schema_migration')"
	is "$(sql 'SELECT COUNT(*) FROM other.template_version')" 3
}

@test "a newer database and a changed migration are refused, and left alone" {
	ctl migrate
	sql "INSERT INTO other.schema_migration VALUES (9999, 'future', REPEAT('a', 64), 1, UTC_TIMESTAMP(3))"
	for words in migrate "migrate --check" status; do
		# shellcheck disable=SC2086 # words
		ctl $words
		is "$status" 1
		[[ $stderr = *"newer than this program"* ]]
	done
	sql "DELETE FROM other.schema_migration WHERE version = 9999;
		UPDATE other.schema_migration SET checksum = REPEAT('0', 64) WHERE version = 1"
	ctl migrate
	is "$status" 1
	[[ $stderr = *"differs from the one in this program"* ]]
	is "$(sql 'SELECT checksum FROM other.schema_migration WHERE version = 1')" "$(printf '0%.0s' {1..64})"
}

@test "templates are seeded once: deleted and changed ones stay as they are" {
	ctl migrate
	is "$(sql 'SELECT id, cpu, memory_bytes DIV 1048576, disk_bytes DIV 1048576 FROM other.template
		JOIN other.template_version ON template_id = id ORDER BY id' | tr '\t' ' ')" \
		$'nodejs-basic 1.000 512 1024\npython-basic 1.000 512 1024\npython-datascience 2.000 2048 5120'
	sql "UPDATE other.template SET deleted_at = UTC_TIMESTAMP(3), live_name = NULL WHERE id = 'nodejs-basic';
		UPDATE other.template_version SET image_url = 'mine:1' WHERE template_id = 'python-basic'"
	ctl migrate
	is "$(sql 'SELECT COUNT(*) FROM other.template WHERE deleted_at IS NULL')" 2
	is "$(sql "SELECT GROUP_CONCAT(version, image_url) FROM other.template_version WHERE template_id = 'python-basic'")" 1mine:1
}

@test "images of the seeds come from the configuration" {
	printf '[template]\npython_basic_image = registry.example/p:7\n' >>"$EMPTY"
	ctl migrate
	is "$(sql "SELECT image_url FROM other.template_version WHERE template_id = 'python-basic'")" registry.example/p:7
}

# ---- keys ----

@test "a key is shown once, stored as a hash, and good for its role until it is revoked" {
	local key id

	run --separate-stderr sandboxctl key create --role readonly "a reader"
	is "$status" 0
	key=$output
	[[ $key =~ ^sbx_[0-9A-Za-z]{40}$ ]]
	is "$(sql "SELECT key_hash FROM sandbox.api_key WHERE name = 'a reader'")" "$(printf %s "$key" | sha256sum | cut -c1-64)"
	is "$(sql "SELECT COUNT(*) FROM sandbox.api_key WHERE CONCAT_WS('|', id, name, prefix, key_hash) LIKE '%$key%'")" 0

	api GET /templates -H "Authorization: Bearer $key"
	expect_code 200
	api GET /templates -H "X-API-Key: $key"
	expect_code 200
	api DELETE /templates/python-basic -H "X-API-Key: $key"
	expect_code 403

	id=$(sandboxctl key list --json | jq -r '.[] | select(.name == "a reader") | .id')
	[ "$(sandboxctl key list --json | jq -r ".[] | select(.id == \"$id\") | .last_used_at")" != null ]
	sandboxctl key list | grep -q "$id.*a reader"
	run sandboxctl key revoke "$id"
	is "$status" 0
	api GET /templates -H "X-API-Key: $key"
	expect_code 401
	[ -n "$(header www-authenticate)" ]
	run sandboxctl key revoke "$id"
	is "$status" 1
	run sandboxctl key revoke key_none
	is "$status" 1
	sandboxctl key list | grep -q "$id.*revoked"
}

@test "a key that has expired is refused, by the database's clock" {
	local key

	key=$(sandboxctl key create --role user --expires 1 --json short | jq -r .key)
	api GET /templates -H "X-API-Key: $key"
	expect_code 200
	sql "UPDATE sandbox.api_key SET expires_at = UTC_TIMESTAMP(3) WHERE name = 'short'"
	api GET /templates -H "X-API-Key: $key"
	expect_code 401
	expect .error_code Sandbox.Unauthorized
}

# ---- the host and the deployment ----

@test "doctor finds a whole platform in order, and names each thing that is not" {
	run sandboxctl doctor
	is "$status" 0
	[[ $output != *FAIL* && $output = *"ok   user namespaces"* && $output = *"ok   bubblewrap"* && $output = *"ok   schema"* && $output = *"ok   file storage"* &&
	   $output = *"ok   runtime"* && $output = *"ok   internal listener"* && $output = *"ok   images: 3 of 3"* ]]
	run --separate-stderr sandboxctl doctor --json
	is "$(jq -r 'map(select(.level == "fail")) | length' <<<"$output")" 0

	cat >>"$EMPTY" <<-END
		[runtime]
		socket_dir = $BATS_TEST_TMPDIR/none
		control_url = unix://$BATS_TEST_TMPDIR/none.sock
		[server]
		listen = $BATS_TEST_TMPDIR/none.sock
	END
	ctl doctor --json
	is "$status" 1
	is "$(jq -r 'map(select(.level == "fail") | .check) | sort | join(" ")' <<<"$output")" \
		"FastCGI socket [runtime] socket_dir internal listener schema"
	is "$(jq -r 'map(select(.level == "fail" and .check != "schema") | .remedy) | map(select(. == null)) | length' <<<"$output")" 0
}

@test "doctor tells the public listener from the internal one" {
	printf '[runtime]\ncontrol_url = %s\n' "$URL" >>"$EMPTY"
	ctl doctor
	is "$status" 1
	[[ $output = *"FAIL internal listener"*"answers as the public API"*"SANDBOX_SURFACE=internal"* ]]
}

@test "doctor says so when the database is not there" {
	sed -i "s|^socket *=.*|socket = $BATS_TEST_TMPDIR/none.sock|" "$EMPTY"
	ctl doctor
	is "$status" 1
	[[ $output = *"FAIL database: no connection"*"start MariaDB"* ]]
	ctl migrate
	is "$status" 1
	[[ $stderr = *"no connection to the database"* ]]
}

@test "the bucket is made once; check says what the file storage refuses" {
	sed -i "s/^bucket *=.*/bucket = $BUCKET-other/" "$EMPTY"
	ctl storage check
	is "$status" 1
	[[ $stderr = *"has no bucket $BUCKET-other; run: sandboxctl storage create"* ]]
	ctl doctor
	[[ $output = *"FAIL file storage: "*" has no bucket $BUCKET-other; run: sandboxctl storage create"* ]]
	ctl storage create
	is "$status" 0
	[[ $output = "The bucket $BUCKET-other at http://"*" has been made." ]]
	ctl storage create
	is "$status" 0
	[[ $output = *" is there already." ]]
	ctl storage check
	is "$status" 0
	[[ $output = *" takes, gives back and removes objects." ]]
	run s3 GET "-other?list-type=2"
	[[ $output = *"<KeyCount>0</KeyCount>"* ]]	# the check leaves nothing
	s3 DELETE -other
	sed -i 's/^secret_key *=.*/secret_key = another-secret/' "$EMPTY"
	ctl storage create
	is "$status" 1
	[[ $stderr = *"refuses the access keys or the bucket; correct [storage] access_key and secret_key"* ]]
	sed -i 's|^endpoint *= http.*|endpoint = http://127.0.0.1:9|' "$EMPTY"
	ctl storage check
	is "$status" 1
	[[ $stderr = *"could not be reached; start the S3 server, or correct [storage] endpoint"* ]]
	sed -i '/^secret_key/d' "$EMPTY"
	ctl doctor
	is "$status" 102
	[[ $stderr = *"empty.ini: [storage] secret_key: is required"* ]]
}

@test "status counts what is there" {
	local id

	SANDBOX_KEY=$(sandboxctl key create --role admin status)
	export SANDBOX_KEY
	id=$(new_session)
	run --separate-stderr sandboxctl status --json
	is "$(jq -r .sessions.running <<<"$output")" 1
	is "$(jq -r '.nodes[0].status' <<<"$output")" healthy
	is "$(jq -r '.nodes[0].session_count' <<<"$output")" 1
	run sandboxctl status
	[[ $output = *"sessions: 1 running"* && $output = *"executions: none"* ]]
	api DELETE "/sessions/$id"
	expect_code 204
}

@test "an image is imported, aliased and listed" {
	mkdir -p "$BATS_TEST_TMPDIR/root/bin" "$BATS_TEST_TMPDIR/root/usr" "$BATS_TEST_TMPDIR/root/etc"
	run sandboxctl image import example/own:1 "$BATS_TEST_TMPDIR/root"
	is "$status" 0
	run sandboxctl image alias example/other:1 example/own:1
	is "$status" 0
	run sandboxctl image list
	grep -qx example/own:1 <<<"$output"
	grep -qx example/other:1 <<<"$output"
	run sandboxctl image alias example/third:1 example/none:1
	is "$status" 1
	run sandboxctl image import "../out" "$BATS_TEST_TMPDIR/root"
	is "$status" 1
	[ ! -e "$STACK/s/out" ]
}
