package checkpoint

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

var _ output.Checkpoint = (*Store)(nil)

// The one bucket and key of this package; all other buckets are pipelines'.
var (
	metaBucket = []byte("meta")
	jobKey     = []byte("job")
)

// lockWait is how long Open waits for a process that is just ending.
const lockWait = 2 * time.Second

// meta is stored when the checkpoint is made, and again when a repair is
// accepted. Fingerprint and RunID stay: the claim in the sink holds them.
type meta struct {
	Identity    Identity `json:"identity"`
	Fingerprint string   `json:"fingerprint"`
	RunID       string   `json:"run_id"`
}

// Store is an open checkpoint. Its methods may be called from any goroutine.
type Store struct {
	db       *bbolt.DB
	path     string
	meta     meta
	wanted   Identity
	repaired []int
	copied   string // directory of a copy, which goes with Close
}

// Open opens the checkpoint at path, or makes a new one for the identity. A
// file that is damaged or of another job is KindCheckpoint and stays as it is;
// one that another process holds is KindClaimed.
func Open(path string, identity Identity) (*Store, error) {
	fresh := false
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		fresh = true
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, path: path, wanted: identity}
	if fresh {
		err = s.create()
	} else {
		err = s.check()
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Reopen opens the checkpoint of a job without its source, which may be gone by
// now: nothing is compared with it. A file that is absent or without a run is
// KindConfig; otherwise errors are those of Open.
func Reopen(path string) (*Store, error) {
	claim, err := ClaimOf(path)
	switch {
	case err != nil:
		return nil, err
	case claim == nil:
		return nil, &pipeline.Error{
			Op: "open checkpoint", Object: path, Kind: pipeline.KindConfig, Err: errors.New("no move of this job has started here"),
			Hint: "fhirhose move; or name the right job file with -c",
		}
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, path: path}
	stored, condemned, err := readMeta(db, path)
	if err == nil {
		err = s.usable(stored, condemned, pipeline.FormatVersion)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.meta, s.wanted = stored, stored.Identity
	return s, nil
}

// open turns every way in which bbolt refuses a file, panics included, into an
// error that says what to do.
func open(path string) (db *bbolt.DB, err error) {
	defer caught(path, &err)()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, &pipeline.Error{
			Op: "open checkpoint", Object: path, Kind: pipeline.KindClaimed, Err: errors.New("another process holds it"),
			Hint: "wait for that process, or stop it",
		}
	case errors.Is(err, fs.ErrPermission):
		return nil, &pipeline.Error{
			Op: "open checkpoint", Object: path, Kind: pipeline.KindConfig, Err: fs.ErrPermission,
			Hint: "run as the user who owns `state`",
		}
	default:
		return nil, unreadable(path, err)
	}
}

func unreadable(path string, err error) error {
	return &pipeline.Error{
		Op: "open checkpoint", Object: path, Kind: pipeline.KindCheckpoint, Err: err,
		Hint: "nothing was changed; restore the file from a copy, or begin again with `fhirhose move --restart`",
	}
}

func (s *Store) create() error {
	err := s.storeMeta(meta{s.wanted, s.wanted.Fingerprint(), rand.Text()})
	if err == nil {
		err = durable.SyncDir(filepath.Dir(s.path))
	}
	if err != nil {
		return s.failed("create checkpoint", err)
	}
	return nil
}

func (s *Store) storeMeta(m meta) error {
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	s.meta = m
	return s.update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		return bucket.Put(jobKey, value)
	})
}

func (s *Store) check() error {
	stored, condemned, err := readMeta(s.db, s.path)
	switch {
	case errors.Is(err, errEmpty):
		return s.create()
	case err != nil:
		return err
	}
	if err := s.usable(stored, condemned, s.wanted.Format); err != nil {
		return err
	}
	if difference := stored.Identity.difference(s.wanted); difference != "" {
		return &pipeline.Error{
			Op: "open checkpoint", Object: s.path, Kind: pipeline.KindCheckpoint,
			Err:  fmt.Errorf("it belongs to another job: %s", difference),
			Hint: "undo that change, give the new job another name and state, or begin again with `fhirhose move --restart`",
		}
	}
	s.meta = stored
	s.repaired = stored.Identity.repaired(s.wanted)
	return nil
}

// usable refuses what no release, or not this one, may go on with.
func (s *Store) usable(stored meta, condemned bool, format int) error {
	switch {
	case condemned:
		return &pipeline.Error{
			Op: "open checkpoint", Object: s.path, Kind: pipeline.KindCheckpoint, Err: ErrCondemned,
			Hint: "finish that with `fhirhose move --restart`",
		}
	case stored.Identity.Format != format:
		return &pipeline.Error{
			Op: "open checkpoint", Object: s.path, Kind: pipeline.KindCheckpoint,
			Err:  fmt.Errorf("it has format version %d, this release writes %d", stored.Identity.Format, format),
			Hint: "finish the job with the release that began it, or begin again with `fhirhose move --restart`",
		}
	}
	return nil
}

// RunID tells this run of the job from every other.
func (s *Store) RunID() string { return s.meta.RunID }

// Repaired returns the objects that have another MD5 in the manifest than when
// the job began. Whoever knows how far the job has come decides whether it may
// go on.
func (s *Store) Repaired() []int { return s.repaired }

// AcceptRepairs makes today's MD5s those of the job.
func (s *Store) AcceptRepairs() error {
	m := s.meta
	m.Identity = s.wanted
	if err := s.storeMeta(m); err != nil {
		return s.failed("store repaired objects", err)
	}
	s.repaired = nil
	return nil
}

// Each calls f for every entry of a bucket in key order; a bucket that does not
// exist has none. The value is valid during the call only.
func (s *Store) Each(bucket string, f func(key string, value []byte) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error { return f(string(k), v) })
	})
}

// Commit stores all changes in one durable transaction, or none.
func (s *Store) Commit(changes []output.Change) error {
	err := s.update(func(tx *bbolt.Tx) error {
		for _, c := range changes {
			b, err := tx.CreateBucketIfNotExists([]byte(c.Bucket))
			if err != nil {
				return err
			}
			if c.Value == nil {
				err = b.Delete([]byte(c.Key))
			} else {
				err = b.Put([]byte(c.Key), c.Value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s.failed("commit checkpoint", err)
	}
	return nil
}

// update is one durable transaction between two fault points.
func (s *Store) update(change func(*bbolt.Tx) error) error {
	if err := faultpoint.At("commit"); err != nil {
		return err
	}
	if err := s.db.Update(change); err != nil {
		return err
	}
	return faultpoint.At("committed")
}

// Close gives the file free.
func (s *Store) Close() error {
	err := s.db.Close()
	if s.copied != "" {
		err = errors.Join(err, os.RemoveAll(s.copied))
	}
	return err
}

func (s *Store) failed(op string, err error) error {
	return durable.Failure(op, s.path, err)
}
