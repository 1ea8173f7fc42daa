package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// ErrCondemned is what Open says of a checkpoint after Condemn.
var ErrCondemned = errors.New("the output of its run is being removed")

// errEmpty is a file that was made, and never committed to.
var errEmpty = errors.New("empty checkpoint")

var condemnedKey = []byte("condemned")

// Claim returns the content of _fhirhose/claim.json: this run and nobody else.
func (s *Store) Claim() []byte { return s.meta.claim() }

func (m *meta) claim() []byte {
	claim, err := json.Marshal(struct {
		Format      int    `json:"format_version"`
		Fingerprint string `json:"fingerprint"`
		RunID       string `json:"run_id"`
	}{m.Identity.Format, m.Fingerprint, m.RunID})
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(claim, '\n')
}

// ClaimOf returns the claim of the run that made the checkpoint at path,
// whatever job, settings and release it is of. It is nil if there is no
// checkpoint, or one without a run. A file that cannot be read is
// KindCheckpoint; none is changed.
func ClaimOf(path string) (claim []byte, err error) {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	stored, _, err := readMeta(db, path)
	switch {
	case errors.Is(err, errEmpty):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return stored.claim(), nil
}

// TenantsOf returns the tenants that the run of the checkpoint at path may have
// written for, by name. Errors are those of ClaimOf.
func TenantsOf(path string) (tenants []string, err error) {
	err = look(path, func(s *Store) error {
		tenants, err = output.Tenants(s)
		return err
	})
	return tenants, err
}

// ImportBegun tells whether anything of the run of the checkpoint at path may
// have been sent to a target. Errors are those of ClaimOf.
func ImportBegun(path string) (begun bool, err error) {
	err = look(path, func(s *Store) error {
		begun, err = importing.Begun(s)
		return err
	})
	return begun, err
}

// look hands a checkpoint with a run to f, whatever job, settings and release it
// is of.
func look(path string, f func(*Store) error) error {
	if claim, err := ClaimOf(path); err != nil || claim == nil {
		return err
	}
	db, err := open(path)
	if err != nil {
		return err
	}
	s := &Store{db: db, path: path}
	return errors.Join(f(s), s.Close())
}

// Condemn makes Open refuse the checkpoint at path for ever. It comes before
// the removal of what the checkpoint describes: a process that went on with it
// would take removed files for written ones.
func Condemn(path string) (err error) {
	db, err := open(path)
	if err != nil {
		return err
	}
	s := &Store{db: db, path: path}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(condemnedKey, []byte("true")) })
	if err != nil {
		return s.failed("condemn checkpoint", err)
	}
	return nil
}

// readMeta reads what every checkpoint begins with. It returns errEmpty, or an
// error for the operator.
func readMeta(db *bbolt.DB, path string) (stored meta, condemned bool, err error) {
	defer caught(path, &err)()
	err = db.View(func(tx *bbolt.Tx) error {
		if info, err := os.Stat(path); err != nil || info.Size() < tx.Size() {
			return errors.Join(errors.New("its end is missing"), err)
		}
		bucket := tx.Bucket(metaBucket)
		if bucket == nil {
			// A kill between the file's making and its first commit left it empty.
			if k, _ := tx.Cursor().First(); k == nil {
				return errEmpty
			}
			return errors.New("it holds no job")
		}
		condemned = bucket.Get(condemnedKey) != nil
		return json.Unmarshal(bucket.Get(jobKey), &stored)
	})
	if err != nil && !errors.Is(err, errEmpty) {
		err = unreadable(path, err)
	}
	return stored, condemned, err
}

// caught turns a panic of bbolt over a damaged file into an error. Of a file
// that was cut off, bbolt touches memory behind the end, which would otherwise
// end the process.
func caught(path string, err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if r := recover(); r != nil {
			*err = unreadable(path, fmt.Errorf("%v", r))
		}
	}
}
