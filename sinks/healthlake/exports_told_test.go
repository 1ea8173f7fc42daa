package healthlake

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// TestToldOfExport: an export with errors lacks resources, so it is none to go by; a
// new status is waited for.
func TestToldOfExport(t *testing.T) {
	for status, want := range map[types.JobStatus]importing.State{
		types.JobStatusSubmitted: importing.Waiting, types.JobStatusQueued: importing.Waiting, types.JobStatusInProgress: importing.Running,
		types.JobStatusCompleted: importing.Completed, types.JobStatusCompletedWithErrors: importing.Failed, types.JobStatusFailed: importing.Failed,
		types.JobStatusCancelCompleted: importing.Cancelled, "PAUSED": importing.Unknown,
	} {
		if got := toldOfExport(Job{ID: "1", Status: status, Output: "s3://b/"}); got.State != want || got.ID != "1" || got.Output != "s3://b/" {
			t.Errorf("%s: %+v", status, got)
		}
	}
}
