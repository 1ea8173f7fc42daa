package healthlake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// migrated is a source whose versions were all sent to the simulation, and what
// each mode is to find of each resource, known from how it was damaged.
type migrated struct {
	*rig
	store   *healthlake.Store
	random  *rand.Rand
	entries []ledger.Entry
	classes map[verify.Class]int64 // of current versions
	past    map[verify.Class]int64 // of histories
}

// line is a version of a resource.
func line(typ, id string, version, value int) string {
	return fmt.Sprintf(`{"resourceType":%q,"id":%q,"note":"version %d","value":%d.1234567890123456789,"data":"QUJDRA==",`+
		`"meta":{"security":[{"code":"R"},{"code":"V"}],"tag":[{"display":"2020-01-01T00:00:00Z","code":"originalLastUpdated"}]}}`, typ, id, version, value)
}

func (m *migrated) version(typ, id string, version int, text string, deleted bool) {
	m.Helper()
	var d digest.Digester
	sums, reason := d.Resource([]byte(text))
	if reason != pipeline.NoReason {
		m.Fatal(reason)
	}
	status := pipeline.Available
	if deleted {
		status = pipeline.Deleted
	}
	m.entries = append(m.entries, ledger.Entry{
		Type: []byte(typ), ID: []byte(id), Version: uint32(version), Status: status, Content: sums.Content, Label: sums.Label,
	})
	m.batch(m.store, healthlake.Entry{Method: "PUT", Type: typ, ID: id, Body: []byte(text)})
}

// defects damage a resource in the target, and say what is to be found of it as
// it is now and in its history.
var defects = []struct {
	name      string
	deleted   bool // in the source
	sends     bool // and the delete is applied
	edit      func(stored, previous []byte) []byte
	now, past verify.Class
}{
	{"none", false, false, nil, verify.Equal, verify.Equal},
	{"a proven delete (WV1)", true, true, nil, verify.DeletedGone, verify.DeletedGone},
	{"lost delete (WV1)", true, false, nil, verify.DeletedPresent, verify.DeletedPresent},
	{"changed field", false, false, replace(`"note":"`, `"note":"not `), verify.Different, verify.Different},
	{"missing", false, false, func(_, _ []byte) []byte { return nil }, verify.Missing, verify.Missing},
	{"truncated Binary (WV1)", false, false, replace(`"QUJDRA=="`, `"QUJD"`), verify.Different, verify.Different},
	{"lost digit (WV6)", false, false, replace(`0123456789,`, `012345679,`), verify.Different, verify.Different},
	{"lost security label (WV4)", false, false, replace(`,{"code":"V"}`, ``), verify.LabelLost, verify.LabelLost},
	{"stale version (WV2)", false, false, func(_, previous []byte) []byte { return previous }, verify.KnownStale, verify.KnownStale},
}

func replace(old, with string) func(stored, previous []byte) []byte {
	return func(stored, _ []byte) []byte { return bytes.Replace(stored, []byte(old), []byte(with), 1) }
}

// add sends a random history and damages it.
func (m *migrated) add(n int) {
	m.Helper()
	defect := defects[m.random.IntN(len(defects))]
	typ, id := []string{"Patient", "Binary"}[m.random.IntN(2)], fmt.Sprint(secretID, n)
	versions := 2 + m.random.IntN(3)
	var previous []byte
	for v := 1; v <= versions; v++ {
		if v == versions {
			previous = m.simulation.Current(healthlaketest.DatastoreID)[typ+"/"+id]
		}
		m.version(typ, id, v, line(typ, id, v, m.random.IntN(1e6)), defect.deleted && v == versions)
		if m.random.IntN(4) == 0 { // a folder is imported again
			m.batch(m.store, healthlake.Entry{Method: "PUT", Type: typ, ID: id, Body: m.simulation.Current(healthlaketest.DatastoreID)[typ+"/"+id]})
		}
	}
	if defect.sends {
		m.batch(m.store, healthlake.Entry{Method: "DELETE", Type: typ, ID: id})
	}
	if defect.edit != nil {
		m.simulation.Edit(healthlaketest.DatastoreID, typ+"/"+id, func(stored []byte) []byte { return defect.edit(stored, previous) })
		// A history that holds the last version once more, from a repeated import, is whole.
		if versions, err := m.store.History(m.Context(), typ, id); err == nil && len(versions) > 1 && m.isLast(versions[1].Body) {
			m.classes[defect.now]++
			m.past[verify.Equal]++
			return
		}
	}
	m.classes[defect.now]++
	m.past[defect.past]++
}

// isLast tells whether a body is the version that was sent last.
func (m *migrated) isLast(body []byte) bool {
	var d digest.Digester
	sums, _ := d.Resource(body)
	last := &m.entries[len(m.entries)-1]
	return sums.Content == last.Content && sums.Label == last.Label
}

func (m *migrated) book() *ledger.Ledger {
	m.Helper()
	var rows []byte
	for i := range m.entries {
		rows = ledger.AppendRow(rows, &m.entries[i])
	}
	var sealed bytes.Buffer
	_, err := ledger.Seal(&sealed, rows, len(m.entries))
	m.check(err)
	book, err := ledger.Open(m.Context(), []ledger.File{bytes.NewReader(sealed.Bytes())})
	m.check(err)
	return book
}

func (m *migrated) inquiry(imported time.Time) *verify.Inquiry {
	return &verify.Inquiry{
		Options: verify.Options{Dir: m.dir + "/work", Imported: imported}, Lag: 10 * time.Minute,
		Report: func(f *verify.Finding) error {
			if f.Class.OK() || !strings.HasPrefix(string(f.Source.ID), secretID) {
				m.Errorf("%+v", f)
			}
			return nil
		},
		Commit: func(*verify.Progress) error { return nil },
	}
}

func classes(p *verify.Progress) map[verify.Class]int64 {
	all := map[verify.Class]int64{}
	for _, of := range p.Types {
		for class, n := range of {
			if n > 0 {
				all[verify.Class(class)] += n
			}
		}
	}
	return all
}

// TestVerifyOverREST: random histories go through the simulation, some are
// damaged, and both modes find exactly what was done, named; though answers fail
// and histories are late.
func TestVerifyOverREST(t *testing.T) {
	for seed := range uint64(8) {
		bubble(t, healthlaketest.Options{}, func(r *rig) {
			m := &migrated{
				rig: r, store: r.opened(), random: rand.New(rand.NewPCG(seed, 1)),
				classes: map[verify.Class]int64{}, past: map[verify.Class]int64{},
			}
			for n := range 40 {
				m.add(n)
			}
			imported := time.Now()
			time.Sleep(time.Minute)
			m.version("Patient", secretID+"later", 1, line("Patient", secretID+"later", 1, 1), false)
			m.batch(m.store, healthlake.Entry{Method: "PUT", Type: "Patient", ID: secretID + "later", Body: []byte(line("Patient", secretID+"later", 9, 9))})
			m.classes[verify.ChangedAfterImport]++
			m.past[verify.Equal]++
			r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
				traps.HistoryLag, traps.ThrottleEvery = 5*time.Minute, 7
				traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
					return map[int]healthlaketest.Fault{5: healthlaketest.Truncated, 9: healthlaketest.ServerError, 12: healthlaketest.Reset}[c.N%20]
				}
			})
			book := m.book()
			var now, past verify.Progress
			r.check(m.inquiry(imported).Current(r.Context(), book, m.store.Answers(), &now))
			r.check(m.inquiry(imported).Histories(r.Context(), book, m.store.Answers(), &past))
			if got := classes(&now); !maps.Equal(got, m.classes) {
				r.Errorf("now:\nfound   %v\nplanted %v", got, m.classes)
			}
			if got := classes(&past); !maps.Equal(got, m.past) {
				r.Errorf("histories:\nfound   %v\nplanted %v", got, m.past)
			}
		})
	}
}

// TestAnswersOfAnySize: what Read refuses, a verification reads as a stream.
func TestAnswersOfAnySize(t *testing.T) {
	bubble(t, healthlaketest.Options{}, func(r *rig) {
		store := r.opened()
		body := `{"data":"` + strings.Repeat("A", 70<<20) + `"}`
		r.simulation.Edit(healthlaketest.DatastoreID, "Binary/"+secretID, func([]byte) []byte { return []byte(body) })
		var n int64
		exists, err := store.Answers().Read(r.Context(), "Binary", secretID, func(in io.Reader) (err error) {
			n, err = io.Copy(io.Discard, in)
			return err
		})
		r.check(err)
		if !exists || n != int64(len(body)) {
			r.Errorf("%d bytes of %d", n, len(body))
		}
		local := &pipeline.Error{Op: "keep", Kind: pipeline.KindRetryLater, Err: errors.New("the disk is full")}
		began := time.Now()
		_, err = store.Answers().Read(r.Context(), "Binary", secretID, func(io.Reader) error { return local })
		if !errors.Is(err, local) || time.Since(began) > time.Minute {
			r.Errorf("what failed here is asked for again: %v", err)
		}
		r.fault(healthlaketest.Truncated, "read")
		_, err = store.Answers().Read(r.Context(), "Binary", secretID, func(in io.Reader) error {
			_, err := io.Copy(io.Discard, in)
			return err
		})
		r.fails(err, pipeline.KindRetryLater, "the connection failed")
	})
}
