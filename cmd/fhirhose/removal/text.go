package removal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline"
)

// named bounds the names of files that stay.
const named = 5

// namedTenants bounds the tenants that have a line of their own.
const namedTenants = 50

// Lines say what goes and what stays, for people.
func (p *Plan) Lines() []string {
	var lines []string
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	line("--restart removes")
	line("  sink   %s: %s", p.options.Output, p.own.text())
	announced, files := p.own.announced, p.own.files
	for i, t := range p.tenants {
		announced, files = announced || t.announced, files+t.files
		if i < namedTenants {
			line("  tenant %s: %s", t.tenant, t.text())
		}
	}
	if rest := p.tenants[min(namedTenants, len(p.tenants)):]; len(rest) > 0 {
		var sum place
		for _, t := range rest {
			sum.files, sum.folders, sum.bytes = sum.files+t.files, sum.folders+t.folders, sum.bytes+t.bytes
		}
		line("  and %s more: %s", human.Plural(int64(len(rest)), "tenant"), sum.text())
	}
	line("  state  %s: %s", p.options.State, human.Bytes(p.stateBytes))
	for _, note := range p.notes {
		line("  note   %s", note)
	}
	if announced {
		line("  note   the job is finished, and migration_output.json announces its files: no import may be reading them")
	}
	if files > 0 {
		for _, remains := range p.options.Remains {
			line("  note   %s", remains)
		}
	}
	if len(p.left) > 0 {
		line("It leaves, since this run did not write it")
		line("  %s", strings.Join(p.left[:min(named, len(p.left))], ", ")+more(len(p.left)-named))
	}
	return lines
}

// text says what goes there.
func (p *place) text() string {
	if p.other {
		return "another run's, it stays"
	}
	return fmt.Sprintf("%s in %s, %s", human.Plural(p.files, "file"),
		human.Plural(int64(p.folders), "folder"), human.Bytes(p.bytes))
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %s more", human.Count(int64(n)))
}

// words says what is wrong with a checkpoint that is about to go.
func words(err error) string {
	if errors.Is(err, checkpoint.ErrCondemned) {
		return "an earlier --restart was interrupted; this one goes on with it"
	}
	if e, ok := errors.AsType[*pipeline.Error](err); ok && e.Kind == pipeline.KindCheckpoint {
		return "the checkpoint: " + e.Err.Error()
	}
	return err.Error()
}
