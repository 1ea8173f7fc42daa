package survey

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/split"
)

const (
	sampledObjects = 3
	sampledRecords = 1000 // of each object
	// peekBytes of compressed input hold more than sampledRecords of any usual
	// table, and cost one request.
	peekBytes = 4 << 20
)

// Peek returns up to limit compressed bytes from the beginning of object i, not
// verified.
type Peek func(ctx context.Context, i int, limit int64) ([]byte, error)

// Sample is what the first records of the largest objects are. Counts are
// records; of a record in a job without tenant that belongs to one, only
// MultiTenant knows.
type Sample struct {
	Objects     int              `json:"objects"`
	Records     int64            `json:"records"`
	Written     int64            `json:"written"`
	Filtered    map[string]int64 `json:"filtered"`
	Quarantined map[string]int64 `json:"quarantined"`
	MultiTenant int64            `json:"multi_tenant"`
	Types       map[string]int64 `json:"types"`
	Versions    map[uint32]int64 `json:"versions"`
	// Tenants counts the records of each tenant, in a job of all: "" is for none.
	Tenants     map[string]int64 `json:"tenants,omitempty"`
	SourceBytes int64            `json:"source_bytes"` // decompressed
	OutputBytes int64            `json:"output_bytes"`
	Binaries    int64            `json:"binaries"` // of Written: rows of type Binary

	looked   int64 // bytes of the sampled lines, with their LFs
	mentions metrics.Mentions

	files  map[file]*size // of written records
	tenant string         // of the job
	names  names          // of Binaries written

	// Binary rows that the binary pipeline gets to know, and the bytes of the source
	// lines that are handed over with them.
	stubs, stubBytes int64
}

// Mentions is what the written records mention.
func (s *Sample) Mentions() metrics.Mentions { return s.mentions }

// file is one sequence of output files.
type file struct {
	resourceType string
	version      uint32
	tenant       string
}

type size struct{ records, bytes int64 }

// Take samples the source. An object that cannot be read, or that is broken
// where it was looked at, is an error that names it.
func Take(ctx context.Context, objects []pipeline.Object, options convert.Options, peek Peek) (*Sample, error) {
	converter, err := convert.New(options)
	if err != nil {
		return nil, err
	}
	s := &Sample{
		Filtered: map[string]int64{}, Quarantined: map[string]int64{}, Types: map[string]int64{},
		Versions: map[uint32]int64{}, files: map[file]*size{},
		tenant: options.Tenant, names: names{},
	}
	if options.Tenant == convert.AllTenants {
		s.Tenants = map[string]int64{}
	}
	for _, i := range largest(objects) {
		head, err := peek(ctx, i, min(peekBytes, objects[i].Size))
		if err != nil {
			return nil, err
		}
		if options.Resources && int64(len(head)) < objects[i].Size {
			head = head[:bytes.LastIndexByte(head, '\n')+1] // the last line is cut off
		}
		converter.Version = objects[i].Version
		if err := s.object(converter, options, objects[i], head); err != nil {
			return nil, err
		}
		s.Objects++
	}
	return s, nil
}

// largest returns the numbers of the largest objects that hold records.
func largest(objects []pipeline.Object) []int {
	var numbers []int
	for i := range objects {
		if objects[i].Items > 0 || objects[i].Items == pipeline.Unpromised && objects[i].Size > 0 {
			numbers = append(numbers, i)
		}
	}
	slices.SortStableFunc(numbers, func(a, b int) int { return int(min(1, max(-1, objects[b].Size-objects[a].Size))) })
	return numbers[:min(len(numbers), sampledObjects)]
}

func (s *Sample) object(converter *convert.Converter, options convert.Options, object pipeline.Object, head []byte) error {
	reader := split.NewReader(bytes.NewReader(head), split.Options{Plain: options.Resources})
	var batch split.Batch
	var out []byte
	var record convert.Record
	for left := sampledRecords; left > 0; {
		err := reader.Next(&batch, true)
		if errors.Is(err, io.EOF) || err != nil && int64(len(head)) < object.Size {
			return nil // the end, or the end of what was fetched
		}
		if err != nil {
			return &pipeline.Error{
				Op: "read", Object: object.Key, Kind: pipeline.KindFatal, Err: err,
				Hint: "the object is damaged: copy it again, or export the table again",
			}
		}
		lines := batch.Lines
		if batch.TooLarge != nil {
			lines = lines[:len(lines)-1]
			s.ofTenant(nil)
			s.looked += batch.TooLarge.Length + 1
			s.quarantined(pipeline.TooLarge, metrics.Unreadable)
		}
		for _, line := range lines[:min(left, len(lines))] {
			data := batch.Data[line.Start:line.End]
			s.looked += int64(len(data)) + 1
			out = converter.Convert(out[:0], data, &record)
			s.add(&record, options.Tenant == "", int64(len(data)), int64(len(out)))
		}
		left -= len(batch.Lines)
	}
	return nil
}

// Extrapolate returns about how many records so many bytes of lines hold.
func (s *Sample) Extrapolate(stored int64) int64 {
	if s.looked == 0 {
		return 0
	}
	return int64(float64(stored) / float64(s.looked) * float64(s.Records))
}

func (s *Sample) add(r *convert.Record, singleTenant bool, in, out int64) {
	if singleTenant && r.MultiTenant {
		s.Records++
		s.MultiTenant++
		return
	}
	s.ofTenant(r.Tenant)
	name := metrics.Unreadable
	if r.Type != nil {
		name = string(r.Type)
	}
	s.stub(r, in)
	switch r.Reason.Outcome() {
	case pipeline.Quarantined:
		s.quarantined(r.Reason, name)
		return
	case pipeline.Filtered:
		s.Filtered[r.Reason.String()]++
	case pipeline.Written:
		s.Written++
		s.mentions.Mention(r.Mentions)
		s.OutputBytes += out
		s.binary(r)
		s.file(file{name, r.Version, string(r.Tenant)}).add(out)
	}
	s.Records++
	s.SourceBytes += in
	s.Types[name]++
	s.Versions[r.Version]++
}

func (s *Sample) ofTenant(name []byte) {
	if s.Tenants != nil {
		s.Tenants[string(name)]++
	}
}

func (s *Sample) quarantined(reason pipeline.Reason, name string) {
	s.Records++
	s.Quarantined[reason.String()]++
	s.Types[name]++
}

func (s *Sample) file(f file) *size {
	if s.files[f] == nil {
		s.files[f] = &size{}
	}
	return s.files[f]
}

func (z *size) add(bytes int64) {
	z.records++
	z.bytes += bytes
}
