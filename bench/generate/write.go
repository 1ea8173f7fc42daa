package generate

import (
	"context"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Write makes the export that the options describe. It returns ctx.Err() when
// cancelled, and leaves what it has written then.
func Write(ctx context.Context, options Options) (Summary, error) {
	o, err := options.withDefaults()
	if err != nil {
		return Summary{}, err
	}
	c, err := newCorpus(o)
	if err != nil {
		return Summary{}, err
	}
	n := newNames(o.Dir, o.Prefix, o.Seed)
	if err := n.prepare(); err != nil {
		return Summary{}, err
	}
	parts, err := writeAll(ctx, c, n)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{
		Dir: o.Dir, ExportID: n.exportID, Resources: int64(o.Resources),
		Types: map[string]int64{}, Statuses: map[string]int64{}, Defects: map[Defect]int64{},
	}
	for _, p := range parts {
		p.addTo(&s)
	}
	return s, n.writeManifests(&s)
}

// Sized returns the options with as many resources as make about so many
// decompressed bytes.
func Sized(o Options, bytes int64) (Options, error) {
	const sample = 3000
	o.Resources = sample
	filled, err := o.withDefaults()
	if err != nil {
		return o, err
	}
	c, err := newCorpus(filled)
	if err != nil {
		return o, err
	}
	m := newRowMaker(c)
	var line []byte
	total := 0
	for i := range sample {
		n := c.versionsOf(i)
		for v := 1; v <= n; v++ {
			r := m.make(i, v, n)
			line = r.appendLine(line[:0])
			total += len(line) + 1
		}
	}
	o.Resources = max(1, int(float64(bytes)*sample/float64(total)))
	return o, nil
}

// part is what one data file adds to the summary.
type part struct {
	object   Object
	types    map[string]int64
	statuses map[string]int64
	defects  map[Defect]int64
	planted  []Planted
}

func (p *part) addTo(s *Summary) {
	s.Objects = append(s.Objects, p.object)
	s.Planted = append(s.Planted, p.planted...)
	addCounts(s.Types, p.types)
	addCounts(s.Statuses, p.statuses)
	addCounts(s.Defects, p.defects)
}

func addCounts[K comparable](to, from map[K]int64) {
	for key, n := range from {
		to[key] += n
	}
}

func writeAll(ctx context.Context, c *corpus, n names) ([]part, error) {
	starts := c.objectStarts()
	parts := make([]part, c.Objects+c.EmptyObjects)
	workers := c.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for k := range parts {
		g.Go(func() error {
			w, err := n.create(k, c.GzipLevel)
			if err != nil {
				return err
			}
			job := objectJob{corpus: c, rows: newRowMaker(c), out: w, part: newPart()}
			if k < c.Objects {
				err = job.write(ctx, k, starts[k], starts[k+1])
			}
			job.part.object, err = w.close(err)
			parts[k] = job.part
			return err
		})
	}
	return parts, g.Wait()
}

func newPart() part {
	return part{types: map[string]int64{}, statuses: map[string]int64{}, defects: map[Defect]int64{}}
}

// objectStarts splits the resources among the objects: object k holds those
// from starts[k] up to starts[k+1]. With a skew their sizes form a geometric
// row, in mixed order.
func (c *corpus) objectStarts() []int {
	sizes := make([]float64, c.Objects)
	total := 0.0
	for k := range sizes {
		sizes[k] = 1
		if c.Objects > 1 {
			sizes[k] = math.Pow(c.Skew, float64(k)/float64(c.Objects-1))
		}
		total += sizes[k]
	}
	r := c.random(forNames)
	for k := len(sizes) - 1; k > 0; k-- {
		j := int(r.below(uint64(k + 1)))
		sizes[k], sizes[j] = sizes[j], sizes[k]
	}
	starts := make([]int, c.Objects+1)
	sum := 0.0
	for k, size := range sizes {
		sum += size
		starts[k+1] = int(math.Round(sum / total * float64(c.Resources)))
	}
	starts[c.Objects] = c.Resources
	return starts
}

// objectJob writes the rows of one data file.
type objectJob struct {
	corpus *corpus
	rows   *rowMaker
	out    *objectWriter
	part   part
	line   []byte
}

func (j *objectJob) write(ctx context.Context, object, from, to int) error {
	middle := (from + to) / 2
	for i := from; i < to; i++ {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if i == middle {
			if err := j.plant(object); err != nil {
				return err
			}
		}
		if err := j.resource(i); err != nil {
			return err
		}
	}
	if from == to {
		return j.plant(object)
	}
	return nil
}

// resource writes all versions of resource i, and perhaps a defect after it.
func (j *objectJob) resource(i int) error {
	name := j.corpus.typeOf(i).name
	n := j.corpus.versionsOf(i)
	for v := 1; v <= n; v++ {
		r := j.rows.make(i, v, n)
		j.line = r.appendLine(j.line[:0])
		j.part.types[name]++
		j.part.statuses[r.statusText()]++
		if err := j.corpus.writeContent(i, v, n, &r); err != nil {
			return err
		}
		if err := j.out.line(j.line); err != nil {
			return err
		}
	}
	r := j.corpus.random(forDefect, uint64(i))
	if float64(r.below(1<<32))/(1<<32) >= j.corpus.Bad {
		return nil
	}
	all := j.corpus.scattered()
	d := all[r.below(uint64(len(all)))]
	j.part.defects[d]++
	return j.rows.writeDefect(j.out, d, j.corpus.Resources+len(j.corpus.Plant)+i)
}

// plant writes the defects that are asked for in this object.
func (j *objectJob) plant(object int) error {
	for k, d := range j.corpus.Plant {
		if k%j.corpus.Objects != object {
			continue
		}
		j.part.planted = append(j.part.planted, Planted{d, j.out.object.Key, j.out.object.Items + 1})
		before := j.out.object.Items
		if err := j.rows.writeDefect(j.out, d, j.corpus.Resources+k); err != nil {
			return err
		}
		j.part.defects[d] += j.out.object.Items - before
	}
	return nil
}
