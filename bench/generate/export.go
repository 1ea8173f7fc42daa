package generate

import "fmt"

// Export is a small export made by hand: a test says every line.
type Export struct {
	// Dir is the export's folder, the one that holds manifest-summary.json.
	Dir string
	// Objects holds the lines of each data file, without line feeds. A line is
	// written as it is, whatever it holds. No line makes an empty file.
	Objects [][]string
	// Prefix is the S3 prefix that the manifest names.
	Prefix string
	// BareKeys leaves the prefix out of the manifest's keys, as one of AWS's own
	// examples has it.
	BareKeys bool
	// Members is how many concatenated gzip members each data file has, its
	// lines spread over them. Default 1.
	Members int
}

// WriteObjects writes an export with these lines, one slice per data file.
func WriteObjects(dir string, objects [][]string) (Summary, error) {
	return Export{Dir: dir, Objects: objects}.Write()
}

// Write writes the export.
func (e Export) Write() (Summary, error) {
	n := newNames(e.Dir, e.Prefix, 0)
	n.bareKeys = e.BareKeys
	s := Summary{Dir: e.Dir, ExportID: n.exportID}
	if err := n.prepare(); err != nil {
		return s, err
	}
	for k, lines := range e.Objects {
		o, err := e.writeObject(n, k, lines)
		if err != nil {
			return s, fmt.Errorf("generate: object %d: %w", k, err)
		}
		s.Objects = append(s.Objects, o)
	}
	return s, n.writeManifests(&s)
}

func (e Export) writeObject(n names, k int, lines []string) (Object, error) {
	w, err := n.create(k, 1)
	if err != nil {
		return Object{}, err
	}
	return w.close(e.writeLines(w, lines))
}

func (e Export) writeLines(w *objectWriter, lines []string) error {
	members := max(1, e.Members)
	for m := range members {
		if m > 0 {
			if err := w.nextMember(); err != nil {
				return err
			}
		}
		for _, line := range lines[m*len(lines)/members : (m+1)*len(lines)/members] {
			if err := w.line([]byte(line)); err != nil {
				return err
			}
		}
	}
	return nil
}
