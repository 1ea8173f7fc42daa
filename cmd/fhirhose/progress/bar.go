package progress

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// Bar draws the job on a terminal: a bar with rate and time left, and a line of
// counts below it. It is also an [io.Writer] for log lines, which then appear
// above the bar instead of through it.
type Bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	texts     atomic.Pointer[texts]
	pace      Pace
}

var (
	_ View      = (*Bar)(nil)
	_ io.Writer = (*Bar)(nil)
)

// texts stand around the bar.
type texts struct{ before, behind, below string }

// barWidth leaves room for the rest on a terminal of 80 columns.
const barWidth = 20

// IsTerminal tells whether a file descriptor is a terminal.
func IsTerminal(fd uintptr) bool { return cwriter.IsTerminal(int(fd)) }

// NewBar starts to draw on out, which is a terminal.
func NewBar(out io.Writer) *Bar {
	b := &Bar{container: mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh())}
	b.texts.Store(&texts{before: "0 %"})
	b.bar = b.container.AddBar(0, // 0: SetTotal may change it
		mpb.BarWidth(barWidth),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.texts.Load().before }, decor.WC{W: 6})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.texts.Load().behind })),
		mpb.BarExtender(mpb.BarFillerFunc(b.drawBelow), false))
	return b
}

func (b *Bar) drawBelow(w io.Writer, s decor.Statistics) error {
	_, err := fmt.Fprintf(w, "%.*s\n", s.AvailableWidth, b.texts.Load().below) // a line that wraps would not be erased
	return err
}

// Show implements [View].
func (b *Bar) Show(at time.Time, s *metrics.Status) {
	b.pace.Add(at, s)
	w := workOf(s)
	b.texts.Store(&texts{
		before: human.Percent(w.done, max(1, w.all)),
		behind: "  " + w.amount(w.done) + " of " + w.amount(w.all) + speed(s, &b.pace),
		below:  "   " + counts(s),
	})
	// The total stays one ahead, so that the bar ends only in Close.
	b.bar.SetTotal(w.all+1, false)
	b.bar.SetCurrent(w.done)
}

// Write implements [io.Writer].
func (b *Bar) Write(p []byte) (int, error) { return b.container.Write(p) }

// Close implements [View].
func (b *Bar) Close() {
	b.bar.Abort(false)
	b.container.Wait()
}
