#!/usr/bin/env bats
# deploy/images: the Dockerfiles build from a bare Debian, on an engine of our own.

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

# A mirror that fails once is not what is tested here.
thrice() { "$@" || "$@" || "$@"; }

# Long work stands here: the time-out of tests is for tests.
setup_file() {
	BIN=$TOP/${BUILD:-build/rel}
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/im-XXXXXX")
	BASE=$TOP/build/debian.tar
	export BIN DIR
	# shellcheck source=/dev/null
	. "$TOP/test/stack/dockerd.bash"
	mkdir -p "$TOP/build"
	"$TOP/tools/debian-root" "$BASE" || return 1
	start_dockerd "$DIR/d" || return 1
	export DOCKER_HOST
	thrice "$TOP/deploy/images/build.sh" --network host --base "$BASE" --executor "$BIN/sandbox-executor" \
		python-basic nodejs-basic
}

teardown_file() {
	# shellcheck source=/dev/null
	. "$TOP/test/stack/dockerd.bash"
	stop_dockerd "$DIR/d"
	rm -rf "$DIR"
}

@test "an image starts the executor, as a user that is not root" {
	local name

	for name in python-basic nodejs-basic; do
		run docker run --rm --network none "sandbox/$name:latest" --version
		[ "$status" = 0 ]
		[[ $output = "sandbox-executor "* ]]
		[ "$(docker image inspect -f '{{.Config.User}}' "sandbox/$name:latest")" = 1000:1000 ]
	done
}

@test "an image holds its language and bubblewrap" {
	docker run --rm --network none --entrypoint /usr/bin/bwrap sandbox/python-basic:latest --version
	docker run --rm --network none --entrypoint /usr/bin/python3 sandbox/python-basic:latest -c 'import pip, venv'
	docker run --rm --network none --entrypoint /usr/bin/node sandbox/nodejs-basic:latest -e 'process.exit(0)'
}
