package bucket_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/sinks/bucket"
)

// BenchmarkAppend writes files to a server that reads and forgets. Over plain
// HTTP a body is hashed for the signature too, which TLS makes unnecessary. The
// server's work is in the numbers.
func BenchmarkAppend(b *testing.B) {
	for _, shape := range []struct{ size, hot int }{{64 << 10, 0}, {64 << 10, 4}, {64 << 20, 0}, {64 << 20, 4}} {
		size := shape.size
		b.Run(fmt.Sprintf("%dKiB-hot-%d", size>>10, shape.hot), func(b *testing.B) {
			b.Setenv("AWS_ACCESS_KEY_ID", "id")
			b.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			server := httptest.NewServer(http.HandlerFunc(forget))
			defer server.Close()
			b.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
			store, err := objectstore.Open(b.Context(), objectstore.Location{Bucket: "b"}, objectstore.Options{Region: "x", PathStyle: true}, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			sink, err := bucket.Open(context.Background(), bucket.Options{Store: store, Tails: filepath.Join(b.TempDir(), "tails"), Hot: shape.hot})
			if err != nil {
				b.Fatal(err)
			}
			defer sink.Close()
			piece := make([]byte, 64<<10)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				f := sink.Create(fmt.Sprintf("v1-0/Type-v1-%05d.ndjson", i))
				for range size / len(piece) {
					if err := f.Append(b.Context(), piece); err != nil {
						b.Fatal(err)
					}
				}
				if err := f.Seal(b.Context(), [sha256.Size]byte{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func forget(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("ETag", `"00000000000000000000000000000000"`)
	if r.Method == http.MethodPost {
		_, _ = io.WriteString(w, "<Result><UploadId>u</UploadId></Result>")
	}
}
