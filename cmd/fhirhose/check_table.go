package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/iam"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/survey"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

// checkTable looks at a table that is not exported yet. It starts nothing.
func checkTable(ctx context.Context, w *wiring, r *survey.Result) {
	table := w.job.Source.Table
	r.Source, r.Table = table.ExportTo.String(), table.ARN
	r.Warn("the table is not exported yet, so that nothing of it can be sampled: fhirhose export, then fhirhose check again")
	client, err := tableexport.Open(ctx, tableexport.Options{
		Region: table.Region(), Patience: tablePatience, CredentialPatience: w.patience,
	})
	if err != nil {
		r.Fail(err)
		return
	}
	switch on, err := client.Recoverable(ctx, table.ARN); {
	case err != nil:
		r.Fail(err)
	case !on:
		r.Fail(tableexport.NotRecoverable(table.ARN))
	default:
		r.Probes = append(r.Probes, "point-in-time recovery of the table is on")
	}
	if err := client.MayList(ctx, table.ARN); err != nil {
		r.Fail(err)
	} else {
		r.Probes = append(r.Probes, "this identity may list exports, so that one that was started is found again")
	}
	for _, s := range iam.For(w.job, "").Operator.Statement {
		if !slices.Contains(exportStatements, s.Sid) {
			continue
		}
		text, err := json.Marshal(s)
		if err != nil {
			r.Fail(err)
			return
		}
		r.Unseen = append(r.Unseen, "whether this identity may export, which nothing proves but an export: it needs "+string(text))
	}
	checkExportTo(ctx, w, r)
}

// exportStatements are those of the operator's policy that only an export proves:
// DynamoDB writes it in the caller's name.
var exportStatements = []string{"ExportTable", "ExportToS3", "ExportKey"}

// tablePatience is how long check tries a call of DynamoDB.
const tablePatience = 3 * time.Second

// checkExportTo looks at the bucket that the export will be written to.
func checkExportTo(ctx context.Context, w *wiring, r *survey.Result) {
	from := w.job.Source
	store, err := w.openStore(ctx, from.Table.ExportTo, objectstore.Options{
		Region: from.Region, PathStyle: from.S3.PathStyle, ExpectedBucketOwner: from.Owner,
	})
	if err != nil {
		r.Fail(err)
		return
	}
	defer store.Close()
	r.LookAtExport(ctx, survey.Bucket{Store: store, Name: "source", Owner: from.Owner})
	key := strings.Split(from.Table.KMSKey, ":") // arn:aws:kms:region:account:key/id
	lies, _, err := store.Region(ctx)
	scrubbed, answered := errors.AsType[*objectstore.Scrubbed](err)
	switch {
	case answered && scrubbed.Status == 403:
		r.Warn("to look at the bucket of export_to, allow this identity: %s", tableexport.Statement("s3:ListBucket", "arn:aws:s3:::"+from.Table.ExportTo.Bucket))
	case errors.Is(err, objectstore.ErrNotFound), answered && scrubbed.Code == "NoSuchBucket":
		r.Fail(&pipeline.Error{
			Op: "look at", Object: from.Table.ExportTo.Bucket, Kind: pipeline.KindConfig,
			Err: errors.New("there is no such bucket"), Hint: "make it, or correct source.dynamodb_export.export_to",
		})
	}
	switch {
	case len(key) != 6 || lies == "":
	case key[3] == lies:
		r.Probes = append(r.Probes, "the key of the export lies in the region of its bucket, "+lies)
	default:
		r.Fail(&pipeline.Error{
			Op: "read setting", Object: "source.dynamodb_export.kms_key", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("is in %s, and the bucket of export_to in %s", key[3], lies),
			Hint: "name a key in the region of the bucket",
		})
	}
}
