package convert

import (
	"errors"

	"github.com/fhirhose/fhirhose/pipeline"
)

// AllTenants is the tenant of a job that takes the rows of every tenant.
const AllTenants = "*"

// Options select rows. They are part of a job's fingerprint.
type Options struct {
	Tenant  string   // "" for a single-tenant table; else rows of this tenant, or AllTenants
	Since   string   // RFC 3339 or "": exclusive lower bound of meta.lastUpdated
	Until   string   // RFC 3339 or "": inclusive upper bound
	Types   []string // FHIR resource types; none: all
	Deleted bool     // false: rows with documentStatus DELETED are filtered
	MaxLine int64    // longest output line, with its LF, that fits a file; 0: no cap

	// Resources says that lines are FHIR resources as the FHIR Works tool writes them,
	// not rows of its table. They name no tenant, so that Tenant means nothing then.
	Resources bool

	// BinaryField is where the content of a Binary will be: "data" in R4,
	// "content" in STU3. "": rows of type Binary are like any others.
	BinaryField string
}

// filter is Options in the form in which rows are judged.
type filter struct {
	tenants      bool   // the table has tenants
	tenant       string // the only one whose rows are taken; "" all
	since, until *instant
	types        map[string]bool
	deleted      bool
	maxLine      int64
	binaryField  string
	resources    bool
}

// New returns a Converter; one goroutine may use it at a time. An option that
// cannot be used is an error of KindConfig.
func New(o Options) (*Converter, error) {
	f := filter{tenants: o.Tenant != "", tenant: o.Tenant, deleted: o.Deleted, maxLine: o.MaxLine, binaryField: o.BinaryField, resources: o.Resources}
	switch {
	case o.Resources && (o.Tenant == AllTenants || o.BinaryField != ""):
		return nil, badOption("source.fhirworks_folders", "a resource names no tenant, and what a Binary contains is in it")
	case o.Tenant == AllTenants:
		f.tenant = ""
	case f.tenants && !isTenant([]byte(o.Tenant)):
		return nil, badOption("source.tenant", "a tenant id is 1 to 64 letters, digits, '-' or '_'; \"*\" means all tenants")
	}
	if o.Resources {
		f.tenants, f.tenant = false, ""
	}
	var err error
	if f.since, err = bound("source.since", o.Since); err != nil {
		return nil, err
	}
	if f.until, err = bound("source.until", o.Until); err != nil {
		return nil, err
	}
	if f.since != nil && f.until != nil && !f.until.after(*f.since) {
		return nil, badOption("source.until", "until must be later than since, or no row fits")
	}
	for _, name := range o.Types {
		if !isType([]byte(name)) {
			return nil, badOption("source.types", "a resource type begins with a capital and has only letters and digits, like Patient")
		}
		if f.types == nil {
			f.types = make(map[string]bool, len(o.Types))
		}
		f.types[name] = true
	}
	if o.MaxLine < 0 {
		return nil, badOption("layout.max_file_size", "a size is not negative")
	}
	if o.BinaryField != "" && o.BinaryField != "data" && o.BinaryField != "content" {
		return nil, badOption("source.binaries", "the content of a Binary is data (R4) or content (STU3)")
	}
	return &Converter{filter: f}, nil
}

func bound(option, text string) (*instant, error) {
	if text == "" {
		return nil, nil
	}
	t, ok := parseInstant([]byte(text))
	if !ok {
		return nil, badOption(option, "write the time like 2024-01-31T00:00:00Z")
	}
	return &t, nil
}

func badOption(option, hint string) error {
	return &pipeline.Error{
		Op: "read option", Object: option, Kind: pipeline.KindConfig,
		Err: errors.New("the value cannot be used"), Hint: hint,
	}
}
