package jobfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Verify says how `verify` proves what a target holds.
type Verify struct {
	Mode              string // one of verifyModes
	Sample            Sample
	ExportTo          Location // in S3; zero if it is not set
	RequestsPerSecond int      // of the target's REST API
}

// Sample is how many resources a mode looks at that does not look at all: a share
// of them, or a number.
type Sample struct {
	Share  float64 // above 0, at most 1; 0 if Number says it
	Number int64
}

func (s Sample) String() string {
	if s.Share > 0 {
		return strconv.FormatFloat(s.Share*100, 'f', -1, 64) + "%"
	}
	return strconv.FormatInt(s.Number, 10)
}

var verifyModes = []string{"export", "counts", "sample", "full", "history"}

func verifyMode(value string) error {
	if !slices.Contains(verifyModes, value) {
		return fmt.Errorf("%q is none of %s", value, strings.Join(verifyModes, ", "))
	}
	return nil
}

func setSample(j *Job, value, _ string) error {
	s, err := ParseSample(value)
	j.Verify.Sample = s
	return err
}

// ParseSample reads "1%", "0.05%" or "1000".
func ParseSample(text string) (Sample, error) {
	wrong := fmt.Errorf("%q is neither a share like 1%% nor a number like 1000", text)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		share, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err != nil || share <= 0 || share > 100 || math.IsNaN(share) {
			return Sample{}, wrong
		}
		return Sample{Share: share / 100}, nil
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil || n < 1 {
		return Sample{}, wrong
	}
	return Sample{Number: n}, nil
}

const exportKey = "verify.export_to"

// exportApart keeps what a verification has the target export away from all else.
func exportApart(j *Job) error {
	at := j.Verify.ExportTo
	if at.IsZero() {
		return nil
	}
	if !at.IsS3() {
		return configError("read setting", exportKey, errors.New("is a directory, and HealthLake exports to S3 alone"), "write s3://bucket/prefix")
	}
	if j.AllTenants() && j.mayBeOfATenant(at) {
		return configError("read setting", exportKey, errors.New("may lie in a tenant's folder below sink.location"), "use a place of its own")
	}
	others := append([]place{{"the output below sink.location", j.Output()}}, j.exports()...)
	for _, other := range append(others, place{"source.binaries", j.Source.Binaries}, place{outputKey, j.Target.HealthLake.Output}) {
		if !other.at.IsZero() && (at.within(other.at) || other.at.within(at)) {
			return configError("read setting", exportKey, fmt.Errorf("and %s lie within one another", other.name), "use a place of its own")
		}
	}
	return nil
}

// Verifiable tells whether the settings say all that a verification needs, of a
// mode that has the target export or not. Errors are KindConfig.
func (j *Job) Verifiable(exports bool) error {
	if err := j.namesStores("verify"); err != nil || !exports {
		return err
	}
	to := j.Target.HealthLake
	return missing("mode export of verify", []need{
		{"target.healthlake.role_arn", to.RoleARN != ""},
		{exportKey, !j.Verify.ExportTo.IsZero()},
		{"target.healthlake.kms_key", to.KMSKey != ""},
	})
}
