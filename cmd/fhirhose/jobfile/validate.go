package jobfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
)

// validate checks what one setting alone cannot show, and adds warnings.
func validate(j *Job) error {
	for _, check := range []func(*Job) error{required, oneSource, filters, apart, binariesApart, outputApart, exportApart, tableApart, logApart, caps, binaryCaps} {
		if err := check(j); err != nil {
			return err
		}
	}
	warn(j)
	return nil
}

func required(j *Job) error {
	for _, r := range []struct {
		key   string
		given bool
	}{
		{"job", j.Name != ""},
		{"sink.location", !j.Sink.Location.IsZero()},
	} {
		if r.given {
			continue
		}
		return absent(j, r.key, "")
	}
	return nil
}

func absent(j *Job, key, orElse string) error {
	where, hint := "in "+j.File, fmt.Sprintf("add it, or give --%s%s; what each key means: fhirhose help settings", key, orElse)
	if j.File == "" {
		where = "and there is no " + DefaultFile + " here"
		hint = "name the job file with -c; `fhirhose demo` writes one to start from"
	}
	return configError("read setting", key, fmt.Errorf("is missing %s", where), hint)
}

func filters(j *Job) error {
	if s := j.Source; !s.Since.IsZero() && !s.Until.IsZero() && !s.Since.Before(s.Until) {
		return configError("read setting", "source.until", errors.New("is not later than source.since, so nothing would be moved"), "widen the range")
	}
	return nil
}

// apart keeps source, output and state out of each other: a sweep or a restart
// in one must never meet the files of another.
func apart(j *Job) error {
	places := append([]place{{"the output below sink.location", j.Output()}, {"state", Location{Dir: j.State}}}, j.exports()...)
	if j.AllTenants() {
		for _, p := range places[1:] {
			if j.mayBeOfATenant(p.at) {
				return configError("read settings", "", fmt.Errorf("%s may lie in a tenant's folder below sink.location", p.name), "use a place of its own for each")
			}
		}
	}
	for i, a := range places {
		for _, b := range places[i+1:] {
			if a.at.within(b.at) || b.at.within(a.at) {
				return configError("read settings", "", fmt.Errorf("%s and %s lie within one another", a.name, b.name), "use a place of its own for each")
			}
		}
	}
	return nil
}

// mayBeOfATenant tells whether a place and <sink>/<tenant>/<job> lie within one
// another for any tenant.
func (j *Job) mayBeOfATenant(at Location) bool {
	sink := j.Sink.Location
	if sink.within(at) {
		return true
	}
	tenant, rest, deep := strings.Cut(at.below(sink), "/")
	job, _, _ := strings.Cut(rest, "/")
	return at.within(sink) && tenantPattern.MatchString(tenant) && (!deep || job == j.Name)
}

// logApart keeps log files out of what the job reads and writes.
func logApart(j *Job) error {
	for _, other := range append(j.exports(), place{"the output below sink.location", j.Output()}, place{"source.binaries", j.Source.Binaries}) {
		if j.LogDir != "" && !other.at.IsZero() && (Location{Dir: j.LogDir}).within(other.at) {
			return configError("read setting", "log.dir", errors.New("lies within "+other.name), "use a place of its own")
		}
	}
	return nil
}

func caps(j *Job) error {
	if j.Layout.MaxFileSize > j.Layout.MaxFolderSize {
		return configError("read setting", "layout.max_file_size", errors.New("is larger than layout.max_folder_size"), "a folder must hold at least one file")
	}
	return nil
}

func warn(j *Job) {
	for _, name := range j.Source.Types {
		if metrics.KnownType(name) {
			continue
		}
		warning := "source.types: " + name + " is no resource type of FHIR STU3, R4 or R5"
		if near := nearest(name, metrics.ResourceTypes()); near != "" {
			warning += "; the nearest is " + near
		}
		j.Warnings = append(j.Warnings, warning)
	}
	if q := j.Target.HealthLake.Quotas; j.Layout.MaxFileSize > q.FileSize {
		j.Warnings = append(j.Warnings, "layout.max_file_size is over target.healthlake.quotas.file_size, which HealthLake does not import")
	}
	warnOfBinaries(j)
	if !j.Source.Since.IsZero() {
		j.Warnings = append(j.Warnings, "source.since does not see deletes: FHIR Works leaves meta.lastUpdated as it is when it deletes")
	}
}
