package metrics

// BinariesStage begins the names of the stages of the binary pipeline.
const BinariesStage = "binaries-"

// StageNames are the stages of the record pipeline, in the order of the data,
// and then those of the binary pipeline.
func StageNames() []string {
	return []string{
		"stage", "inflate", "convert", "merge", "write", "ledger", "cut",
		BinariesStage + "find", BinariesStage + "fetch", BinariesStage + "stage",
		BinariesStage + "write", BinariesStage + "ledger", BinariesStage + "cut",
	}
}

// The closed sets that are known here. A wait is known by its first word: what
// follows names an object, which is no label.
var (
	waitNames  = set([]string{"object", "contents", "files", "cut", "retry", "credentials", "export", "import"})
	stageNames = set(StageNames())
	lockedAges = set([]string{"<1m", "<1h", "<1d", ">=1d", "unknown"})
	phaseNames = set([]string{
		string(PhaseStarting), string(PhaseMoving), string(PhaseFinishing), string(PhaseImporting), string(PhaseVerifying),
		string(PhaseDone), string(PhaseStopped), string(PhaseFailed),
	})
)
