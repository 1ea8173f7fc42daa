// Package s3test runs the parts of fhirhose that speak S3 against a real S3
// server, Versity's gateway on a directory, behind a proxy that lets chosen
// calls fail. It is a module of its own, so that fhirhose does not depend on
// that server.
//
//	func TestMain(m *testing.M) { os.Exit(s3test.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		server := s3test.Start(t)      // sets AWS_* for this test
//		server.MakeBucket(t, "exports")
//		server.Faults.Decide(objecttest.Seeded(1, 0.2, objecttest.Transient()...))
//		...                            // run fhirhose; it speaks to server.Endpoint
//		objects := server.Objects(t, "exports", "job/")
//	}
//
// The gateway runs in a child process, which is the test binary itself, because
// it changes the working directory and allows one instance per process.
package s3test
