package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// The floor reads every content once, and sends as many bytes as they take in
// base64, in one piece or in parts.
func TestFloor(t *testing.T) {
	for _, size := range []int{10, floorPart} {
		contents, target := objecttest.NewMemory(), objecttest.NewMemory()
		var read atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/to"):
				target.ServeHTTP(w, r)
				return
			case r.Method == http.MethodGet && r.URL.Path != "/from":
				read.Add(1)
			}
			contents.ServeHTTP(w, r)
		}))
		for i := range 3 {
			contents.Put(fmt.Sprintf("content-%d", i), make([]byte, size))
		}
		err := floor(t.Context(), []string{strings.TrimPrefix(server.URL, "http://"), "from", "to", "sent"})
		server.Close()
		want := 3 * ((size + 2) / 3 * 4)
		if sent := len(target.Objects()["sent"]); err != nil || read.Load() != 3 || sent != want {
			t.Errorf("contents of %d bytes: read %d of 3, sent %d bytes of %d, %v", size, read.Load(), sent, want, err)
		}
	}
}
