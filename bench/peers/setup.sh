#!/bin/sh
# usage: setup.sh DIR
# Installs the peers, an S3 server, rclone and the AWS CLI below DIR, from their package
# registries; what is there already stays. Each one may fail; the benchmark says
# what is missing.
set -u
dir=${1:?usage: setup.sh DIR}
mkdir -p "$dir/bin" && cd "$dir" || exit 1
dir=$(pwd)
command -v jq >/dev/null || echo "jq is missing: install it with the system's package manager"

program() { # name module@version
	[ -x "bin/$1" ] && return
	echo "installing $2"
	GOBIN="$dir/bin" go install "$2" || echo "$1 did not install"
}
program gojq github.com/itchyny/gojq/cmd/gojq@v0.12.19
program versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0
program rclone github.com/rclone/rclone@v1.75.1

if [ ! -d node_modules/@aws-sdk/util-dynamodb ]; then
	echo "installing @aws-sdk/util-dynamodb"
	npm install --no-audit --no-fund --silent --prefix . @aws-sdk/util-dynamodb@3.996.9 || echo "the Node library did not install"
fi
[ -x venv/bin/python ] || python3 -m venv venv || echo "no Python environment"
for package in duckdb==2.0.0 pyspark==4.3.0 awscli==1.45.11; do
	venv/bin/python -c "import ${package%%=*}" 2>/dev/null && continue
	echo "installing $package"
	venv/bin/pip install --quiet "$package" || echo "$package did not install"
done
exit 0
