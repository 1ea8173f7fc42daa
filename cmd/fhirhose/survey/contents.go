package survey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Contents is what a look at the binary bucket tells. Sizes are bytes.
type Contents struct {
	Location string  `json:"location"`
	Objects  int64   `json:"objects"`
	Bytes    int64   `json:"bytes"`
	AtLeast  bool    `json:"at_least"`     // the listing took too long: there is more
	Encoded  int64   `json:"base64_bytes"` // of the objects within the cap
	Largest  int64   `json:"largest_bytes"`
	OverCap  int64   `json:"over_file_cap"` // objects that no file can hold in base64
	Erased   int64   `json:"noncurrent"`    // objects that are noncurrent only
	Hidden   bool    `json:"versions_hidden"`
	Folders  int     `json:"folders"`      // of Binaries, if every object is named by a row
	Hours    float64 `json:"import_hours"` // of these
	// Rows are the sampled ones by what becomes of them; null where that is not
	// known.
	Rows *RowContents `json:"sampled_rows"`

	largestKept int64             // of those within the cap
	one         *pipeline.Content // to prove that it can be read
}

// RowContents are sampled Binary rows by what becomes of them.
type RowContents struct {
	Found     int64 `json:"found"`
	Recovered int64 `json:"recovered"` // from noncurrent objects
	Erased    int64 `json:"content_erased_at_source"`
	Missing   int64 `json:"missing"`
	Ambiguous int64 `json:"ambiguous"`
}

// ContentsOptions are the settings that decide what becomes of contents.
type ContentsOptions struct {
	Prefix  string // of the keys of the job: "" or "<tenant>/"
	MaxLine int64  // longest line that a file of Binaries can hold
	Spool   int64  // room for one content at least
	Recover bool   // source.recover_deleted

	Patience time.Duration // with the listing
	// Quick tells that the lister finds the objects of a prefix without those
	// before it: sampled rows are looked up even if the listing is not whole.
	Quick bool
}

// Lister calls f for each object of a binary bucket whose key begins with prefix,
// and for each that is noncurrent only: see Walk of package binarybucket.
type Lister func(ctx context.Context, prefix string, f func(c pipeline.Content, current bool) error) (hidden bool, err error)

// errEnough ends a listing that takes too long.
var errEnough = errors.New("the listing takes too long")

// quickRows is how many sampled rows are looked up one by one.
const quickRows = 100

// LookAtContents lists the binary bucket through list, for as long as it may, and
// looks the sampled rows up in it. The content that it returns, if any, is one to
// prove reading with.
func (r *Result) LookAtContents(ctx context.Context, at string, list Lister, o ContentsOptions) *pipeline.Content {
	c := &Contents{Location: at}
	names := names{}
	if r.Sample != nil {
		names = r.Sample.names
	}
	if err := c.list(ctx, list, names, o); err != nil {
		if ctx.Err() == nil {
			r.Fail(err)
		}
		return nil
	}
	r.Contents = c
	r.judgeContents(c, o)
	return c.one
}

// list counts what is there, and looks names up in it.
func (c *Contents) list(ctx context.Context, list Lister, names names, o ContentsOptions) (err error) {
	within, cancel := context.WithTimeoutCause(ctx, o.Patience, errEnough)
	defer cancel()
	c.Hidden, err = list(within, o.Prefix, func(content pipeline.Content, current bool) error {
		c.add(content, current, names, o.MaxLine)
		return nil
	})
	if !errors.Is(context.Cause(within), errEnough) {
		c.Rows = names.outcomes(o.Recover)
		return err
	}
	c.AtLeast = true
	if !o.Quick {
		return nil
	}
	some := names.some(quickRows)
	for name := range some {
		_, err := list(ctx, name, func(content pipeline.Content, current bool) error {
			some.see(content.Key, current)
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.Rows = some.outcomes(o.Recover)
	return nil
}

func (c *Contents) add(content pipeline.Content, current bool, names names, maxLine int64) {
	names.see(content.Key, current)
	if !current {
		c.Erased++
		return
	}
	c.Objects++
	c.Bytes += content.Size
	c.Largest = max(c.Largest, content.Size)
	encoded := (content.Size + 2) / 3 * 4
	if encoded > maxLine {
		c.OverCap++
		return
	}
	c.Encoded += encoded
	c.largestKept = max(c.largestKept, content.Size)
	if c.one == nil {
		c.one = &content
	}
}

// judgeContents says what the listing means for the job.
func (r *Result) judgeContents(c *Contents, o ContentsOptions) {
	if c.largestKept > o.Spool {
		r.Fail(&pipeline.Error{
			Op: "divide limits.spool", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("the largest object of the binary bucket takes %s, and %s are there for it", human.Bytes(c.largestKept), human.Bytes(o.Spool)),
			Hint: fmt.Sprintf("set limits.spool to at least %dMiB", c.largestKept*2>>20+1),
		})
	}
	if c.OverCap > 0 {
		r.Warn("%s of the binary bucket (the largest %s) exceed layout.max_binary_file_size in base64: the rows that name them will be quarantined",
			human.Plural(c.OverCap, "object"), human.Bytes(c.Largest))
	}
	if c.Hidden {
		r.Warn("noncurrent objects of the binary bucket cannot be listed: this identity lacks s3:ListBucketVersions, or this S3 cannot; contents that FHIR Works deleted, by prefix, with those of other Binaries are then missing")
	}
	if c.Rows != nil && c.Rows.Missing > 0 && c.Rows.Found+c.Rows.Recovered == 0 {
		r.Warn("none of the sampled Binary rows has its object in source.binaries: is it the right bucket and prefix?")
	}
	if c.Rows != nil && c.Rows.Missing+c.Rows.Ambiguous > 0 {
		r.Warn("of %s, the contents of %s are missing and of %s ambiguous: these rows will be quarantined; the job then ends with exit code 3",
			human.Plural(c.Rows.sum(), "sampled Binary row"), human.Count(c.Rows.Missing), human.Count(c.Rows.Ambiguous))
	}
	if c.Rows != nil && c.Rows.Erased > 0 {
		r.Warn("DELETED, and so are their objects: %s, which will be written without data", human.Plural(c.Rows.Erased, "sampled Binary row"))
	}
}

func (c *RowContents) sum() int64 {
	return c.Found + c.Recovered + c.Erased + c.Missing + c.Ambiguous
}

// judgeBinaries holds the sampled rows of type Binary against source.binaries.
func (r *Result) judgeBinaries(s *Sample) {
	switch n := s.Binaries; {
	case r.Plain: // they bear their contents
	case r.BinaryRows == jobfile.BinariesUnset && n > 0:
		r.Fail(&pipeline.Error{
			Op: "move the Binary records of", Object: r.Source, Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("there are such (%s in the sample), their contents lie in a bucket of their own, and source.binaries is not set", human.Count(n)),
			Hint: jobfile.BinariesHint,
		})
	case r.BinaryRows == jobfile.BinariesUnset && r.mayHoldBinaries:
		r.Warn("source.binaries is not set: should there be Binary records beyond the sample, fhirhose move stops at the first")
	case r.BinaryRows == jobfile.BinariesNone && n > 0:
		r.Warn("Binary records (%s in the sample) are moved as they are, without data: source.binaries says none", human.Count(n))
	}
}

// SetBinaries notes what the job does with Binary rows.
func (r *Result) SetBinaries(from jobfile.Source) {
	r.BinaryRows = from.BinaryRows
	r.mayHoldBinaries = len(from.Types) == 0 || slices.Contains(from.Types, "Binary")
}

func (c *Contents) text(line func(string, ...any)) {
	least := ""
	if c.AtLeast {
		least = "at least "
	}
	line("\nBinaries in %s", c.Location)
	line("  objects %s%s, %s, the largest %s", least, human.Plural(c.Objects, "object"), human.Bytes(c.Bytes), human.Bytes(c.Largest))
	line("  base64  %s%s in about %s, %.1f hours of import, if rows name them all", least, human.Bytes(c.Encoded), human.Plural(int64(c.Folders), "folder"), c.Hours)
	if c.OverCap > 0 {
		line("  too big %s%s", least, human.Plural(c.OverCap, "object"))
	}
	if c.Erased > 0 {
		line("  erased  %s%s noncurrent only", least, human.Plural(c.Erased, "object"))
	}
	if c.AtLeast {
		line("  The listing was ended because it takes long; fhirhose move makes a whole one.")
	}
	if w := c.Rows; w != nil && w.sum() > 0 {
		line("  sample  of %s: %s found, %s to be recovered, %s erased at source, %s missing, %s ambiguous", human.Plural(w.sum(), "Binary row"),
			human.Count(w.Found), human.Count(w.Recovered), human.Count(w.Erased), human.Count(w.Missing), human.Count(w.Ambiguous))
	}
}
