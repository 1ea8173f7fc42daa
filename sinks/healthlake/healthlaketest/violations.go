package healthlaketest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// I11: no version is sent to a target that may already hold a later version of
// the same resource. What follows watches the clients for it.

// Violations says what clients did that may put an older version over a newer
// one, or imports twice. It names resources and is for tests alone.
func (s *Simulation) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *Simulation) violate(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

var (
	versionedFile   = regexp.MustCompile(`^[A-Za-z]+-v([0-9]+)-[^/]*$`)
	versionedFolder = regexp.MustCompile(`^(Binary-)?v([0-9]+)(-[0-9]+)?$`)
)

// fileVersion is the version of every resource in <Type>-v<version>-<n>.ndjson,
// or 0.
func fileVersion(key string) int {
	if match := versionedFile.FindStringSubmatch(path.Base(key)); match != nil {
		n, _ := strconv.Atoi(match[1])
		return n
	}
	return 0
}

// folderVersion is the version of [Binary-]v<version>[-<n>], or 0, and what else
// has versions of its own: the folder above, and whether it holds Binaries.
func folderVersion(uri string) (above string, version int) {
	uri = strings.TrimSuffix(uri, "/")
	above, folder := path.Split(uri)
	match := versionedFolder.FindStringSubmatch(folder)
	if match == nil {
		return uri, 0
	}
	version, _ = strconv.Atoi(match[2])
	return above + match[1], version
}

// watchStart looks at a job that is about to be added to a queue: every folder
// of a lower version must have been imported.
func (s *Simulation) watchStart(q *queue, in startRequest) {
	above, version := folderVersion(in.input())
	last := map[string]*job{} // by folder
	for _, j := range q.jobs {
		if j.start.DatastoreID == in.DatastoreID {
			last[strings.TrimSuffix(j.start.input(), "/")] = j
		}
	}
	for _, j := range q.jobs {
		folder := strings.TrimSuffix(j.start.input(), "/")
		if last[folder] != j {
			continue // of another store, or tried again
		}
		if a, v := folderVersion(folder); a == above && v < version && j.status != completed && j.status != completedWithErrors {
			s.violate("%s is started while %s is %s", in.input(), folder, j.status)
		}
	}
}

// watchFolder looks at an object that a job is about to import: no other job may
// have imported its folder, unless that job failed.
func (s *Simulation) watchFolder(j *job, bucket, key string) {
	folder := "s3://" + bucket + "/" + path.Dir(key)
	imported := s.stores[j.start.DatastoreID].imported
	if before := imported[folder]; before != nil && before != j && before.status != failed && before.status != cancelCompleted {
		s.violate("%s is imported by job %s and by job %s", folder, before.id, j.id)
	}
	imported[folder] = j
}

// watchLine looks at a line that a job is about to import.
func (s *Simulation) watchLine(key string, r *resource, version int, job string) {
	if version < r.sent {
		s.violate("%s: version %d is imported by job %s after version %d", key, version, job, r.sent)
	}
	r.sent = max(r.sent, version)
}
