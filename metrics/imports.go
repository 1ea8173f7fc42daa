package metrics

import "github.com/prometheus/client_golang/prometheus"

// ImportTotals is how far the import into a target has come, over all tenants. What
// counts resources is the target's own count, also of a job that is not over.
type ImportTotals struct {
	Folders     int64  `json:"folders"`
	FoldersDone int64  `json:"folders_done"` // every line is accounted for
	Resources   int64  `json:"resources"`    // lines of all folders
	Scanned     int64  `json:"scanned"`
	Imported    int64  `json:"imported"`
	Refused     int64  `json:"refused"`
	Stale       int64  `json:"stale"`            // resources whose last version was refused while an older one is in
	Deleted     int64  `json:"deleted"`          // resources deleted in the target, as they are in the source
	Gone        int64  `json:"gone"`             // that were to be deleted, and not there
	Left        int64  `json:"left"`             // that were to be deleted, and stay
	Folder      string `json:"folder,omitempty"` // under way, [<tenant>/]v1-0
	State       string `json:"state,omitempty"`  // of its job, one of ImportStates; "" if none is under way
}

// ImportStates are the states of a target's job.
func ImportStates() []string {
	return []string{"waiting", "running", "completed", "failed", "cancelled", "unknown"}
}

var importStates = set(ImportStates())

func imports() []family {
	value := func(get func(*ImportTotals) int64) func(snapshot) float64 {
		return func(v snapshot) float64 {
			if v.Import == nil {
				return 0
			}
			return float64(get(v.Import))
		}
	}
	return []family{
		gauge("import_folders", "Folders that are to be imported into the target; like all of the import's metrics, 0 but in fhirhose import.",
			value(func(t *ImportTotals) int64 { return t.Folders })),
		counter("import_folders_done_total", "Folders of which every line is accounted for by the target.", value(func(t *ImportTotals) int64 { return t.FoldersDone })),
		gauge("import_resources", "Resources in all folders.", value(func(t *ImportTotals) int64 { return t.Resources })),
		counter("import_resources_scanned_total", "Resources that the target has scanned, by its own count.", value(func(t *ImportTotals) int64 { return t.Scanned })),
		counter("import_resources_imported_total", "Resources that the target has imported, by its own count.", value(func(t *ImportTotals) int64 { return t.Imported })),
		counter("import_resources_refused_total", "Resources that the target has refused, by its own count.", value(func(t *ImportTotals) int64 { return t.Refused })),
		gauge("import_stale_resources", "Resources that are in the target in an older version, of which it has refused the last.", value(func(t *ImportTotals) int64 { return t.Stale })),
		counter("import_deleted_resources_total", "Resources deleted in the target, since they are deleted in the source.", value(func(t *ImportTotals) int64 { return t.Deleted })),
		counter("import_gone_resources_total", "Resources that were to be deleted in the target, and were not there.", value(func(t *ImportTotals) int64 { return t.Gone })),
		gauge("import_left_resources", "Resources that were to be deleted in the target, and stay: changed since, not to be compared, or refused.", value(func(t *ImportTotals) int64 { return t.Left })),
		{
			"import_job_state", prometheus.GaugeValue, "1 for the state of the target's job that is under way.",
			[]string{"state"},
			func(v snapshot, out emit) {
				now := map[string]int64{}
				if v.Import != nil && v.Import.State != "" {
					now[v.Import.State] = 1
				}
				each(fold(importStates, now), out)
			},
		},
	}
}
