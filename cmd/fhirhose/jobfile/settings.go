package jobfile

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/convert"
)

// Setting is one key of the job file.
type Setting struct {
	Key     string // "sink.location"
	Default string // as the job file would say it
	Help    string // one line
	list    bool   // takes a list; elsewhere written with commas
	pairs   bool   // takes names with values; elsewhere written name=value,name=value
	set     func(j *Job, value, dir string) error
}

// Env is the environment variable that overrides the key.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

const envPrefix = "FHIRHOSE_"

// Settings lists every key, in the order of the job file.
func Settings() []Setting {
	return []Setting{
		{Key: "job", Help: "name of the job: a-z, 0-9 and -, at most 40", set: text(func(j *Job) *string { return &j.Name }, jobName)},
		{
			Key: "state", Default: "./state", Help: "directory of checkpoint, staged input and tails of open files; it holds PHI",
			set: setState,
		},

		{Key: "source.dynamodb_export.location", Help: "the export: s3://bucket/prefix/AWSDynamoDB/ID, or a directory; the folder that holds manifest-summary.json", set: location(func(j *Job) *Location { return &j.Source.Export })},
		{Key: "source.dynamodb_export.table_arn", Help: "instead of location: the table that `export` exports first", set: text(func(j *Job) *string { return &j.Source.Table.ARN }, tableARN)},
		{Key: "source.dynamodb_export.export_to", Help: "s3://bucket/prefix below which DynamoDB writes the export of table_arn; it is PHI", set: location(func(j *Job) *Location { return &j.Source.Table.ExportTo })},
		{Key: "source.dynamodb_export.kms_key", Help: "KMS key that encrypts the export of table_arn, in the region of its bucket; empty: left to DynamoDB (SSE-S3)", set: text(func(j *Job) *string { return &j.Source.Table.KMSKey }, nil)},
		{Key: "source.fhirworks_folders.location", Help: "instead of an export: folders that the FHIR Works tool has written, s3://bucket/[tenant/]jobId, or a directory; the folder that holds migration_output.json", set: location(func(j *Job) *Location { return &j.Source.Folders })},
		{Key: "source.binaries", Help: "contents of Binary rows: s3://bucket/prefix, or a directory (./none for one of that name); none: such rows are moved as they are, without data", set: setBinaries},
		{Key: "source.binary_field", Default: "data", Help: "where the content of a Binary goes: data (R4), or content (STU3)", set: text(func(j *Job) *string { return &j.Source.BinaryField }, binaryField)},
		{Key: "source.recover_deleted", Default: "false", Help: "true looks for contents of DELETED Binary rows among the noncurrent versions of the bucket's objects", set: boolean(func(j *Job) *bool { return &j.Source.RecoverDeleted })},
		{Key: "source.region", Help: "AWS region of the source bucket; empty: the AWS default", set: text(func(j *Job) *string { return &j.Source.Region }, nil)},
		{Key: "source.tenant", Help: "tenant to move from a multi-tenant table; \"*\": all, each under its own prefix; empty: a single-tenant table", set: text(func(j *Job) *string { return &j.Source.Tenant }, tenantID)},
		{Key: "source.since", Help: "move only what was last updated after this moment (RFC 3339); it does not see deletes", set: moment(func(j *Job) *time.Time { return &j.Source.Since })},
		{Key: "source.until", Help: "move only what was last updated up to this moment (RFC 3339)", set: moment(func(j *Job) *time.Time { return &j.Source.Until })},
		{Key: "source.types", Help: "resource types to move; empty: all", list: true, set: setTypes},
		{Key: "source.deleted", Default: "true", Help: "false leaves out every DELETED row, superseded history too", set: boolean(func(j *Job) *bool { return &j.Source.Deleted })},
		{Key: "source.expected_bucket_owner", Help: "account id that must own the source bucket", set: text(func(j *Job) *string { return &j.Source.Owner }, accountID)},
		{Key: "source.s3.path_style", Default: "false", Help: "bucket in the path, not in the host name (S3 look-alikes)", set: boolean(func(j *Job) *bool { return &j.Source.S3.PathStyle })},

		{Key: "sink.location", Help: "s3://bucket/prefix, or a directory; the output goes below it", set: location(func(j *Job) *Location { return &j.Sink.Location })},
		{Key: "sink.region", Help: "AWS region of the sink bucket; empty: the AWS default", set: text(func(j *Job) *string { return &j.Sink.Region }, nil)},
		{Key: "sink.kms_key", Help: "KMS key that encrypts the output", set: text(func(j *Job) *string { return &j.Sink.KMSKey }, nil)},
		{Key: "sink.expected_bucket_owner", Help: "account id that must own the sink bucket", set: text(func(j *Job) *string { return &j.Sink.Owner }, accountID)},
		{Key: "sink.s3.path_style", Default: "false", Help: "bucket in the path, not in the host name (S3 look-alikes)", set: boolean(func(j *Job) *bool { return &j.Sink.S3.PathStyle })},
		{Key: "sink.s3.request_checksums", Help: "when_required for look-alikes that refuse checksums; empty: the AWS default", set: text(func(j *Job) *string { return &j.Sink.S3.RequestChecksums }, checksums)},
		{Key: "sink.s3.conditional_writes", Default: "true", Help: "never replace an object (If-None-Match); some look-alikes ignore it", set: boolean(func(j *Job) *bool { return &j.Sink.S3.ConditionalWrites })},

		{Key: "target.healthlake.datastore", Help: "id of the HealthLake data store that `import` sends the folders to", set: text(func(j *Job) *string { return &j.Target.HealthLake.Datastore }, datastoreID)},
		{Key: "target.healthlake.datastores", Help: "id of each tenant's data store: {tenant: store, ...}; elsewhere tenant=store,tenant=store", pairs: true, set: setDatastores},
		{Key: "target.healthlake.region", Help: "AWS region of the data store; empty: the AWS default", set: text(func(j *Job) *string { return &j.Target.HealthLake.Region }, nil)},
		{Key: "target.healthlake.role_arn", Help: "role that HealthLake assumes to read the folders and write to output", set: text(func(j *Job) *string { return &j.Target.HealthLake.RoleARN }, roleARN)},
		{Key: "target.healthlake.output", Help: "s3://bucket/prefix where HealthLake writes what it says of each import; it may hold PHI", set: location(func(j *Job) *Location { return &j.Target.HealthLake.Output })},
		{Key: "target.healthlake.kms_key", Help: "KMS key with which HealthLake encrypts output", set: text(func(j *Job) *string { return &j.Target.HealthLake.KMSKey }, nil)},
		{Key: "target.healthlake.validation", Default: "strict", Help: "how HealthLake validates what it imports: strict, structure-only or minimal", set: text(func(j *Job) *string { return &j.Target.HealthLake.Validation }, validation)},
		{Key: "target.healthlake.on_import_error", Default: "stop", Help: "whether `import` sends the later folders after one of which HealthLake has refused resources: stop, or continue", set: text(func(j *Job) *string { return &j.Target.HealthLake.OnImportError }, stopOrContinue)},
		{Key: "target.healthlake.requests_per_second", Default: "10", Help: "most calls of the data store's REST API in a second", set: number(func(j *Job) *int { return &j.Target.HealthLake.RequestsPerSecond }, 1, 10_000)},
		{Key: "target.healthlake.max_jobs_queued", Default: "1", Help: "most import jobs at a time, of folders of one version; HealthLake runs one after the other, and queues up to 25", set: number(func(j *Job) *int { return &j.Target.HealthLake.MaxJobsQueued }, 1, 25)},
		{Key: "target.healthlake.bundle_size", Default: "160", Help: "most resources in one call of that API; HealthLake's older quota is 160", set: number(func(j *Job) *int { return &j.Target.HealthLake.BundleSize }, 1, 10_000)},
		{Key: "target.healthlake.exclusive", Default: "false", Help: "true says that nobody else writes to the data store: what is deleted in the source is deleted there whatever its content", set: boolean(func(j *Job) *bool { return &j.Target.HealthLake.Exclusive })},
		{Key: "target.healthlake.quotas.files_per_job", Default: "10000", Help: "most files that HealthLake takes in one import job; newer accounts may have more", set: number(func(j *Job) *int { return &j.Target.HealthLake.Quotas.FilesPerJob }, 1, 10_000_000)},
		{Key: "target.healthlake.quotas.file_size", Default: "5GB", Help: "largest file that HealthLake takes", set: size(func(j *Job) *int64 { return &j.Target.HealthLake.Quotas.FileSize }, 1)},
		{Key: "target.healthlake.quotas.job_size", Default: "500GB", Help: "most bytes that HealthLake takes in one import job", set: size(func(j *Job) *int64 { return &j.Target.HealthLake.Quotas.JobSize }, 1)},
		{Key: "target.healthlake.quotas.resource_size", Default: "0", Help: "largest resource that HealthLake takes, in bytes of its line; 0: no limit, for AWS publishes none", set: size(func(j *Job) *int64 { return &j.Target.HealthLake.Quotas.ResourceSize }, 0)},

		{Key: "verify.mode", Default: "export", Help: "how `verify` proves what arrived: export, counts, sample, full or history", set: text(func(j *Job) *string { return &j.Verify.Mode }, verifyMode)},
		{Key: "verify.sample", Default: "1%", Help: "how many resources the modes sample and history look at: a share like 1%, or a number", set: setSample},
		{Key: "verify.export_to", Help: "s3://bucket/prefix to which mode export has HealthLake export all its resources; a place of its own, in the region of the data store; it holds PHI", set: location(func(j *Job) *Location { return &j.Verify.ExportTo })},
		{Key: "verify.requests_per_second", Default: "50", Help: "most calls of the data store's REST API in a second that `verify` makes", set: number(func(j *Job) *int { return &j.Verify.RequestsPerSecond }, 1, 10_000)},

		{Key: "layout.max_file_size", Default: "512MB", Help: "largest output file; see target.healthlake.quotas.file_size", set: size(func(j *Job) *int64 { return &j.Layout.MaxFileSize }, 1)},
		{Key: "layout.max_binary_file_size", Help: "largest output file of Binaries, in base64; empty: layout.max_file_size", set: optional(size(func(j *Job) *int64 { return &j.Layout.MaxBinaryFileSize }, 1))},
		{Key: "layout.max_folder_size", Default: "500GB", Help: "largest folder", set: size(func(j *Job) *int64 { return &j.Layout.MaxFolderSize }, 1)},
		{Key: "layout.max_folder_files", Default: "10000", Help: "most files in a folder", set: number(func(j *Job) *int { return &j.Layout.MaxFolderFiles }, 1, 1_000_000)},
		{Key: "layout.lanes", Default: "16", Help: "input objects read at the same time", set: number(func(j *Job) *int { return &j.Layout.Lanes }, 1, 1024)},

		{Key: "limits.memory", Default: "512MiB", Help: "memory that the process may use", set: size(func(j *Job) *int64 { return &j.Limits.Memory }, 64<<20)},
		{Key: "limits.workers", Default: "0", Help: "records are converted by at most so many workers; 0: one per core", set: number(func(j *Job) *int { return &j.Limits.Workers }, 0, 4096)},
		{Key: "limits.binaries", Default: "32", Help: "contents of Binaries that are fetched at the same time", set: number(func(j *Job) *int { return &j.Limits.Binaries }, 1, 1024)},
		{Key: "limits.spool", Default: "10GiB", Help: "disk space in state for staged input, staged contents of Binaries and tails of open files", set: size(func(j *Job) *int64 { return &j.Limits.Spool }, 1<<20)},
		{Key: "limits.bandwidth", Default: "0", Help: "bytes per second from and to the network; 0: no limit", set: size(func(j *Job) *int64 { return &j.Limits.Bandwidth }, 0)},

		{Key: "on_quarantine", Default: "stop", Help: "whether `import` begins if records were quarantined: stop, or continue", set: text(func(j *Job) *string { return &j.OnQuarantine }, stopOrContinue)},
		{Key: "log.dir", Help: "directory that gets a log file of each run of `export`, `move`, `import` and `verify`, besides stderr; empty: none", set: directory(func(j *Job) *string { return &j.LogDir })},
		{Key: "http.listen", Default: "127.0.0.1:9464", Help: "address of /metrics, /healthz and /readyz while moving; empty: none", set: text(func(j *Job) *string { return &j.Listen }, hostPort)},
	}
}

type setter = func(j *Job, value, dir string) error

func text(field func(*Job) *string, check func(string) error) setter {
	return func(j *Job, value, _ string) error {
		if check != nil && value != "" {
			if err := check(value); err != nil {
				return err
			}
		}
		*field(j) = value
		return nil
	}
}

func setState(j *Job, value, dir string) error {
	if value == "" {
		return errors.New("is empty")
	}
	j.State = absolute(value, dir)
	return nil
}

// directory is one that may be left out.
func directory(field func(*Job) *string) setter {
	return func(j *Job, value, dir string) error {
		if value != "" {
			*field(j) = absolute(value, dir)
		}
		return nil
	}
}

func location(field func(*Job) *Location) setter {
	return func(j *Job, value, dir string) (err error) {
		if value != "" {
			*field(j), err = parseLocation(value, dir)
		}
		return err
	}
}

func boolean(field func(*Job) *bool) setter {
	return func(j *Job, value, _ string) error {
		switch strings.ToLower(value) {
		case "true":
			*field(j) = true
		case "false":
			*field(j) = false
		default:
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}
}

func number(field func(*Job) *int, least, most int) setter {
	return func(j *Job, value, _ string) error {
		n, err := strconv.Atoi(strings.ReplaceAll(value, "_", ""))
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a number from %d to %d", value, least, most)
		}
		*field(j) = n
		return nil
	}
}

func size(field func(*Job) *int64, least int64) setter {
	return func(j *Job, value, _ string) error {
		n, err := ParseSize(value)
		if err == nil && n < least {
			err = fmt.Errorf("%q is less than the least, %d bytes", value, least)
		}
		*field(j) = n
		return err
	}
}

// optional leaves the field alone where there is no value.
func optional(set setter) setter {
	return func(j *Job, value, dir string) error {
		if value == "" {
			return nil
		}
		return set(j, value, dir)
	}
}

func moment(field func(*Job) *time.Time) setter {
	return func(j *Job, value, _ string) error {
		if value == "" {
			return nil
		}
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fmt.Errorf("%q is not a moment; write 2026-01-31T00:00:00Z", value)
		}
		*field(j) = at
		return nil
	}
}

var typeName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

func setTypes(j *Job, value, _ string) error {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !typeName.MatchString(name) {
			return fmt.Errorf("%q is not the name of a resource type", name)
		}
		j.Source.Types = append(j.Source.Types, name)
	}
	slices.Sort(j.Source.Types) // their order means nothing, and must not make another job
	j.Source.Types = slices.Compact(j.Source.Types)
	return nil
}

var (
	jobPattern     = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	tenantPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
)

func jobName(value string) error {
	if !jobPattern.MatchString(value) {
		return fmt.Errorf("%q may hold only a-z, 0-9 and -, and at most 40 of them", value)
	}
	return nil
}

// IsTenant tells whether name can be that of a tenant: it is safe in a path.
func IsTenant(name string) bool { return tenantPattern.MatchString(name) }

func tenantID(value string) error {
	if value != convert.AllTenants && !tenantPattern.MatchString(value) {
		return errors.New(`may hold only letters, digits, _ and -, and at most 64 of them; "*" means all tenants`)
	}
	return nil
}

func accountID(value string) error {
	if !accountPattern.MatchString(value) {
		return fmt.Errorf("%q is not an account id of 12 digits", value)
	}
	return nil
}

func stopOrContinue(value string) error {
	if value != "stop" && value != "continue" {
		return fmt.Errorf("%q is neither stop nor continue", value)
	}
	return nil
}

func checksums(value string) error {
	if value != "when_supported" && value != "when_required" {
		return fmt.Errorf("%q is neither when_supported nor when_required", value)
	}
	return nil
}

func hostPort(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not host:port; write 127.0.0.1:9464", value)
	}
	return nil
}
