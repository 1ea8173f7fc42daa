package dynamoexport

// Bucket is what an export in S3 is read through.
type Bucket interface{}

func openPlace(o Options, in inbox) (place, error) {
	return openDirectory(o.Location)
}
