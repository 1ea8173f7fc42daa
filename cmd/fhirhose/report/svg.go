package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

// chart is horizontal bars, one below the other, each of parts.
type chart struct {
	Title  string // for those who cannot see it
	Width  int
	Height int
	Bars   []bar
}

type bar struct {
	Y     int
	Label string
	Value string
	After float64 // x of Value
	Parts []part
}

// part is a piece of a bar. Class names its colour; Title says what it is.
type part struct {
	X, Width     float64
	Class, Title string
}

// Measures of a chart in pixels.
const (
	chartWidth = 720
	barsAt     = 190 // x; labels are left of it
	barsWidth  = 380
	barStep    = 22
	barHeight  = 14
	leastPart  = 1.5 // what is there can be seen
)

// amount is a part of a bar before it is drawn.
type amount struct {
	n            int64
	class, title string
}

// draw lays out bars to the scale of the longest.
func draw(title string, labels []string, rows [][]amount) *chart {
	longest := int64(1)
	for _, row := range rows {
		longest = max(longest, sumOf(row))
	}
	c := &chart{Title: title, Width: chartWidth, Height: len(rows)*barStep + 4}
	for i, row := range rows {
		b := bar{Y: i*barStep + 4, Label: labels[i], Value: human.Count(sumOf(row))}
		x := float64(barsAt)
		for _, a := range row {
			if a.n == 0 {
				continue
			}
			width := max(leastPart, float64(a.n)/float64(longest)*barsWidth)
			b.Parts = append(b.Parts, part{x, width, a.class, a.title + ": " + human.Count(a.n)})
			x += width
		}
		b.After = x + 6
		c.Bars = append(c.Bars, b)
	}
	return c
}

func sumOf(row []amount) (n int64) {
	for _, a := range row {
		n += a.n
	}
	return n
}

// chartTypes bounds the bars of types; the rest share one.
const chartTypes = 20

// typesChart shows what became of the records of each type.
func (d *Document) typesChart() *chart {
	types := d.Status.Types
	names := slices.SortedFunc(maps.Keys(types), func(a, b string) int {
		return cmp.Or(cmp.Compare(types[b].Read, types[a].Read), cmp.Compare(a, b))
	})
	var labels []string
	var rows [][]amount
	for i, name := range names {
		t := types[name]
		row := []amount{{t.Written, "written", "written"}, {total(t.Filtered), "filtered", "filtered"}, {total(t.Quarantined), "bad", "quarantined"}}
		if i < chartTypes {
			labels, rows = append(labels, name), append(rows, row)
			continue
		}
		if i == chartTypes {
			labels, rows = append(labels, human.Plural(int64(len(names)-i), "other type")), append(rows, row)
			continue
		}
		for k := range row {
			rows[chartTypes][k].n += row[k].n
		}
	}
	return draw("Records by type: written, filtered, quarantined", labels, rows)
}

// chart shows what a verification found.
func (c *Check) chart() *chart {
	var labels []string
	var rows [][]amount
	for _, class := range c.Classes {
		if class.Count == 0 {
			continue
		}
		kind := "bad"
		if class.OK {
			kind = "written"
		}
		labels, rows = append(labels, class.Name), append(rows, []amount{{class.Count, kind, class.Name}})
	}
	return draw("Resources by class, verification "+c.Mode, labels, rows)
}

// chart writes a chart as inline SVG.
func (p *page) chart(c *chart) {
	if len(c.Bars) == 0 {
		return
	}
	p.put(`<svg viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n", c.Width, c.Height, c.Width, c.Height, c.Title)
	for _, b := range c.Bars {
		base := b.Y + barHeight - 2 // of the texts beside it
		p.put(`<text x="%d" y="%d" text-anchor="end">%s</text>`, barsAt-8, base, b.Label)
		for _, part := range b.Parts {
			p.put(`<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s</title></rect>`, part.Class, part.X, b.Y, part.Width, barHeight, part.Title)
		}
		p.put(`<text x="%.1f" y="%d">%s</text>`+"\n", b.After, base, b.Value)
	}
	p.put("</svg>\n")
}
