package metrics

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "fhirhose_"

type (
	emit   = func(value float64, labels ...string)
	family struct {
		name    string // without namespace
		kind    prometheus.ValueType
		help    string
		labels  []string
		collect func(snapshot, emit)
	}
)

func gauge(name, help string, value func(snapshot) float64) family {
	return family{name, prometheus.GaugeValue, help, nil, func(v snapshot, out emit) { out(value(v)) }}
}

func counter(name, help string, value func(snapshot) float64) family {
	return family{name, prometheus.CounterValue, help, nil, func(v snapshot, out emit) { out(value(v)) }}
}

// families is the one list of what is exposed; docs/metrics.md is made from it.
func families() []family {
	var all []family
	for _, part := range [][]family{records(), tenants(), input(), output(), stages(), cuts(), health(), ledger(), binaryFamilies(), imports(), verifyFamilies(), about()} {
		all = append(all, part...)
	}
	return all
}

func records() []family {
	return []family{
		byType("records_read_total", "Records read, by resource type.", func(t *TypeTotals) int64 { return t.Read }),
		byType("records_written_total", "Records written, by resource type.", func(t *TypeTotals) int64 { return t.Written }),
		{
			"records_filtered_total", prometheus.CounterValue, "Records left out by the job's options, by reason.",
			[]string{"reason"},
			func(v snapshot, out emit) { each(fold(v.labels.reasons, v.FilteredByReason()), out) },
		},
		{
			"records_quarantined_total", prometheus.CounterValue, "Records that could not be moved and were stored with the reason.",
			[]string{"reason"},
			func(v snapshot, out emit) { each(fold(v.labels.reasons, v.QuarantinedByReason()), out) },
		},
		byType("read_bytes_total", "Decompressed source bytes read, by resource type.", func(t *TypeTotals) int64 { return t.BytesRead }),
		byType("written_bytes_total", "NDJSON bytes written, by resource type.", func(t *TypeTotals) int64 { return t.BytesWritten }),
		{
			"locked_records_total", prometheus.CounterValue, "LOCKED records written, by their age at export time.",
			[]string{"age"},
			func(v snapshot, out emit) { each(fold(lockedAges, v.LockedAges), out) },
		},
		counter("unknown_attributes_total", "Top-level attributes that are neither FHIR nor FHIR Works; they were kept.",
			func(v snapshot) float64 { return float64(sum(v.UnknownAttributes)) }),
		counter("no_last_updated_total", "Records written although their meta.lastUpdated could not be read.",
			func(v snapshot) float64 { return float64(v.NoLastUpdated) }),
	}
}

func tenants() []family {
	byTenant := func(name, help string, value func(*TenantTotals) int64) family {
		return family{"tenant_" + name, prometheus.CounterValue, help, []string{"tenant"}, func(v snapshot, out emit) {
			each(foldTenants(v.Tenants, value), out)
		}}
	}
	return []family{
		gauge("tenants", "Tenants of which a record was read, in a job that moves all; all metrics of tenants are 0 or absent in any other.",
			func(v snapshot) float64 { return float64(len(v.TenantNames())) }),
		byTenant("records_read_total", "Records read, by tenant.", func(t *TenantTotals) int64 { return t.Read }),
		byTenant("records_written_total", "Records written, by tenant.", func(t *TenantTotals) int64 { return t.Written }),
		byTenant("records_filtered_total", "Records left out by the job's options, by tenant.", func(t *TenantTotals) int64 { return t.Filtered }),
		byTenant("records_quarantined_total", "Records that could not be moved, by tenant.", func(t *TenantTotals) int64 { return t.Quarantined }),
		byTenant("written_bytes_total", "NDJSON bytes written, by tenant.", func(t *TenantTotals) int64 { return t.BytesWritten }),
		byTenant("folders_total", "Folders of the output, by tenant.", func(t *TenantTotals) int64 { return int64(t.Folders) }),
	}
}

func input() []family {
	return []family{
		gauge("objects", "Input objects of the job.", func(v snapshot) float64 { return float64(v.Objects) }),
		counter("objects_done_total", "Input objects read to their end.", func(v snapshot) float64 { return float64(v.ObjectsDone) }),
		gauge("input_bytes", "Compressed bytes of all input objects.", func(v snapshot) float64 { return float64(v.InputBytes) }),
		counter("input_done_bytes_total", "Compressed bytes read, by all processes of the job.", func(v snapshot) float64 { return float64(v.InputBytesDone) }),
		gauge("input_skipped_bytes", "Compressed bytes that were done before this process started.", func(v snapshot) float64 { return float64(v.InputSkipped) }),
		gauge("input_left_bytes", "Compressed bytes still to be read.", func(v snapshot) float64 { return float64(v.BytesLeft()) }),
		counter("staged_bytes_total", "Compressed bytes fetched or hashed by this process.", func(v snapshot) float64 { return float64(v.StagedBytes) }),
		counter("inflated_bytes_total", "Bytes that came out of decompression.", func(v snapshot) float64 { return float64(v.InflatedBytes) }),
		counter("reinflated_bytes_total", "Bytes decompressed again to find the position at which to resume.", func(v snapshot) float64 { return float64(v.ReinflateBytes) }),
	}
}

func output() []family {
	return []family{
		counter("files_total", "Output files that were ever opened.", func(v snapshot) float64 { return float64(v.Files) }),
		counter("files_sealed_total", "Output files that are whole and visible.", func(v snapshot) float64 { return float64(v.FilesSealed) }),
		gauge("open_files", "Output files that are being written.", func(v snapshot) float64 { return float64(v.OpenFiles) }),
		counter("folders_total", "Folders of the output, over all versions.", func(v snapshot) float64 {
			n := 0
			for _, count := range v.Folders {
				n += count
			}
			return float64(n)
		}),
	}
}

func stages() []family {
	perStage := func(value func(Stage) float64) func(snapshot, emit) {
		return func(v snapshot, out emit) {
			for _, s := range v.Stages {
				if stageNames[s.Name] {
					out(value(s), s.Name)
				}
			}
		}
	}
	return []family{
		{"stage_busy_seconds_total", prometheus.CounterValue, "Time that a stage worked, summed over its goroutines.", []string{"stage"}, perStage(func(s Stage) float64 { return s.Busy })},
		{"stage_queue_depth", prometheus.GaugeValue, "Items that wait before a stage.", []string{"stage"}, perStage(func(s Stage) float64 { return float64(s.Queue) })},
		{"stage_queue_capacity", prometheus.GaugeValue, "Items that can wait before a stage.", []string{"stage"}, perStage(func(s Stage) float64 { return float64(s.Capacity) })},
		gauge("in_flight_bytes", "Bytes that the byte budget has given out.", func(v snapshot) float64 { return float64(v.BytesInFlight) }),
		gauge("memory_limit_bytes", "limits.memory of the job.", func(v snapshot) float64 { return float64(v.MemoryLimit) }),
	}
}

func cuts() []family {
	return []family{
		counter("cuts_total", "Cuts committed by this process.", func(v snapshot) float64 { return float64(v.Cuts) }),
		counter("cut_seconds_total", "Time spent in cuts by this process.", func(v snapshot) float64 { return v.CutSeconds }),
		gauge("last_cut_seconds", "How long the last cut took.", func(v snapshot) float64 { return v.LastCutLength }),
		gauge("last_cut_age_seconds", "Time since the last cut; -1 before the first.", func(v snapshot) float64 { return v.age(v.LastCut) }),
	}
}

func health() []family {
	return []family{
		{
			"retries_total", prometheus.CounterValue, "Retries by this process, by cause.",
			[]string{"cause"},
			func(v snapshot, out emit) { each(fold(v.labels.retries, v.Retries), out) },
		},
		gauge("progress_age_seconds", "Time since the pipeline last got on; -1 before it first did.", func(v snapshot) float64 { return v.age(v.LastProgress) }),
		gauge("retry_wait_age_seconds", "Time since the last wait before a retry; -1 if there was none.", func(v snapshot) float64 { return v.age(v.LastRetryWait) }),
		{"waiting", prometheus.GaugeValue, "1 for what the pipeline waits for now.", []string{"for"}, func(v snapshot, out emit) {
			now := map[string]int64{}
			if what, _, _ := strings.Cut(v.WaitingFor, " "); what != "" {
				now[what] = 1
			}
			each(fold(waitNames, now), out)
		}},
		{"phase", prometheus.GaugeValue, "1 for the phase that the job is in.", []string{"phase"}, func(v snapshot, out emit) {
			each(fold(phaseNames, map[string]int64{string(v.Phase): 1}), out)
		}},
		gauge("ready", "1 if /readyz says that the job gets on.", func(v snapshot) float64 {
			if v.Ready(v.now) {
				return 1
			}
			return 0
		}),
		gauge("state_free_bytes", "Free space of the file system that holds state; -1 unknown.", func(v snapshot) float64 { return float64(v.StateFree) }),
		gauge("elapsed_seconds", "Time that all processes of the job worked.", func(v snapshot) float64 { return v.Elapsed }),
	}
}

func ledger() []family {
	value := func(get func(*LedgerTotals) int64) func(snapshot) float64 {
		return func(v snapshot) float64 {
			if v.Ledger == nil {
				return 0
			}
			return float64(get(v.Ledger))
		}
	}
	return []family{
		gauge("ledger_entries", "Entries of the ledger; like all of the ledger's metrics, 0 until it is read at the job's end.", value(func(l *LedgerTotals) int64 { return l.Entries })),
		gauge("ledger_bytes", "Size of the ledger.", value(func(l *LedgerTotals) int64 { return l.Bytes })),
		gauge("ledger_resources", "Different resources.", value(func(l *LedgerTotals) int64 { return l.Resources })),
		gauge("ledger_deleted", "Resources that are truly deleted: their last committed version is DELETED.", value(func(l *LedgerTotals) int64 { return l.Deleted })),
		gauge("ledger_unsettled", "Resources whose last committed version was not written.", value(func(l *LedgerTotals) int64 { return l.Unsettled })),
		gauge("ledger_ambiguous", "Ids that are used by more than one type.", value(func(l *LedgerTotals) int64 { return l.Ambiguous })),
		gauge("ledger_duplicates", "Records that came more than once.", value(func(l *LedgerTotals) int64 { return l.Duplicates })),
		gauge("ledger_version_holes", "Versions that are missing below the last one.", value(func(l *LedgerTotals) int64 { return l.VersionHoles })),
		gauge("ledger_unidentified", "Records without a readable identity.", value(func(l *LedgerTotals) int64 { return l.Unidentified })),
	}
}

func about() []family {
	return []family{
		{
			"build_info", prometheus.GaugeValue, "Always 1; the labels name the release and its format version.",
			[]string{"version", "format_version"},
			func(v snapshot, out emit) { out(1, v.Build, strconv.Itoa(v.Format)) },
		},
	}
}

// byType sums per type label: several unknown types may share "other".
func byType(name, help string, value func(*TypeTotals) int64) family {
	return family{name, prometheus.CounterValue, help, []string{"type"}, func(v snapshot, out emit) {
		counts := map[string]int64{}
		for name, t := range v.Types {
			counts[typeLabel(name)] += value(t)
		}
		each(counts, out)
	}}
}

func each(counts map[string]int64, out emit) {
	for label, n := range counts {
		out(float64(n), label)
	}
}
