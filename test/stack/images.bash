# images.bash: an image for tests with Docker, made once and quickly loaded into a fresh engine. To be sourced.
#   load_images KIND EXECUTOR NAME...   the same image, with this executor, under each name, into DOCKER_HOST's engine
# KIND: test, what executions need; science, with the libraries of deploy/images/Dockerfile.python-datascience that
# test/bats/65-scenarios.bats uses.
# The root file system is kept in build/images; `make clean` removes it.

images_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/images

# Debian with what executions need; the user and the directories are those of deploy/images/Dockerfile.base.
images_tar() {
	local tar=$images_root/$1.tar packages=bubblewrap,ca-certificates,python3,nodejs

	[ "$1" = test ] || packages+=,python3-pandas,python3-matplotlib,python3-pypdf
	mkdir -p "$images_root"
	(
		flock 9
		# The hooks run on this machine, with the new root as $1.
		# shellcheck disable=SC2016
		"$images_root/../../tools/debian-root" "$tar" --include="$packages" \
			--customize-hook='chroot "$1" groupadd --gid 1000 sandbox' \
			--customize-hook='chroot "$1" useradd --uid 1000 --gid 1000 --home-dir /workspace --shell /bin/bash sandbox' \
			--customize-hook='install -d -o 1000 -g 1000 -m 755 "$1/workspace"' \
			--customize-hook='install -d -o 1000 -g 1000 -m 700 "$1/var/lib/sandbox-executor"' \
			--customize-hook='install -d -m 755 "$1/run/sandbox" "$1/opt/sandbox-deps"'
	) 9>"$images_root/.lock" >&2 && echo "$tar"
}

load_images() {
	local kind=$1 executor=$2 tar dir name

	shift 2
	tar=$(images_tar "$kind") || return 1
	docker import "$tar" sandbox/test-root:latest >/dev/null || return 1
	dir=$(mktemp -d)
	install -m 755 "$executor" "$dir/sandbox-executor"
	cat >"$dir/Dockerfile" <<-'END'
		FROM sandbox/test-root:latest
		COPY sandbox-executor /opt/sandbox/bin/sandbox-executor
		ENV LANG=C.UTF-8
		LABEL sandbox.user="1000"
		USER 1000:1000
		WORKDIR /workspace
		ENTRYPOINT ["/opt/sandbox/bin/sandbox-executor"]
	END
	DOCKER_BUILDKIT=0 docker build --quiet --network none --tag "$1" "$dir" >/dev/null 2>"$dir/log" || { cat "$dir/log" >&2; return 1; }
	rm -r "$dir"
	for name in "${@:2}"; do docker tag "$1" "$name"; done
}
