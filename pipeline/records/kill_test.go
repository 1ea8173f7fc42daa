package records_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

func TestMain(m *testing.M) {
	os.Exit(recordstest.Main(m.Run, func(text []byte) (recordstest.Place, error) {
		var p vault // or a disk: its jobs open no contents
		return p, json.Unmarshal(text, &p)
	}))
}

func TestKillAtEveryPoint(t *testing.T) {
	recordstest.KillAtEveryPoint(t, jobsOver(recordstest.SmallExport(t)),
		"stage", "staged", "write", "written", "fsync", "rename", "renamed", "syncdir", "commit", "committed")
}

func TestKillAtRandomMoments(t *testing.T) {
	recordstest.KillAtRandomMoments(t, jobsOver(recordstest.SmallExport(t)), 25)
}
