#!/bin/sh
# usage: jq.sh JQ OUT FILE...
set -eu
jq=$1 out=$2 here=$(dirname "$0")
shift 2
zcat "$@" | "$jq" -r -f "$here/convert.jq" | awk -F '\t' -v out="$out" '{ print $2 > (out "/" $1 ".ndjson") }'
