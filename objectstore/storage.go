package objectstore

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// archived returns the storage class of an object that cannot be read before it
// is restored, or "". A listing does not know it: what lies in an archive of
// INTELLIGENT_TIERING, and what is restored for a while, only a HEAD tells.
func archived(out *s3.HeadObjectOutput) string {
	switch {
	case out.ArchiveStatus != "":
		return string(out.StorageClass) + " " + string(out.ArchiveStatus)
	case out.StorageClass != types.StorageClassGlacier && out.StorageClass != types.StorageClassDeepArchive:
		return ""
	case strings.Contains(aws.ToString(out.Restore), `ongoing-request="false"`):
		return "" // a copy can be read
	}
	return string(out.StorageClass)
}
