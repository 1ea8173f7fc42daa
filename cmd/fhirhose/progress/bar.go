package progress

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// Bar draws the job on a terminal. It is also an [io.Writer] for log lines,
// which then appear above the bar instead of through it.
type Bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	details   atomic.Pointer[string]
	pace      Pace
}

var (
	_ View      = (*Bar)(nil)
	_ io.Writer = (*Bar)(nil)
)

// IsTerminal tells whether a file descriptor is a terminal.
func IsTerminal(fd uintptr) bool {
	return cwriter.IsTerminal(int(fd))
}

// NewBar starts to draw on out, which is a terminal.
func NewBar(out io.Writer) *Bar {
	b := &Bar{container: mpb.New(mpb.WithOutput(out), mpb.WithWidth(32), mpb.WithAutoRefresh())}
	b.bar = b.container.AddBar(1,
		mpb.PrependDecorators(decor.Any(func(s decor.Statistics) string {
			return human.Percent(s.Current, s.Total) + " "
		}, decor.WC{W: 6})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			if text := b.details.Load(); text != nil {
				return *text
			}
			return ""
		})))
	return b
}

// Show implements [View].
func (b *Bar) Show(at time.Time, s *metrics.Status) {
	b.pace.Add(at, s)
	text := "  " + human.Bytes(s.InputBytesDone) + " of " + human.Bytes(s.InputBytes) + details(s, &b.pace)
	b.details.Store(&text)
	// The total stays one ahead, so that the bar completes only in Close.
	b.bar.SetTotal(s.InputBytes+1, false)
	b.bar.SetCurrent(s.InputBytesDone)
}

// Write implements [io.Writer].
func (b *Bar) Write(p []byte) (int, error) { return b.container.Write(p) }

// Close implements [View].
func (b *Bar) Close() {
	b.bar.Abort(false)
	b.container.Wait()
}
