#!/bin/sh
# Installs the peers below DIR. Each one may fail; the benchmark says what is missing.
set -u
dir=${1:?usage: setup.sh DIR}
mkdir -p "$dir/bin" && cd "$dir" || exit 1
dir=$(pwd)
command -v jq >/dev/null || echo "jq is missing: install it with the system's package manager"
GOBIN="$dir/bin" go install github.com/itchyny/gojq/cmd/gojq@v0.12.19 || echo "gojq did not install"
npm install --no-audit --no-fund --silent --prefix . @aws-sdk/util-dynamodb@3.996.9 || echo "the Node library did not install"
python3 -m venv venv || echo "no Python environment"
for package in duckdb==2.0.0 pyspark==4.3.0; do
	venv/bin/pip install --quiet "$package" || echo "$package did not install"
done
