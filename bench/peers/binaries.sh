#!/bin/sh
# usage: binaries.sh CONVERT DIR CONTENTS EXPORTED TARGET COPY...
# COPY... is a command that copies from its first further argument to its second.
# Both copies to DIR run at the same time; the published script makes one after
# the other.
set -eu
convert=$1 dir=$2 contents=$3 exported=$4 target=$5
shift 5
"$@" "$contents" "$dir/objects" &
objects=$!
"$@" "$exported" "$dir/exported"
wait $objects
mkdir "$dir/converted"
node "$convert" "$dir/objects" "$dir/exported" "$dir/converted"
"$@" "$dir/converted" "$target"
