package importing

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// bucket is where the checkpoint keeps the records of a tenant, by folder.
func bucket(tenant string) string { return strings.TrimSuffix("import/"+tenant, "/") }

// Record is what the checkpoint knows of one folder.
type Record struct {
	Attempt  int    `json:"attempt"` // from 1
	Name     string `json:"name"`    // of the target's job
	Target   string `json:"target"`  // as in Options
	Token    string `json:"token"`
	Job      string `json:"job,omitempty"`    // its id, once the target has told it
	Status   string `json:"status,omitempty"` // the target's last word, of a closed list
	Over     bool   `json:"over,omitempty"`   // the target's job has ended
	Done     bool   `json:"done,omitempty"`   // and every line of the folder is accounted for
	Scanned  int64  `json:"scanned,omitempty"`
	Imported int64  `json:"imported,omitempty"`
	Failed   int64  `json:"failed,omitempty"`
	Taken    int64  `json:"taken,omitempty"` // of Imported: refused by the import, and taken later

	Earlier []string `json:"earlier,omitempty"` // jobs of the attempts before: they may have left results

	Ended time.Time `json:"ended,omitzero"` // of the target's job, by the target's clock; zero where it names no end
}

// Records returns what a checkpoint knows of a tenant's folders, by name: of those
// whose import was begun.
func Records(store output.Entries, tenant string) (map[string]*Record, error) {
	known := make(map[string]*Record)
	err := store.Each(bucket(tenant), func(key string, value []byte) error {
		r := new(Record)
		known[key] = r
		return json.Unmarshal(value, r)
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	return known, nil
}

// Begun tells whether a folder of any tenant may have been sent.
func Begun(store output.Entries) (bool, error) {
	tenants, err := output.Tenants(store)
	if err != nil {
		return false, err
	}
	for _, tenant := range append(tenants, "") {
		if known, err := Records(store, tenant); err != nil || len(known) > 0 {
			return true, err
		}
	}
	return false, nil
}

// Ended returns when the last import of a tenant's folders ended, by the target's
// clock. It is zero if none has, or if the target named no end of one: then nobody
// knows.
func Ended(store output.Entries, tenant string) (last time.Time, err error) {
	known, err := Records(store, tenant)
	for _, r := range known {
		switch {
		case !r.Over:
		case r.Ended.IsZero():
			return time.Time{}, nil
		case r.Ended.After(last):
			last = r.Ended
		}
	}
	return last, err
}

// RefuseOther refuses a target that is not the one which the folders of a tenant were
// sent to: what is sent there would be counted here.
func RefuseOther(known map[string]*Record, tenant, target string) error {
	for name, r := range known {
		if r.Target != target {
			return &pipeline.Error{
				Op: "import", Object: path.Join(tenant, name), Kind: pipeline.KindConfig,
				Err:  fmt.Errorf("its import was begun into another store, %s", r.Target),
				Hint: "name that store; into another one, import the folders of a job of another name",
			}
		}
	}
	return nil
}
