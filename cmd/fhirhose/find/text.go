package find

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
)

// WriteJSON writes answers, one line each.
func WriteJSON(out io.Writer, answers []*Answer) error {
	to := json.NewEncoder(out)
	to.SetEscapeHTML(false)
	for _, a := range answers {
		if err := to.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// WriteText writes answers for people.
func WriteText(out io.Writer, answers []*Answer) error {
	var b strings.Builder
	for _, a := range answers {
		a.write(&b)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (a *Answer) write(b *strings.Builder) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format+"\n", args...) }
	where := ""
	if a.Tenant != "" {
		where = " of tenant " + a.Tenant
	}
	if !a.Known {
		line("%s%s: the ledger does not know it", a.Asked, where)
		a.Live.write(line)
		return
	}
	line("%s/%s%s: %s", a.Type, a.ID, where, strings.Join(a.words(), "; "))
	for i := range a.Versions {
		v := &a.Versions[i]
		line("  v%d  %s  %s  %s", v.Version, v.Status, orUnknown(v.LastUpdated), strings.Join(v.words(), "; "))
	}
	switch d := a.Deletion; {
	case d == nil:
	case d.Done:
		line("  delete applied, or it was gone already")
	default:
		line("  not deleted in the target: %s", d.Reason)
	}
	for _, v := range a.Verified {
		line("  verification %s: %s", v.Mode, strings.Join(v.words(), "; "))
	}
	a.Live.write(line)
}

func (v *Verified) words() []string {
	all := []string{v.Class}
	if v.Cause != "" {
		all[0] += " (" + v.Cause + ")"
	}
	if v.Explained != nil {
		all = append(all, verification.DifferenceWords(v.Explained, v.Mode))
	}
	if v.Object != "" {
		all = append(all, fmt.Sprintf("%s, line %d", v.Object, v.Line))
	}
	if v.Ended.IsZero() {
		return append(all, "it has not come to its end")
	}
	return append(all, "ended "+v.Ended.Format(time.RFC3339))
}

func (l *Live) write(line func(string, ...any)) {
	switch {
	case l == nil:
	case l.Cause != "":
		line("  the target now: %s (%s)", l.Class, l.Cause)
	case l.Explained != nil:
		line("  the target now: %s; %s", l.Class, verification.DifferenceWords(l.Explained, verification.Full))
	default:
		line("  the target now: %s", l.Class)
	}
}

func orUnknown(at string) string {
	if at == "" {
		return "(no readable lastUpdated)"
	}
	return at
}

// fates says what a fate means for the target.
var fates = map[string]string{
	"live":        "live: the target must hold its last version",
	"deleted":     "deleted: the target must not hold it",
	"unsettled":   "unsettled: its last version was not written, so it is never deleted and never equal",
	"uncommitted": "uncommitted: the source never showed it",
}

func (a *Answer) words() []string {
	all := []string{fates[a.Fate]}
	if a.Ambiguous {
		all = append(all, "another type uses the same id, so it is never deleted in a target")
	}
	if a.Duplicates > 0 {
		all = append(all, fmt.Sprintf("duplicate rows: %d", a.Duplicates))
	}
	if a.Holes > 0 {
		all = append(all, fmt.Sprintf("versions that were not in the export: %d", a.Holes))
	}
	return all
}

func (v *Version) words() []string {
	source := fmt.Sprintf("record %d of %s", v.Record, v.Object)
	if v.Reason != "" {
		return []string{v.Outcome + ": " + v.Reason, source}
	}
	all := []string{fmt.Sprintf("%s, line %d", v.File, v.Line), source}
	imported := v.Import != nil && v.Import.Done
	switch i, r := v.Import, v.Refused; {
	case i == nil:
	case r != nil && !r.Perhaps:
		all = append(all, "job "+i.Job+" of the target refused it: "+r.Reason+", told in "+r.Where)
		imported = false
	case i.Job == "":
		all = append(all, "an import is about to be started")
	case !i.Done:
		all = append(all, "job "+i.Job+" ("+i.Status+") has not brought it in yet")
	}
	if imported {
		all = append(all, "imported by job "+v.Import.Job+" ("+v.Import.Status+")")
	}
	if r := v.Refused; r != nil && r.Perhaps {
		all = append(all, "the target refused this line or a neighbour: "+r.Reason+", told in "+r.Where)
	}
	return all
}
