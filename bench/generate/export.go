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
	return writeExport(n, len(e.Objects), 1, func(k int, w *objectWriter) error {
		return e.writeLines(w, e.Objects[k])
	})
}

// WriteLines writes an export of so many data files from lines that fill makes:
// it is called once per data file and hands each line to add, which copies it.
func WriteLines(dir string, objects int, fill func(k int, add func(line []byte) error) error) (Summary, error) {
	const level = 6
	return writeExport(newNames(dir, "", 0), objects, level, func(k int, w *objectWriter) error {
		return fill(k, w.line)
	})
}

func writeExport(n names, objects, level int, fill func(k int, w *objectWriter) error) (Summary, error) {
	s := Summary{Dir: n.dir, ExportID: n.exportID}
	if err := n.prepare(); err != nil {
		return s, err
	}
	for k := range objects {
		w, err := n.create(k, level)
		if err != nil {
			return s, err
		}
		o, err := w.close(fill(k, w))
		if err != nil {
			return s, fmt.Errorf("generate: object %d: %w", k, err)
		}
		s.Objects = append(s.Objects, o)
	}
	return s, n.writeManifests(&s)
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
