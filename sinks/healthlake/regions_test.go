package healthlake_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// unknownHost is a network whose names say what they are asked for.
type unknownHost struct{ asked []string }

func (u *unknownHost) Do(r *http.Request) (*http.Response, error) {
	u.asked = append(u.asked, r.URL.Host)
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}}
}

// TestRegionWithoutHealthLake: an endpoint without an address is waited for where
// HealthLake is known to be, and nowhere else. No list refuses a region that answers.
func TestRegionWithoutHealthLake(t *testing.T) {
	bubble(t, healthlaketest.Options{Region: "mars-north-1"}, func(r *rig) {
		in := func(region string, network *unknownHost) func(*healthlake.Options) {
			return func(o *healthlake.Options) {
				if o.Region = region; network != nil {
					o.HTTPClient = network
				}
			}
		}
		var err error
		var network unknownHost
		if took := takes(func() { _, err = r.open(in("eu-north-1", &network)) }); took > 0 || len(network.asked) != 1 {
			t.Errorf("asked %d times in %v", len(network.asked), took)
		}
		r.fails(err, pipeline.KindConfig, "HealthLake has no endpoint in eu-north-1 that this network knows")
		r.fails(err, pipeline.KindConfig, "known to be in us-east-1, ")
		if took := takes(func() { _, err = r.open(in("eu-west-2", &network)) }); took < 10*time.Minute {
			t.Errorf("given up after %v", took)
		}
		r.fails(err, pipeline.KindRetryLater, "the connection failed")
		if store := r.opened(in("mars-north-1", nil)); store.Region() != "mars-north-1" {
			t.Errorf("opened in %s", store.Region())
		}
	})
}
