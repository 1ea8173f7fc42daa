package healthlaketest

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const active = "ACTIVE"

// datastore is a data store. The simulation's mutex guards it.
type datastore struct {
	Store
	created   time.Time
	resources map[string]*resource // by Type/id
	imported  map[string]*job      // which imported a folder last, see watchFolder
}

func newDatastore(o Store, now time.Time) *datastore {
	o.Status = orElse(o.Status, active)
	if o.Authority != nil {
		o.Bearer = o.Authority.good
	}
	return &datastore{Store: o, created: now, resources: map[string]*resource{}, imported: map[string]*job{}}
}

func (d *datastore) properties(r *http.Request, region string) storeProperties {
	p := storeProperties{
		DatastoreArn:      "arn:aws:healthlake:" + region + ":123456789012:datastore/fhir/" + d.ID,
		DatastoreEndpoint: base(r, d.ID), DatastoreID: d.ID, DatastoreName: d.Name,
		DatastoreStatus: d.Status, DatastoreTypeVersion: "R4", CreatedAt: epoch(d.created),
	}
	p.IdentityProviderConfiguration.AuthorizationStrategy = "AWS_AUTH"
	if d.Bearer != nil {
		p.IdentityProviderConfiguration.AuthorizationStrategy = "SMART_ON_FHIR"
	}
	p.SseConfiguration.KmsEncryptionConfig.CmkType = "AWS_OWNED_KMS_KEY"
	if d.KMSKey != "" {
		p.SseConfiguration.KmsEncryptionConfig.CmkType, p.SseConfiguration.KmsEncryptionConfig.KmsKeyID = "CUSTOMER_MANAGED_KMS_KEY", d.KMSKey
	}
	return p
}

// base is the URL of a store's REST API, as the client sees the simulation.
func base(r *http.Request, store string) string {
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + "/datastore/" + store + "/r4/"
}

// resource is all versions of a resource: version n is versions[n-1]. One
// without versions does not exist.
type resource struct {
	versions []version
	sent     int // the highest version of the source that an import has sent
}

type version struct {
	body    []byte // nil of a deletion
	changed int64  // when, in milliseconds since 1970
}

func (v version) deleted() bool   { return v.body == nil }
func (v version) time() time.Time { return time.UnixMilli(v.changed).UTC() }

// last is the current version and its number from 1.
func (r *resource) last() (version, int) {
	n := len(r.versions)
	return r.versions[n-1], n
}

func (d *datastore) find(key string) *resource {
	if r := d.resources[key]; r != nil && len(r.versions) > 0 {
		return r
	}
	return nil
}

func (d *datastore) make(key string) *resource {
	r := d.resources[key]
	if r == nil {
		r = &resource{}
		d.resources[key] = r
	}
	return r
}

// put stores another version of a compact body. It returns its number.
func (d *datastore) put(key string, body jsontext.Value, at time.Time, mark bool) (int, error) {
	r := d.make(key)
	n := len(r.versions) + 1
	stamped, err := stamp(body, n, at, mark)
	if err != nil {
		return 0, err
	}
	r.versions = append(r.versions, version{body: bytes.Clone(stamped), changed: at.UnixMilli()})
	return n, nil
}

// Edit replaces the current version of a resource, as a fault of the service
// would, without another version. key is Type/id. change is given what is
// stored, nil where nothing is or it is deleted, and returns what is stored from
// now on; with nil the resource has never existed. It panics where there is no
// such store.
func (s *Simulation) Edit(store, key string, change func(body []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.stores[store]
	r := d.make(key)
	if len(r.versions) == 0 {
		r.versions = append(r.versions, version{changed: s.options.Now().UnixMilli()})
	}
	current := &r.versions[len(r.versions)-1]
	current.body = change(bytes.Clone(current.body))
	if current.body == nil {
		r.versions = nil
	}
}

// Current returns every resource that exists in a store by Type/id, as it is
// stored.
func (s *Simulation) Current(store string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]byte{}
	for _, key := range s.stores[store].keys() {
		v, _ := s.stores[store].resources[key].last()
		all[key] = v.body
	}
	return all
}

// keys lists the resources that exist, in order.
func (d *datastore) keys() []string {
	var keys []string
	for key, r := range d.resources {
		if len(r.versions) == 0 {
			continue
		}
		if v, _ := r.last(); !v.deleted() {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
