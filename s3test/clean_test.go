package s3test_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/cleaning"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// TestClean removes what is known below a prefix from a bucket that keeps versions
// and from one that does not, while a fifth of all calls fail; what others wrote
// stays, and so do their uploads.
func TestClean(t *testing.T) {
	for _, versions := range []bool{false, true} {
		t.Run(fmt.Sprintf("versions %v", versions), func(t *testing.T) { cleanBucket(t, versions) })
	}
}

func cleanBucket(t *testing.T, versions bool) {
	r := newRig(t)
	bucket := bucketName
	if versions {
		_, err := r.server.Client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		check(t, err)
	}
	manifest := map[string]int64{}
	content := random(1, 1000)
	for i := range 1200 {
		name := fmt.Sprintf("v1-%d/Patient-v1-%05d.ndjson", i/100, i%100)
		manifest[name] = 1000
		r.server.Put(t, bucket, prefix+"/"+name, content)
	}
	const again, deleted, theirs = "v1-0/Patient-v1-00000.ndjson", "v1-0/Patient-v1-00001.ndjson", "v1-0/notes.txt"
	r.server.Put(t, bucket, prefix+"/"+again, content)
	key := prefix + "/" + deleted
	_, err := r.server.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	check(t, err)
	r.server.Put(t, bucket, prefix+"/"+theirs, content)
	r.server.Put(t, bucket, prefix+"2/"+again, content)
	for _, name := range []string{again, theirs} {
		key := prefix + "/" + name
		_, err := r.server.Client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
		check(t, err)
	}
	place := &cleaning.Bucket{Store: r.store, Kind: cleaning.InSink(manifest)}
	want := cleaning.Amount{Objects: 1199, Bytes: 1199_000, Uploads: 1}
	if versions {
		want.Noncurrent, want.NoncurrentBytes, want.Markers = 2, 2000, 1
	}
	look := func(want cleaning.Amount) {
		t.Helper()
		seen, err := place.Look(t.Context())
		check(t, err)
		var got cleaning.Amount
		for _, c := range seen.Copies {
			got = c.Amount
		}
		if got != want || seen.Others != 1 || len(seen.Names) != 1 || !strings.HasSuffix(seen.Names[0], theirs) {
			t.Errorf("%v and %d others %q, want %v", got, seen.Others, seen.Names, want)
		}
	}
	look(want)
	r.server.Faults.Decide(objecttest.Seeded(5, 0.2, objecttest.Transient()...))
	check(t, place.Remove(t.Context(), func(k cleaning.Kind) bool { return k == cleaning.Folders }, func(kind cleaning.Kind, why string) {
		t.Errorf("%s: %s", kind, why)
	}))
	r.server.Faults.Decide(nil)
	look(cleaning.Amount{})
	if left := r.visible(""); len(left) != 1 || !bytes.Equal(left[theirs], content) {
		t.Errorf("%d objects are left", len(left))
	}
	if uploads := r.server.Uploads(t, bucket); len(uploads) != 1 || uploads[0] != prefix+"/"+theirs {
		t.Errorf("uploads %q", uploads)
	}
	n := 0
	everything := func(objectstore.Listed) error { n++; return nil }
	if versions {
		check(t, r.store.ListEverything(t.Context(), prefix, "", everything))
	} else {
		check(t, r.store.ListObjects(t.Context(), prefix, everything))
	}
	if n != 2 { // theirs, and that of the job whose name begins with this one's
		t.Errorf("%d versions are left", n)
	}
}
