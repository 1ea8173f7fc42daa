package progress

import (
	"time"

	"github.com/fhirhose/fhirhose/metrics"
)

const (
	window  = time.Minute     // over which the rate is taken
	earnest = 2 * time.Second // below which a rate says nothing
)

// Pace is the rate of the last minute. It counts only what this process has
// read: what a resume skips would promise an end that never comes.
type Pace struct{ samples []sample }

type sample struct {
	at   time.Time
	done int64
}

// Add takes the state of the job at a moment.
func (p *Pace) Add(at time.Time, s *metrics.Status) {
	w := workOf(s)
	p.samples = append(p.samples, sample{at, w.done - w.skipped})
	for len(p.samples) > 2 && at.Sub(p.samples[1].at) >= window {
		p.samples = p.samples[1:]
	}
}

// Rate returns compressed input bytes per second, or what else workOf counts; 0 if
// unknown.
func (p *Pace) Rate() float64 {
	if len(p.samples) < 2 {
		return 0
	}
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	elapsed := last.at.Sub(first.at)
	if elapsed < earnest || last.done <= first.done {
		return 0
	}
	return float64(last.done-first.done) / elapsed.Seconds()
}

// Left returns the time until all is read at the present rate; false if that
// cannot be said.
func (p *Pace) Left(s *metrics.Status) (time.Duration, bool) {
	rate := p.Rate()
	if rate == 0 {
		return 0, false
	}
	w := workOf(s)
	return time.Duration(float64(max(0, w.all-w.done)) / rate * float64(time.Second)), true
}
