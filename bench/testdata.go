package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// synthea makes an export of real Synthea output (synthea-r4.ndjson.gz below
// the FHIRHOSE_TESTDATA folder): each resource as FHIR Works would store it,
// copied under new ids until it has the wanted size.
func (s *settings) synthea() (input, error) {
	const objects = 16
	dir := filepath.Join(s.data, "input", "synthea")
	key := generate.Options{Dir: dir, Resources: int(s.size), Objects: objects}
	if in, ok := cached(dir, key); ok {
		return in, nil
	}
	rows, total, err := syntheaRows(filepath.Join(s.testdata, "synthea-r4.ndjson.gz"))
	if err != nil {
		return input{}, err
	}
	copies := max(1, int(int64(s.size)/int64(total)))
	var line []byte
	made, err := generate.WriteLines(dir, objects, func(k int, add func([]byte) error) error {
		for copy := k; copy < copies; copy += objects {
			for i, r := range shuffled(rows, copy) {
				line = r.appendLine(line[:0], copy, i)
				if err := add(line); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return input{}, err
	}
	return remember("synthea", made, key)
}

// storedRow is a resource as DynamoDB JSON around its id.
type storedRow struct {
	before, after []byte // the id stands between them
	references    []byte
}

func syntheaRows(path string) (rows []storedRow, total int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = file.Close() }()
	zip, err := gzip.NewReader(file)
	if err != nil {
		return nil, 0, err
	}
	scan := bufio.NewScanner(zip)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() {
		r, err := newStoredRow(scan.Bytes())
		if err != nil {
			return nil, 0, err
		}
		rows = append(rows, r)
		total += len(r.appendLine(nil, 0, 0)) + 1
	}
	return rows, total, scan.Err()
}

func newStoredRow(resource []byte) (storedRow, error) {
	t := tagger{dec: json.NewDecoder(bytes.NewReader(resource))}
	t.dec.UseNumber()
	body, err := t.value(nil, "")
	if err != nil {
		return storedRow{}, err
	}
	body = body[len(`{"M":`) : len(body)-2] // the object without its last brace
	mark := []byte(`"id":{"S":"`)
	at := bytes.Index(body, mark)
	if at < 0 {
		return storedRow{}, fmt.Errorf("a resource has no id")
	}
	at += len(mark)
	end := at + bytes.IndexByte(body[at:], '"')
	return storedRow{before: body[:at], after: body[end:], references: t.references}, nil
}

// appendLine appends the row of a copy: a new id, version 1, AVAILABLE.
func (r storedRow) appendLine(dst []byte, copy, i int) []byte {
	h := rowHash(copy, i)
	dst = append(append(dst, `{"Item":`...), r.before...)
	dst = append(dst, rowID(h)...)
	dst = append(dst, r.after...)
	at := int64(h[0])<<16 | int64(h[1])<<8 | int64(h[2])
	dst = fmt.Appendf(dst, `,"vid":{"N":"1"},"meta":{"M":{"versionId":{"S":"1"},"lastUpdated":{"S":"2023-0%d-1%dT1%d:%02d:%02d.%03dZ"}}}`,
		at%9+1, at%7, at%10, at%60, at/60%60, at/3600%1000)
	dst = fmt.Appendf(dst, `,"documentStatus":{"S":"AVAILABLE"},"lockEndTs":{"N":"%d"},"_references":{"L":[`, 1690000000000+at*1000)
	return append(append(dst, r.references...), `]}}}`...)
}

// shuffled returns the rows in an order that depends on the copy, because an
// export is ordered by the hash of the id.
func shuffled(rows []storedRow, copy int) []storedRow {
	mixed := append([]storedRow(nil), rows...)
	state := uint64(copy)*2654435761 + 1
	for i := len(mixed) - 1; i > 0; i-- {
		state = state*6364136223846793005 + 1442695040888963407
		j := int(state >> 33 % uint64(i+1))
		mixed[i], mixed[j] = mixed[j], mixed[i]
	}
	return mixed
}

// tagger turns plain JSON into DynamoDB JSON in the order of the source.
type tagger struct {
	dec        *json.Decoder
	references []byte
}

func (t *tagger) value(dst []byte, key string) ([]byte, error) {
	token, err := t.dec.Token()
	if err != nil {
		return dst, err
	}
	switch v := token.(type) {
	case json.Delim:
		return t.nested(dst, v)
	case json.Number:
		return fmt.Appendf(dst, `{"N":"%s"}`, v), nil
	case bool:
		return fmt.Appendf(dst, `{"BOOL":%t}`, v), nil
	case string:
		start := len(dst)
		dst = append(appendQuoted(append(dst, `{"S":`...), v), '}')
		if key == "reference" {
			if len(t.references) > 0 {
				t.references = append(t.references, ',')
			}
			t.references = append(t.references, dst[start:]...)
		}
		return dst, nil
	default:
		return append(dst, `{"NULL":true}`...), nil
	}
}

func (t *tagger) nested(dst []byte, open json.Delim) ([]byte, error) {
	kind, end := `{"M":{`, byte('}')
	if open == '[' {
		kind, end = `{"L":[`, ']'
	}
	dst = append(dst, kind...)
	for first := true; t.dec.More(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		key := ""
		if open == '{' {
			token, err := t.dec.Token()
			if err != nil {
				return dst, err
			}
			key = token.(string)
			dst = append(appendQuoted(dst, key), ':')
		}
		var err error
		if dst, err = t.value(dst, key); err != nil {
			return dst, err
		}
	}
	if _, err := t.dec.Token(); err != nil && err != io.EOF {
		return dst, err
	}
	return append(dst, end, '}'), nil
}

func appendQuoted(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a bytes.Buffer takes every string
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
