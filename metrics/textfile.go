package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// WriteTextfile puts everything of g into path in the text format, by an atomic
// rename, for the textfile collector of Prometheus' node_exporter.
func WriteTextfile(path string, g prometheus.Gatherer) error {
	if err := prometheus.WriteToTextfile(path, g); err != nil {
		return fmt.Errorf("write metrics to %s: %w", path, err)
	}
	return nil
}
