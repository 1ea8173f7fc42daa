package jobfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fhirhose/fhirhose/tokens"
)

// Target is the service that imports the folders. It shapes no byte of them, and
// no verb but import asks for it.
type Target struct {
	HealthLake HealthLake
}

// HealthLake is a data store and how folders are imported into it.
type HealthLake struct {
	Datastore         string
	Datastores        map[string]string // by tenant; no two are the same
	Region            string            // "": the AWS default
	RoleARN           string
	Output            Location // in S3; zero if it is not set
	KMSKey            string
	Validation        string       // strict, structure-only or minimal
	OnImportError     string       // "stop" or "continue"
	RequestsPerSecond int          // of the REST API
	Grant             tokens.Grant // of a SMART store, from the environment
	BundleSize        int          // entries of a batch
	MaxJobsQueued     int          // imports at a time, of folders of one version
	Exclusive         bool         // nobody else writes to the data store
	Quotas            Quotas
}

// Quotas are what the account's HealthLake takes in one import job.
type Quotas struct {
	FilesPerJob  int
	FileSize     int64 // bytes
	JobSize      int64 // bytes
	ResourceSize int64 // bytes; 0: AWS publishes none
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

// setDatastores reads tenant=store,tenant=store.
func setDatastores(j *Job, text, _ string) error {
	stores, tenants := map[string]string{}, map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		tenant, store, _ := strings.Cut(pair, "=")
		tenant, store = strings.TrimSpace(tenant), strings.TrimSpace(store)
		if tenant == "" && store == "" {
			continue
		}
		if !tenantPattern.MatchString(tenant) {
			return fmt.Errorf("%q is not the id of a tenant", tenant)
		}
		if err := datastoreID(store); err != nil {
			return fmt.Errorf("of tenant %s %w", tenant, err)
		}
		if _, known := stores[tenant]; known {
			return fmt.Errorf("names tenant %s twice", tenant)
		}
		if other, taken := tenants[store]; taken {
			return fmt.Errorf("names data store %s for tenant %s and for tenant %s: their resources would be mixed", store, other, tenant)
		}
		stores[tenant], tenants[store] = store, tenant
	}
	if len(stores) > 0 {
		j.Target.HealthLake.Datastores = stores
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
	for _, other := range append(j.exports(), place{"the output below sink.location", j.Output()}, place{"source.binaries", j.Source.Binaries}) {
		if !other.at.IsZero() && at.within(other.at) {
			return configError("read setting", outputKey, fmt.Errorf("lies within %s", other.name), "use a place of its own")
		}
	}
	if j.AllTenants() && at.within(j.Sink.Location) {
		tenant, rest, _ := strings.Cut(at.below(j.Sink.Location), "/")
		if job, _, _ := strings.Cut(rest, "/"); tenantPattern.MatchString(tenant) && job == j.Name {
			return configError("read setting", outputKey, errors.New("may lie in a tenant's folder below sink.location"), "use a place of its own")
		}
	}
	return nil
}

const outputKey = "target.healthlake.output"

// Datastore returns the data store of a tenant, "" being a job without tenants.
// Errors are KindConfig.
func (j *Job) Datastore(tenant string) (string, error) {
	to := j.Target.HealthLake
	if j.Source.Tenant == "" || to.Datastores == nil && !j.AllTenants() {
		return to.Datastore, nil
	}
	if !j.AllTenants() {
		tenant = j.Source.Tenant
	}
	if store, ok := to.Datastores[tenant]; ok {
		return store, nil
	}
	return "", configError("read setting", datastoresKey, fmt.Errorf("has no data store for tenant %s", tenant),
		"add one: {"+tenant+": id}; no two tenants may have the same")
}

const (
	datastoreKey  = "target.healthlake.datastore"
	datastoresKey = "target.healthlake.datastores"
)

// Named tells whether the settings name a data store at all.
func (h *HealthLake) Named() bool { return h.Datastore != "" || h.Datastores != nil }

// Importable tells whether the settings say all that an import needs. Errors are
// KindConfig.
func (j *Job) Importable() error {
	if !j.Sink.Location.IsS3() {
		return configError("read setting", "sink.location", errors.New("is a directory, and HealthLake imports from S3 alone"),
			"move into s3://bucket/prefix")
	}
	if err := j.namesStores("import"); err != nil {
		return err
	}
	to := j.Target.HealthLake
	return missing("import", []need{
		{"target.healthlake.role_arn", to.RoleARN != ""},
		{outputKey, !to.Output.IsZero()},
		{"target.healthlake.kms_key", to.KMSKey != ""},
	})
}

// namesStores tells whether there is a data store for each tenant, and one alone.
func (j *Job) namesStores(verb string) error {
	to := j.Target.HealthLake
	one, each := to.Datastore != "", to.Datastores != nil
	if one && (each || j.AllTenants()) {
		return configError("read setting", datastoreKey, errors.New("is one data store for all tenants: their resources would be mixed"),
			"name a data store for each in "+datastoresKey)
	}
	if each && j.Source.Tenant == "" {
		return configError("read setting", datastoresKey, errors.New("names stores of tenants, and source.tenant is empty"),
			"name the data store in "+datastoreKey)
	}
	store := datastoreKey
	if j.AllTenants() {
		store = datastoresKey
	}
	return missing(verb, []need{{store, one || each}})
}

// need is a key that a verb cannot do without.
type need struct {
	key   string
	given bool
}

func missing(verb string, needs []need) error {
	for _, n := range needs {
		if !n.given {
			return configError("read setting", n.key, fmt.Errorf("is missing, and %s needs it", verb),
				fmt.Sprintf("add it, or give --%s; what each key means: fhirhose help settings", n.key))
		}
	}
	return nil
}
