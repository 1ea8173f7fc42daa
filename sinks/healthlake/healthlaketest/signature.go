package healthlaketest

import "github.com/fhirhose/fhirhose/objectstore/awstest"

// Service is the name for which requests are signed.
const Service = "healthlake"

// checkSignature returns the code of the error, or "".
func (s *Simulation) checkSignature(r *request) string {
	signature := awstest.Signature{Service: Service, Region: s.options.Region, Keys: s.options.Keys}
	return signature.Check(r.Request, r.body, s.options.Now())
}
