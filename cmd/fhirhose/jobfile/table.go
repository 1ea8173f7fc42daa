package jobfile

import (
	"errors"
	"regexp"
)

// Table is a DynamoDB table that is exported first.
type Table struct {
	ARN      string
	ExportTo Location // in S3
	KMSKey   string   // "": SSE-S3
}

// IsZero tells whether the job names no table.
func (t Table) IsZero() bool { return t.ARN == "" }

const (
	locationKey = "source.dynamodb_export.location"
	tableKey    = "source.dynamodb_export.table_arn"
	exportToKey = "source.dynamodb_export.export_to"
)

var tablePattern = regexp.MustCompile(`^arn:(aws[a-z-]*):dynamodb:([a-z0-9-]+):([0-9]{12}):table/([A-Za-z0-9_.-]+)$`)

func tableARN(value string) error {
	if !tablePattern.MatchString(value) {
		return errors.New("is not the ARN of a table; write arn:aws:dynamodb:us-east-1:123456789012:table/name")
	}
	return nil
}

// Region is that of the table.
func (t Table) Region() string {
	if parts := tablePattern.FindStringSubmatch(t.ARN); parts != nil {
		return parts[2]
	}
	return ""
}

// oneSource refuses two sources, and half a table.
func oneSource(j *Job) error {
	t := j.Source.Table
	switch {
	case !j.Source.Folders.IsZero():
		return foldersAlone(j)
	case !j.Source.Export.IsZero() && !t.IsZero():
		return configError("read settings", "", errors.New(locationKey+" and "+tableKey+" are both set"),
			"name an export that there is by location, or a table that is to be exported by table_arn and export_to")
	case t.IsZero() && (!t.ExportTo.IsZero() || t.KMSKey != ""):
		return configError("read setting", tableKey, errors.New("is missing, and export_to and kms_key mean nothing without it"),
			"name the table, or leave them out where location names an export")
	case t.IsZero():
		return nil
	case t.ExportTo.IsZero():
		return configError("read setting", exportToKey, errors.New("is missing, and a table is exported to S3"), "write s3://bucket/prefix")
	case !t.ExportTo.IsS3():
		return configError("read setting", exportToKey, errors.New("is a directory, and DynamoDB exports to S3 alone"), "write s3://bucket/prefix")
	}
	return nil
}

// tableApart keeps HealthLake from writing around the export.
func tableApart(j *Job) error {
	at, output := j.Source.Table.ExportTo, j.Target.HealthLake.Output
	if at.IsZero() || output.IsZero() || !at.within(output) {
		return nil
	}
	return configError("read setting", exportToKey, errors.New("lies within "+outputKey), "use a place of its own")
}

// exports are the places of the source that the job must not write into.
func (j *Job) exports() (places []place) {
	if at := j.Source.Export; !at.IsZero() {
		places = append(places, place{locationKey, at})
	}
	if at := j.Source.Folders; !at.IsZero() {
		places = append(places, place{foldersKey, at})
	}
	if at := j.Source.Table.ExportTo; !at.IsZero() {
		places = append(places, place{exportToKey, at})
	}
	return places
}

// TakeExport tells the job where the finished export of its table lies.
func (j *Job) TakeExport(bucket, prefix string) {
	j.Source.Export = Location{Bucket: bucket, Prefix: prefix}
}

// Sourced tells whether there is an export to read. Errors are KindConfig.
func (j *Job) Sourced() error {
	switch {
	case !j.Source.Location().IsZero():
		return nil
	case j.Source.Table.IsZero():
		return absent(j, locationKey, "; or name a table that is to be exported: source.dynamodb_export.table_arn and export_to; or folders of the FHIR Works tool: "+foldersKey)
	}
	return configError("open the export of", j.Source.Table.ARN, errors.New("state/export.json knows of none that is finished"),
		"fhirhose export starts it, or waits for it")
}
