#!/bin/bash
# build.sh [--runtime docker|oci] [--base TAR] [--network MODE] [--executor FILE] [NAME...]
#   Builds sandbox/base and the template images sandbox/NAME:latest (all when none is named).
#   --runtime oci   afterwards puts each into [runtime] image_root with `sandboxctl image import`
#   --base TAR      a Debian root file system to be debian:bookworm-slim where no registry is reached;
#                   `mmdebstrap --variant=minbase bookworm FILE.tar` makes one
#   --network MODE  network of the build steps, e.g. host where the engine has no bridge
# The engine is that of DOCKER_HOST.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
runtime=docker base='' network=default executor=$here/../../build/rel/sandbox-executor
sandboxctl=${SANDBOXCTL:-$here/../../build/rel/sandboxctl}
all=(python-basic python-datascience nodejs-basic)

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 100; }

while [ $# -gt 0 ]; do
	case $1 in
	--runtime | --base | --network | --executor)
		[ $# -ge 2 ] || usage
		printf -v "${1#--}" %s "$2"
		shift 2
		;;
	-*) usage ;;
	*) break ;;
	esac
done
[ "$runtime" = docker ] || [ "$runtime" = oci ] || usage
[ $# -gt 0 ] || set -- "${all[@]}"
[ -x "$executor" ] || { echo "build.sh: no executor at $executor: run make first, or use --executor" >&2; exit 111; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# build NAME: only what the Dockerfile needs goes into the context.
build() {
	local file=$here/Dockerfile.$1

	[ -f "$file" ] || { echo "build.sh: there is no $file" >&2; exit 111; }
	echo "build.sh: sandbox/$1:latest" >&2
	DOCKER_BUILDKIT=0 docker build --quiet --network "$network" --tag "sandbox/$1:latest" --file "$file" "$tmp" >/dev/null
}

# import NAME: the image's files as a root file system of this host.
import() {
	local id

	id=$(docker create "sandbox/$1:latest")
	docker export --output "$tmp/$1.tar" "$id"
	docker rm "$id" >/dev/null
	"$sandboxctl" image import "sandbox/$1:latest" "$tmp/$1.tar"
	rm "$tmp/$1.tar"
}

install -m 755 "$executor" "$tmp/sandbox-executor"
if [ -n "$base" ] && ! docker image inspect debian:bookworm-slim >/dev/null 2>&1; then
	docker import "$base" debian:bookworm-slim >/dev/null
fi
build base
for name in "$@"; do
	[ "$name" != python-datascience ] || docker image inspect sandbox/python-basic:latest >/dev/null 2>&1 || build python-basic
	build "$name"
	[ "$runtime" != oci ] || import "$name"
done
