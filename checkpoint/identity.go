package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Identity is what makes a job the same job: the release's format version, the
// settings that shape the output, and the ordered list of input objects. Two
// jobs with equal identities write equal bytes (I3).
type Identity struct {
	Format   int               `json:"format_version"`
	Settings map[string]string `json:"settings"`
	Objects  []Object          `json:"objects"`
}

// Object is one input object of an identity.
type Object struct {
	Key string `json:"key"`
	MD5 []byte `json:"md5"`
}

// NewIdentity returns the identity of a job over these objects.
func NewIdentity(settings map[string]string, objects []pipeline.Object) Identity {
	id := Identity{Format: pipeline.FormatVersion, Settings: settings}
	for i := range objects {
		id.Objects = append(id.Objects, Object{objects[i].Key, objects[i].MD5[:]})
	}
	return id
}

// Fingerprint returns the identity as one short word.
func (id Identity) Fingerprint() string {
	text, err := json.Marshal(id) // map keys are sorted
	if err != nil {
		panic(err) // strings and bytes always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// difference names the first thing in which the stored identity and the wanted
// one differ, or returns "". An object's MD5 is not looked at: see repaired.
func (id Identity) difference(wanted Identity) string {
	names := maps.Clone(id.Settings)
	maps.Copy(names, wanted.Settings)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was, is := id.Settings[name], wanted.Settings[name]; was != is {
			return fmt.Sprintf("%s was %q, is %q", name, was, is)
		}
	}
	if len(id.Objects) != len(wanted.Objects) {
		return fmt.Sprintf("the source had %d objects, has %d", len(id.Objects), len(wanted.Objects))
	}
	for i, was := range id.Objects {
		if is := wanted.Objects[i]; was.Key != is.Key {
			return fmt.Sprintf("object %d was %s, is %s", i+1, was.Key, is.Key)
		}
	}
	return ""
}

// repaired lists the objects that have another MD5 in the wanted identity.
func (id Identity) repaired(wanted Identity) (objects []int) {
	for i, was := range id.Objects {
		if string(was.MD5) != string(wanted.Objects[i].MD5) {
			objects = append(objects, i)
		}
	}
	return objects
}
