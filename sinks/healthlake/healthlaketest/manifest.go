package healthlaketest

import (
	"context"
	"encoding/json"
)

// importManifest is the object that an import leaves in its output.
type importManifest struct {
	Input struct {
		S3Uri string `json:"s3Uri"`
	} `json:"inputDataConfig"`
	Output struct {
		S3Uri string `json:"s3Uri"`
		Key   string `json:"encryptionKeyID"`
	} `json:"outputDataConfig"`
	Success struct {
		S3Uri string `json:"successOutputS3Uri"`
	} `json:"successOutput"`
	Failure struct {
		S3Uri string `json:"failureOutputS3Uri"`
	} `json:"failureOutput"`
	ScannedFiles      int64   `json:"numberOfScannedFiles"`
	ImportedFiles     int64   `json:"numberOfFilesImported"`
	FilesRead         int64   `json:"numberOfFilesReadWithSuccess"`
	FilesFailed       int64   `json:"numberOfFilesReadWithCustomerError"`
	FilesBroken       int64   `json:"numberOfFilesReadWithServerError"`
	ScannedMB         float64 `json:"sizeOfScannedFilesInMB"`
	ImportedMB        float64 `json:"sizeOfDataImportedSuccessfullyInMB"`
	ResourcesScanned  int64   `json:"numberOfResourcesScanned"`
	ResourcesImported int64   `json:"numberOfResourcesImportedSuccessfully"`
	ResourcesFailed   int64   `json:"numberOfResourcesWithCustomerError"`
	ResourcesBroken   int64   `json:"numberOfResourcesWithServerError"`
}

func (r *importing) manifest(ctx context.Context) error {
	p := r.job.progress
	m := importManifest{
		ScannedFiles: p.ScannedFiles, ImportedFiles: p.ImportedFiles,
		FilesRead: p.ImportedFiles, FilesFailed: p.FilesFailed, ScannedMB: p.ScannedMB, ImportedMB: p.ScannedMB,
		ResourcesScanned: p.ResourcesScanned, ResourcesImported: p.ResourcesImported, ResourcesFailed: p.ResourcesFailed,
	}
	m.Input.S3Uri = r.job.start.input()
	m.Output.S3Uri, m.Output.Key = r.job.output, r.job.start.output().KmsKeyID
	m.Success.S3Uri, m.Failure.S3Uri = r.job.output+successFolder+"/", r.job.output+failureFolder+"/"
	content, err := json.Marshal(m)
	if err != nil {
		return err
	}
	name := "Manifest.json"
	if r.traps.SmallManifest {
		name = "manifest.json"
	}
	return r.s.write(ctx, r.job.output, name, content)
}
