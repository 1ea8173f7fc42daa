package jobfile

import (
	"errors"
	"fmt"
	"regexp"
)

// Target is the service that imports the folders. It shapes no byte of them, and
// no verb but import asks for it.
type Target struct {
	HealthLake HealthLake
}

// HealthLake is a data store and how folders are imported into it.
type HealthLake struct {
	Datastore         string
	Region            string // "": the AWS default
	RoleARN           string
	Output            Location // in S3; zero if it is not set
	KMSKey            string
	Validation        string // strict, structure-only or minimal
	OnImportError     string // "stop" or "continue"
	RequestsPerSecond int    // of the REST API
}

var (
	datastorePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	rolePattern      = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`)
)

func datastoreID(value string) error {
	if !datastorePattern.MatchString(value) {
		return errors.New("is not the id of a data store; it is what follows datastore/fhir/ in its ARN")
	}
	return nil
}

func roleARN(value string) error {
	if !rolePattern.MatchString(value) {
		return errors.New("is not the ARN of a role; write arn:aws:iam::123456789012:role/name")
	}
	return nil
}

func validation(value string) error {
	if value != "strict" && value != "structure-only" && value != "minimal" {
		return fmt.Errorf("%q is neither strict, structure-only nor minimal", value)
	}
	return nil
}

// outputApart keeps what HealthLake writes out of what it imports, and of what the
// job reads.
func outputApart(j *Job) error {
	at := j.Target.HealthLake.Output
	if at.IsZero() {
		return nil
	}
	if !at.IsS3() {
		return configError("read setting", outputKey, errors.New("is a directory, and HealthLake writes to S3 alone"), "write s3://bucket/prefix")
	}
	for _, other := range []place{
		{"the output below sink.location", j.Output()},
		{"source.dynamodb_export.location", j.Source.Export},
		{"source.binaries", j.Source.Binaries},
	} {
		if !other.at.IsZero() && at.within(other.at) {
			return configError("read setting", outputKey, fmt.Errorf("lies within %s", other.name), "use a place of its own")
		}
	}
	return nil
}

const outputKey = "target.healthlake.output"

// Importable tells whether the settings say all that an import needs. Errors are
// KindConfig.
func (j *Job) Importable() error {
	if j.AllTenants() {
		return configError("read setting", "source.tenant", errors.New(`"*" moves all tenants, and import cannot send them to data stores of their own yet`),
			"move one tenant by a job of its own, with its data store")
	}
	if !j.Sink.Location.IsS3() {
		return configError("read setting", "sink.location", errors.New("is a directory, and HealthLake imports from S3 alone"),
			"move into s3://bucket/prefix")
	}
	to := j.Target.HealthLake
	for _, r := range []struct {
		key   string
		given bool
	}{
		{"target.healthlake.datastore", to.Datastore != ""},
		{"target.healthlake.role_arn", to.RoleARN != ""},
		{outputKey, !to.Output.IsZero()},
		{"target.healthlake.kms_key", to.KMSKey != ""},
	} {
		if !r.given {
			return configError("read setting", r.key, errors.New("is missing, and import needs it"),
				fmt.Sprintf("add it, or give --%s; what each key means: fhirhose help settings", r.key))
		}
	}
	return nil
}
