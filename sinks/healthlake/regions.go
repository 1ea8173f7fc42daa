package healthlake

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

// regions are those in which HealthLake has an endpoint, by the table of the page
// "AWS HealthLake endpoints and quotas" of its developer guide, read in November 2026
// from a copy whose own date is not known. AWS adds regions, so that this list explains
// a name that is not found, and refuses nothing: a data store that answers proves its
// region.
var regions = []string{
	"us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-southeast-2", "ca-central-1", "eu-west-1", "eu-west-2",
}

// noEndpoint tells a region without HealthLake from a network without names: if the
// region is not among those known and its endpoint has no address, waiting is in vain.
func noEndpoint(datastore, region string, err error) error {
	unknown, ok := errors.AsType[*net.DNSError](err)
	if !ok || !unknown.IsNotFound || slices.Contains(regions, region) {
		return err
	}
	return &pipeline.Error{
		Op: "find the region of data store", Object: datastore, Kind: pipeline.KindConfig,
		Err:  fmt.Errorf("HealthLake has no endpoint in %s that this network knows", region),
		Hint: "set target.healthlake.region to that of the data store; HealthLake is known to be in " + strings.Join(regions, ", "),
	}
}
