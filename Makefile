# Every target works on a fresh machine with Go alone; bench adds the peers that
# it finds.

BIN       := $(CURDIR)/.bin
GOLANGCI  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULN    := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME  ?= 30s

.PHONY: build demo test lint vuln bench fuzz soak nightly

build:
	go build -o $(BIN)/fhirhose ./cmd/fhirhose

demo: build
	$(BIN)/fhirhose demo --dir demo

# The race detector needs a C compiler; without one the tests run without it. The
# tests against the S3 server kill hundreds of children and run without it: the
# same code meets it in sinks/bucket and objectstore. With it come checks of pointer
# arithmetic, which make the gzip of the tests' generator several times slower.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race -gcflags='github.com/klauspost/compress/...=-d=checkptr=0')

test:
	go test $(RACE) -timeout 30m ./...
	cd s3test && go test -timeout 30m ./...

lint: $(BIN)/golangci-lint
	$(BIN)/golangci-lint run ./...
	cd s3test && $(BIN)/golangci-lint run --config ../.golangci.yml ./...

vuln:
	GOBIN=$(BIN) go install $(GOVULN)
	$(BIN)/govulncheck ./...

bench: build
	go run ./bench -binary $(BIN)/fhirhose

fuzz:
	@set -e; for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$target/*_test.go | sed 's/func //'); do \
	    echo "$$target $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$target; \
	  done; done

KILLS ?= 1000

soak:
	FHIRHOSE_KILLS=$(KILLS) go test -timeout 12h -run 'TestKill' -v ./pipeline/records
	cd s3test && FHIRHOSE_KILLS=$(KILLS) go test -timeout 12h -run 'TestKill' -v ./...

# Contents of 3.7 GB: through the whole binary in 256 MiB, and through the second
# pipeline alone. Needs 15 GB of disk. And 10^7 resources verified in 256 MiB.
nightly:
	FHIRHOSE_LARGE=3700000000 go test -count 1 -timeout 1h -run 'TestLargeContent$$' -v ./cmd/fhirhose
	FHIRHOSE_LARGE=3700000000 go test -count 1 -timeout 1h -run 'TestLarge$$' -v ./pipeline/binaries
	FHIRHOSE_RESOURCES=10000000 go test -count 1 -timeout 1h -run 'TestMillions$$' -v ./pipeline/verify

$(BIN)/golangci-lint:
	GOBIN=$(BIN) go install $(GOLANGCI)
