package cleaning

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// Bucket is a folder in a bucket.
type Bucket struct {
	Store  *objectstore.Store // of the folder
	Tenant string
	Kind   KindOf
	Shown  string   // the place that copies are counted under; "": the folder itself
	Last   []string // names that go last, in this order, and only if nothing else remains
	First  []string // names that go first
	// Since is when the first of ours can have been begun, by S3's clock: older
	// uploads are another's. Zero: all below the folder are ours.
	Since time.Time
}

func (b *Bucket) where() string { return cmp.Or(b.Shown, b.Store.Location().String()) }

func (b *Bucket) prefix() string { return b.Store.Location().Key("") }

func (b *Bucket) name(key string) string { return strings.TrimPrefix(key, b.prefix()) }

// Look implements [Place].
func (b *Bucket) Look(ctx context.Context) (*Seen, error) {
	seen := new(Seen)
	versions, err := b.keeps(ctx)
	if err != nil {
		return nil, err
	}
	count := func(l objectstore.Listed) error {
		name, size := b.name(l.Key), l.Size
		if !l.Latest || l.Marker {
			size = -1
		}
		switch kind := b.Kind(name, size); kind {
		case elsewhere:
		case "":
			seen.other(b.Store.Location().Join(name).String())
		default:
			seen.of(kind, b.Tenant, b.where()).add(amountOf(l))
		}
		return nil
	}
	if versions {
		err = b.Store.ListEverything(ctx, b.prefix(), "", count)
	} else {
		err = b.Store.ListObjects(ctx, b.prefix(), count)
	}
	if err != nil {
		return nil, err
	}
	uploads, err := b.uploads(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range uploads {
		if kind := b.Kind(b.name(u.Key), -1); kind != elsewhere {
			seen.of(kind, b.Tenant, b.where()).Uploads++
		}
	}
	if len(seen.Copies) > 0 {
		seen.Notes = b.about(ctx)
	}
	return seen, nil
}

func amountOf(l objectstore.Listed) Amount {
	switch {
	case l.Marker:
		return Amount{Markers: 1}
	case l.Latest:
		return Amount{Objects: 1, Bytes: l.Size}
	}
	return Amount{Noncurrent: 1, NoncurrentBytes: l.Size}
}

// errFound ends a listing at its first entry.
var errFound = errors.New("found")

// keeps tells whether versions can be listed, and have to be.
func (b *Bucket) keeps(ctx context.Context) (bool, error) {
	if versions, err := b.Store.Versions(ctx); err == nil && !versions {
		return false, nil
	}
	err := b.Store.ListEverything(ctx, b.prefix(), "", func(objectstore.Listed) error { return errFound })
	switch {
	case err == nil, errors.Is(err, errFound):
		return true, nil
	case refused(err):
		return false, nil
	}
	return false, err
}

// refused tells an answer that another call may not get.
func refused(err error) bool {
	said, ok := errors.AsType[*objectstore.Scrubbed](err)
	return ok && slices.Contains([]int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented}, said.Status)
}

// about says how the bucket keeps what is in it.
func (b *Bucket) about(ctx context.Context) (notes []string) {
	bucket := "s3://" + b.Store.Location().Bucket
	note := func(format string, args ...any) { notes = append(notes, bucket+": "+fmt.Sprintf(format, args...)) }
	switch e, err := b.Store.Encryption(ctx); {
	case err != nil:
		note("its encryption cannot be seen (%v)", err)
	case e.Algorithm == "":
		note("no default encryption is set; S3 itself encrypts with keys of its own (AES256)")
	case e.KMSKey == "":
		note("encrypts with %s", e.Algorithm)
	default:
		note("encrypts with %s, key %s", e.Algorithm, e.KMSKey)
	}
	versions, err := b.Store.Versions(ctx)
	switch {
	case err != nil:
		note("whether it keeps old versions cannot be seen (%v); if so, some may remain", err)
	case !versions:
		note("keeps no old versions")
	default:
		note("keeps old versions")
		if listed, err := b.keeps(ctx); err == nil && !listed {
			note("its old versions cannot be listed (s3:ListBucketVersions): they remain")
		}
	}
	switch locked, err := b.Store.Locked(ctx); {
	case err != nil:
		note("whether it locks objects cannot be seen (%v)", err)
	case locked:
		note("locks objects: what is under retention remains until its end")
	}
	return notes
}

// uploads lists the unfinished uploads of ours.
func (b *Bucket) uploads(ctx context.Context) ([]objectstore.Upload, error) {
	all, err := b.Store.Uploads(ctx, b.prefix())
	if err != nil {
		if refused(err) {
			return nil, nil
		}
		return nil, err
	}
	return slices.DeleteFunc(all, func(u objectstore.Upload) bool {
		return !strings.HasPrefix(u.Key, b.prefix()) || u.Initiated.Before(b.Since.Truncate(time.Second)) || b.Kind(b.name(u.Key), -1) == ""
	}), nil
}

// askedHolds bounds how many versions are asked what holds them.
const askedHolds = 100

// Remove implements [Place].
func (b *Bucket) Remove(ctx context.Context, goes func(Kind) bool, kept func(Kind, string)) error {
	uploads, err := b.uploads(ctx)
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if goes(b.Kind(b.name(u.Key), -1)) {
			if err := b.Store.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return err
			}
		}
	}
	versions, err := b.keeps(ctx)
	if err != nil {
		return err
	}
	r := bucketRemoval{Bucket: b, versions: versions, goes: goes, why: map[Kind]map[string]int{}}
	ordered := slices.Concat(b.First, b.Last)
	for _, name := range b.First {
		if err := r.erase(ctx, name, func(n string) bool { return n == name }); err != nil {
			return err
		}
	}
	if err := r.erase(ctx, "", func(n string) bool { return !slices.Contains(ordered, n) }); err != nil {
		return err
	}
	last := b.Last
	if len(r.why) > 0 {
		last = nil // they say whose the versions are that remain
	}
	for _, name := range last {
		if err := r.erase(ctx, name, func(n string) bool { return n == name }); err != nil {
			return err
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(r.why)) {
		for _, why := range slices.Sorted(maps.Keys(r.why[kind])) {
			kept(kind, fmt.Sprintf("%d %s", r.why[kind][why], why))
		}
	}
	return nil
}

// bucketRemoval is one Remove.
type bucketRemoval struct {
	*Bucket
	versions bool
	goes     func(Kind) bool
	why      map[Kind]map[string]int // what was kept, by the reason
	asked    int
}

// erase removes what is chosen below a name. What cannot be removed for good is
// hidden at least.
func (r *bucketRemoval) erase(ctx context.Context, below string, chosen func(name string) bool) error {
	visible := false
	wanted := func(l objectstore.Listed) bool {
		size := l.Size
		if !l.Latest || l.Marker {
			size = -1
		}
		return chosen(r.name(l.Key)) && r.goes(r.Kind(r.name(l.Key), size))
	}
	e := objectstore.Erase{
		Prefix: r.Store.Location().Key(below), Versions: r.versions, Wanted: wanted,
		Before: func() error { return faultpoint.At("clean") },
		Kept: func(k objectstore.Kept) {
			kind := r.Kind(r.name(k.Key), -1)
			if r.why[kind] == nil {
				r.why[kind] = map[string]int{}
			}
			r.why[kind][r.reason(ctx, &k)]++
			visible = visible || !k.Marker // a marker that goes may have hidden it
		},
	}
	if err := r.Store.EraseAll(ctx, e); err != nil || !visible || !r.versions {
		return err
	}
	e.Versions, e.Kept = false, func(objectstore.Kept) {}
	return r.Store.EraseAll(ctx, e)
}

// reason says why a version remains.
func (r *bucketRemoval) reason(ctx context.Context, k *objectstore.Kept) string {
	what := "objects"
	if r.versions {
		what = "versions"
	}
	if k.Code != "AccessDenied" || r.asked >= askedHolds {
		return fmt.Sprintf("%s remain: S3 says %s", what, k.Code)
	}
	r.asked++
	held, err := r.Store.Held(ctx, k.Key, k.VersionID)
	switch {
	case err == nil && held.Legal:
		return what + " remain under a legal hold, which has no end of its own"
	case err == nil && held.Mode != "":
		return fmt.Sprintf("%s remain, locked (%s) until %s", what, held.Mode, held.Until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s remain: S3 says %s", what, k.Code)
}
