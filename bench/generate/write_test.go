package generate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// value is a tagged attribute value, decoded.
type value struct {
	S    *string
	N    *json.Number
	BOOL *bool
	NULL *bool
	M    map[string]value
	L    []value
}

type line struct{ Item map[string]value }

func (l line) text(name string) string {
	v := l.Item[name]
	switch {
	case v.S != nil:
		return *v.S
	case v.N != nil:
		return string(*v.N)
	}
	return ""
}

func write(t *testing.T, o Options) Summary {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.GzipLevel == 0 {
		o.GzipLevel = 1
	}
	s, err := Write(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readLines returns the raw lines of an object.
func readLines(t *testing.T, path string) []string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for scan := bufio.NewReader(zip); ; {
		text, err := scan.ReadString('\n')
		if err != nil {
			if text != "" {
				t.Errorf("%s does not end with a line feed", path)
			}
			return lines
		}
		lines = append(lines, text[:len(text)-1])
	}
}

// parse decodes a row strictly: unknown tags and trailing bytes are errors.
func parse(t *testing.T, text string) line {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var l line
	if err := dec.Decode(&l); err != nil || dec.More() {
		t.Fatalf("%v in %s", err, text)
	}
	return l
}

var (
	idForm   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	timeForm = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

func TestEveryRowIsThatOfFHIRWorks(t *testing.T) {
	s := write(t, Options{Seed: 7, Resources: 1500, Types: len(R4Types()), Even: true, Versions: 5})
	types, statuses := map[string]int64{}, map[string]int64{}
	references := 0
	for _, o := range s.Objects {
		for _, text := range readLines(t, o.Path) {
			l := parse(t, text)
			types[l.text("resourceType")]++
			statuses[l.text("documentStatus")]++
			meta := l.Item["meta"].M
			if !idForm.MatchString(l.text("id")) || *meta["versionId"].S != l.text("vid") ||
				!timeForm.MatchString(*meta["lastUpdated"].S) || l.Item["lockEndTs"].N == nil {
				t.Fatalf("bad row %s", text)
			}
			references += len(l.Item["_references"].L)
			if n := strings.Count(text, `"reference":{"S":`); n != len(l.Item["_references"].L) {
				t.Fatalf("%d references, %d of them listed: %s", n, len(l.Item["_references"].L), text)
			}
			if strings.Contains(text, "{{") {
				t.Fatalf("a slot is left: %s", text)
			}
		}
	}
	if references == 0 {
		t.Error("no references")
	}
	for _, name := range R4Types() {
		if types[name] == 0 || types[name] != s.Types[name] {
			t.Errorf("%s: %d rows, summary says %d", name, types[name], s.Types[name])
		}
	}
	for _, status := range []string{available, deleted, pending, locked} {
		if statuses[status] == 0 || statuses[status] != s.Statuses[status] {
			t.Errorf("%s: %d rows, summary says %d", status, statuses[status], s.Statuses[status])
		}
	}
}

func TestVersionsOfAnIDAreNeighbours(t *testing.T) {
	s := write(t, Options{Resources: 200, Versions: 6, AllVersions: true, Objects: 3})
	if s.Items != 1200 {
		t.Fatalf("%d rows", s.Items)
	}
	seen := map[string]bool{}
	differ := 0
	for _, o := range s.Objects {
		lines := readLines(t, o.Path)
		for i := 0; i < len(lines); i += 6 {
			id := parse(t, lines[i]).text("id")
			if seen[id] {
				t.Fatal("an id occurs twice")
			}
			seen[id] = true
			for v := range 6 {
				l := parse(t, lines[i+v])
				if l.text("id") != id || l.text("vid") != string(rune('1'+v)) {
					t.Fatalf("row %d is not version %d of its neighbour", i+v, v+1)
				}
			}
			if body(lines[i]) != body(lines[i+1]) {
				differ++
			}
		}
	}
	if differ < 50 {
		t.Errorf("only %d of 200 resources differ between versions", differ)
	}
}

var attributes = regexp.MustCompile(`"(vid|meta|documentStatus|lockEndTs|id)":\{.*`)

func body(text string) string { return attributes.ReplaceAllString(text, "") }

func TestSameOptionsSameBytes(t *testing.T) {
	o := Options{Seed: 3, Resources: 900, Objects: 5, Skew: 50, EmptyObjects: 1, Bad: 0.05, Plant: []Defect{BadType, VersionHole}}
	o.Workers = 1
	one := tree(t, write(t, o).Dir)
	o.Workers = 4
	if four := tree(t, write(t, o).Dir); !bytes.Equal(one, four) {
		t.Error("workers change the bytes")
	}
	o.Seed = 4
	if other := tree(t, write(t, o).Dir); bytes.Equal(one, other) {
		t.Error("the seed changes nothing")
	}
}

func tree(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all = append(append(all, name...), content...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSkewAndEmptyObjects(t *testing.T) {
	s := write(t, Options{Resources: 4_000, Types: 1, Versions: 1, Objects: 8, Skew: 50, EmptyObjects: 2})
	smallest, largest, empty := s.Items, int64(0), 0
	for _, o := range s.Objects {
		if o.Items == 0 {
			empty++
			continue
		}
		smallest, largest = min(smallest, o.Items), max(largest, o.Items)
	}
	if ratio := float64(largest) / float64(smallest); ratio < 45 || ratio > 55 || empty != 2 {
		t.Errorf("sizes 1:%.1f, %d empty", ratio, empty)
	}
}

func TestTenants(t *testing.T) {
	s := write(t, Options{Resources: 300, Tenants: []string{"tenant1", "tenant_2"}})
	counts := map[string]int{}
	for _, o := range s.Objects {
		for _, text := range readLines(t, o.Path) {
			l := parse(t, text)
			counts[l.text("_tenantId")]++
			if l.text("id") != l.text("_tenantId")+"|"+l.text("_id") {
				t.Fatalf("bad id in %s", text)
			}
		}
	}
	if len(counts) != 2 || counts["tenant1"] == 0 {
		t.Errorf("tenants %v", counts)
	}
}

func TestContentsOfBinaries(t *testing.T) {
	dir := t.TempDir()
	s := write(t, Options{Seed: 3, Resources: 3000, Even: true, Tenants: []string{"a", "b"}, Contents: dir})
	want := map[string]bool{}
	erased := 0
	for _, o := range s.Objects {
		for _, text := range readLines(t, o.Path) {
			l := parse(t, text)
			if l.text("resourceType") != "Binary" || l.text("documentStatus") == pending {
				continue
			}
			name := filepath.Join(l.text("_tenantId"), l.text("_id")+"_"+l.text("vid")+".pdf")
			_, err := os.Stat(filepath.Join(dir, name))
			switch {
			case err == nil:
				want[name] = true
			case l.text("documentStatus") == deleted:
				erased++
			default:
				t.Errorf("no content of %s", text)
			}
		}
	}
	var objects []string
	for _, tenant := range []string{"a", "b"} {
		found, err := filepath.Glob(filepath.Join(dir, tenant, "*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("tenant %s: %v", tenant, err)
		}
		objects = append(objects, found...)
	}
	if len(objects) != len(want) || erased == 0 {
		t.Errorf("%d contents of %d rows, %d erased", len(objects), len(want), erased)
	}
}

func TestSizedComesClose(t *testing.T) {
	o, err := Sized(Options{Dir: t.TempDir(), Seed: 5, Types: 140}, 5_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if s := write(t, o); s.Bytes < 4_500_000 || s.Bytes > 5_500_000 {
		t.Errorf("%d bytes", s.Bytes)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Write(ctx, Options{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUnusualText(t *testing.T) {
	s := write(t, Options{Resources: 2000, Even: true})
	var all strings.Builder
	for _, o := range s.Objects {
		for _, text := range readLines(t, o.Path) {
			all.WriteString(text)
		}
	}
	if !utf8.ValidString(all.String()) {
		t.Error("invalid UTF-8")
	}
	for _, want := range []string{`\"`, `\\`, `\/`, `\n`, `\u00e9`, `\ud83d\ude42`, "样本", `{"NULL":true}`, `{"BOOL":false}`, `<div xmlns=\"`, `"profile"`, `"tag"`, `"security"`, `"_birthDate"`, `"_subscriptionStatus"`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}
