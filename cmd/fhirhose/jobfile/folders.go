package jobfile

import "errors"

const foldersKey = "source.fhirworks_folders.location"

// foldersAlone refuses what goes with a table and not with folders that the FHIR
// Works tool has written. Their Binaries bear their contents.
func foldersAlone(j *Job) error {
	s := &j.Source
	switch {
	case !s.Export.IsZero() || !s.Table.IsZero():
		return configError("read settings", "", errors.New(foldersKey+" and source.dynamodb_export are both set"), "name one source")
	case s.Tenant == "*":
		return configError("read setting", "source.tenant", errors.New(`is "*", and such folders are of one tenant`),
			"name the tenant, or leave it empty; each tenant's folders are a job of their own")
	case s.BinaryRows == BinariesFetch:
		return configError("read setting", "source.binaries", errors.New("names contents, and the Binaries of such folders bear theirs"),
			"leave it out; to fetch contents anew, move the table itself with source.dynamodb_export")
	}
	s.BinaryRows = BinariesNone
	return nil
}

// withoutContents forgets what the tool's own variables say of contents.
func withoutContents(values map[string]value) {
	if values[foldersKey].text != "" && values["source.binaries"].origin == binaryBucket {
		delete(values, "source.binaries")
	}
}
