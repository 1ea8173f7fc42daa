package dynamodbtest

import (
	"context"
	"time"
)

// Options configure a [Simulation]. S3 and Tables must be set.
type Options struct {
	S3     S3
	Region string // us-east-1
	// Keys holds the secret of each access key that is let in, "" of one that has
	// expired; by default that of AccessKey is SecretKey.
	Keys   map[string]string
	Tables []Table
	Traps  Traps
	Now    func() time.Time // by default the system's clock
}

// What a client needs where Options name nothing else.
const (
	AccessKey = "AKIDSIMULATION"
	SecretKey = "simulated-secret"
	TableARN  = "arn:aws:dynamodb:us-east-1:123456789012:table/resource-db-simulated"
)

// ServerText is in every error and in the message of every failed export: it must
// not be found in an error or a log of ours (I10).
const ServerText = "secret-words-of-the-server"

// S3 is where exports are written.
type S3 interface {
	Put(ctx context.Context, bucket, key string, content []byte) error
}

// Table is a table that can be exported.
type Table struct {
	ARN string // of Options.Region
	// Write writes data/*.json.gz and manifest-files.json of an export into dir,
	// whose last element is the export's id. prefix is that of the keys, "" for
	// none. It returns the number of items and their bytes.
	Write func(dir, prefix string) (items, bytes int64, err error)
	// NoRecovery is without point-in-time recovery.
	NoRecovery bool
}

// Traps are the ways in which the service surprises a client.
type Traps struct {
	Running time.Duration // how long an export says IN_PROGRESS
	ListLag time.Duration // how long a new export is missing from lists
	SeeLag  time.Duration // how long a new export cannot be described
	// TokenLife is how long a client token is remembered; 0 is 8 hours.
	TokenLife time.Duration
	// Fail says why an export fails, code "" being no reason. n counts exports from 1.
	Fail func(n int) (code, message string)
	// Below is a folder within the prefix that was asked for, in which exports lie.
	Below string
	// Status is what an export is said to be while it runs; "" is IN_PROGRESS.
	Status string

	ThrottleEvery int // each n-th call of each operation; 0 is none
	Fault         func(Call) Fault
	// Latency lies between what is done and its answer. It ends with the call.
	Latency func(Call) time.Duration
}

// Call is a call of a client.
type Call struct {
	Op string // such as DescribeExport
	N  int    // how many-th call of Op, from 1
}

// Fault is a way in which a call goes wrong.
type Fault string

// The faults. Only Lost and Truncated are carried out.
const (
	NoFault     Fault = ""
	Throttled   Fault = "throttled"    // ThrottlingException
	TooMany     Fault = "too-many"     // LimitExceededException
	ServerError Fault = "server-error" // InternalServerError
	Expired     Fault = "expired"      // ExpiredTokenException
	Denied      Fault = "denied"       // AccessDeniedException
	Reset       Fault = "reset"        // the connection breaks before
	Lost        Fault = "lost"         // the connection breaks after
	Truncated   Fault = "truncated"    // it breaks within the answer
)

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
