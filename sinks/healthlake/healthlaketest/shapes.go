package healthlaketest

import (
	"fmt"
	"time"
)

// The shapes of the control plane, as in the service's model of 2017-07-01.

type s3Configuration struct {
	S3Uri    string `json:"S3Uri"`
	KmsKeyID string `json:"KmsKeyId"`
}

type outputConfig struct {
	S3Configuration *s3Configuration `json:"S3Configuration,omitempty"`
}

type inputConfig struct {
	S3Uri string `json:"S3Uri"`
}

// startRequest starts an import or, with OutputDataConfig, an export.
type startRequest struct {
	ClientToken         string        `json:"ClientToken"`
	DataAccessRoleArn   string        `json:"DataAccessRoleArn"`
	DatastoreID         string        `json:"DatastoreId"`
	InputDataConfig     *inputConfig  `json:"InputDataConfig"`
	JobOutputDataConfig *outputConfig `json:"JobOutputDataConfig"`
	OutputDataConfig    *outputConfig `json:"OutputDataConfig"`
	JobName             string        `json:"JobName"`
	ValidationLevel     string        `json:"ValidationLevel"`
}

func (r *startRequest) output() s3Configuration {
	for _, config := range []*outputConfig{r.JobOutputDataConfig, r.OutputDataConfig} {
		if config != nil && config.S3Configuration != nil {
			return *config.S3Configuration
		}
	}
	return s3Configuration{}
}

func (r *startRequest) input() string {
	if r.InputDataConfig == nil {
		return ""
	}
	return r.InputDataConfig.S3Uri
}

// same tells whether two requests are the same but for their client tokens.
func (r startRequest) same(other startRequest) bool {
	return r.DatastoreID == other.DatastoreID && r.DataAccessRoleArn == other.DataAccessRoleArn &&
		r.JobName == other.JobName && r.ValidationLevel == other.ValidationLevel &&
		r.input() == other.input() && r.output() == other.output()
}

type startAnswer struct {
	DatastoreID string `json:"DatastoreId"`
	JobID       string `json:"JobId"`
	JobStatus   string `json:"JobStatus"`
}

type progress struct {
	ScannedFiles      int64   `json:"TotalNumberOfScannedFiles"`
	ScannedMB         float64 `json:"TotalSizeOfScannedFilesInMB"`
	ImportedFiles     int64   `json:"TotalNumberOfImportedFiles"`
	ResourcesScanned  int64   `json:"TotalNumberOfResourcesScanned"`
	ResourcesImported int64   `json:"TotalNumberOfResourcesImported"`
	ResourcesFailed   int64   `json:"TotalNumberOfResourcesWithCustomerError"`
	FilesFailed       int64   `json:"TotalNumberOfFilesReadWithCustomerError"`
	Throughput        float64 `json:"Throughput"`
}

type jobProperties struct {
	JobID               string        `json:"JobId"`
	JobName             string        `json:"JobName,omitempty"`
	JobStatus           string        `json:"JobStatus"`
	SubmitTime          epoch         `json:"SubmitTime"`
	EndTime             *epoch        `json:"EndTime,omitempty"`
	DatastoreID         string        `json:"DatastoreId"`
	InputDataConfig     *inputConfig  `json:"InputDataConfig,omitempty"`
	JobOutputDataConfig *outputConfig `json:"JobOutputDataConfig,omitempty"`
	OutputDataConfig    *outputConfig `json:"OutputDataConfig,omitempty"`
	JobProgressReport   *progress     `json:"JobProgressReport,omitempty"`
	DataAccessRoleArn   string        `json:"DataAccessRoleArn"`
	Message             string        `json:"Message,omitempty"`
	ValidationLevel     string        `json:"ValidationLevel,omitempty"`
}

func (j *job) properties() jobProperties {
	output := &outputConfig{S3Configuration: &s3Configuration{S3Uri: j.output, KmsKeyID: j.start.output().KmsKeyID}}
	p := jobProperties{
		JobID: j.id, JobName: j.start.JobName, JobStatus: j.status, SubmitTime: epoch(j.submitted),
		DatastoreID: j.start.DatastoreID, DataAccessRoleArn: j.start.DataAccessRoleArn, Message: j.message,
	}
	if j.over() {
		ended := epoch(j.ended)
		p.EndTime = &ended
	}
	if j.start.InputDataConfig == nil { // an export
		p.OutputDataConfig = output
		return p
	}
	report := j.progress
	p.InputDataConfig, p.JobOutputDataConfig = j.start.InputDataConfig, output
	p.JobProgressReport, p.ValidationLevel = &report, orElse(j.start.ValidationLevel, "strict")
	return p
}

type storeProperties struct {
	DatastoreArn         string `json:"DatastoreArn"`
	DatastoreEndpoint    string `json:"DatastoreEndpoint"`
	DatastoreID          string `json:"DatastoreId"`
	DatastoreName        string `json:"DatastoreName,omitempty"`
	DatastoreStatus      string `json:"DatastoreStatus"`
	DatastoreTypeVersion string `json:"DatastoreTypeVersion"`
	CreatedAt            epoch  `json:"CreatedAt"`

	IdentityProviderConfiguration identityProvider `json:"IdentityProviderConfiguration"`
	SseConfiguration              sseConfiguration `json:"SseConfiguration"`
}

type identityProvider struct {
	AuthorizationStrategy           string `json:"AuthorizationStrategy"`
	FineGrainedAuthorizationEnabled bool   `json:"FineGrainedAuthorizationEnabled"`
}

type sseConfiguration struct {
	KmsEncryptionConfig struct {
		CmkType  string `json:"CmkType"`
		KmsKeyID string `json:"KmsKeyId,omitempty"`
	} `json:"KmsEncryptionConfig"`
}

// epoch is a time in seconds, as a number with three decimals.
type epoch time.Time

func (e epoch) MarshalJSON() ([]byte, error) {
	milliseconds := time.Time(e).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", milliseconds/1000, milliseconds%1000), nil
}
