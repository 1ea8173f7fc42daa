package dynamoexport

import (
	"context"
	"path"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/staging"
)

const hintForbidden = hintLocation + ", and " + staging.HintForbidden

// openBucket finds the export's folder: the location itself, or the folder around
// its data or its summary. It lists nothing.
func openBucket(ctx context.Context, store staging.Bucket) (staging.Place, error) {
	folder := store.Location()
	key := folder.Key(summaryName)
	_, err := store.Head(ctx, key)
	if base := path.Base(folder.Prefix); staging.MayBeAbsent(err) && (base == dataFolderName || base == summaryName) {
		folder.Prefix = parentPrefix(folder.Prefix)
		_, err = store.Head(ctx, folder.Key(summaryName))
	}
	refuse := func(kind pipeline.Kind, hint string) error {
		return &pipeline.Error{Op: "find", Object: "s3://" + folder.Bucket + "/" + key, Kind: kind, Err: staging.Cause(err), Hint: hint}
	}
	switch {
	case staging.IsAbsent(err):
		return nil, refuse(pipeline.KindConfig, hintLocation)
	case staging.IsForbidden(err):
		return nil, refuse(pipeline.KindAuth, hintForbidden)
	case err != nil:
		return nil, err
	}
	return staging.InBucket(store, folder), nil
}

func parentPrefix(prefix string) string {
	if parent := path.Dir(prefix); parent != "." {
		return parent
	}
	return ""
}
