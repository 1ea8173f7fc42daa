package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// StatusFile is the name, within the state directory, under which every cut
// puts the newest [Status].
const StatusFile = "status.json"

// Encode renders s as status.json holds it: indented JSON, ending in a newline.
// The pipeline hands it to durable.WriteFile at each cut.
func (s *Status) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return append(data, '\n'), nil
}

// ReadStatus reads the status.json of a state directory. The error is
// fs.ErrNotExist where no move has come to its first cut.
func ReadStatus(state string) (*Status, error) {
	path := filepath.Join(state, StatusFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	status := new(Status)
	if err := json.Unmarshal(data, status); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return status, nil
}

// readyWindow is how long nothing may happen before the job counts as stuck.
const readyWindow = 60 * time.Second

// Ready tells whether the job got on within the last 60 s: it committed a cut,
// staged a byte, or waited before a retry. A job that waits for credentials is
// not ready.
func (s *Status) Ready(now time.Time) bool {
	for _, moment := range []time.Time{s.LastCut, s.LastProgress, s.LastRetryWait} {
		if !moment.IsZero() && now.Sub(moment) <= readyWindow {
			return s.Phase != PhaseFailed
		}
	}
	return false
}

// BytesLeft is the compressed input that is still to be read.
func (s *Status) BytesLeft() int64 { return max(0, s.InputBytes-s.InputBytesDone) }

// Unbalanced names the types whose records do not add up (I4): Read differs
// from Written + filtered + quarantined, and, of a job at work, the Binaries that
// wait for their contents. Those of all tenants must sum up to the job's. It is
// empty for a job that balances.
func (s *Status) Unbalanced() []string {
	var names []string
	for name, t := range s.Types {
		if t.Read != t.Written+sum(t.Filtered)+sum(t.Quarantined)+s.waitingOf(name) ||
			name == binaryType && !s.tenantsSumUp() {
			names = append(names, name)
		}
	}
	return sorted(names)
}
