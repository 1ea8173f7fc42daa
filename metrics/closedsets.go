package metrics

// StageNames are the stages of the record pipeline, in the order of the data.
func StageNames() []string {
	return []string{"stage", "inflate", "convert", "merge", "write", "cut"}
}

// The closed sets that are known here.
var (
	stageNames = set(StageNames())
	lockedAges = set([]string{"<1m", "<1h", "<1d", ">=1d", "unknown"})
	phaseNames = set([]string{
		string(PhaseStarting), string(PhaseMoving), string(PhaseFinishing),
		string(PhaseDone), string(PhaseStopped), string(PhaseFailed),
	})
)
