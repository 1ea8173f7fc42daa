package dynamodbtest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
)

// nowhere is an S3 that keeps nothing.
type nowhere struct{}

func (nowhere) Put(context.Context, string, string, []byte) error { return nil }

// TestTokens: a token means one export for 8 hours, with one set of parameters.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		simulation := dynamodbtest.New(dynamodbtest.Options{
			S3:     nowhere{},
			Tables: []dynamodbtest.Table{{ARN: dynamodbtest.TableARN, Write: func(string, string) (int64, int64, error) { return 0, 0, nil }}},
		})
		client := dynamodb.New(dynamodb.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://dynamodb.example"), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(dynamodbtest.AccessKey, dynamodbtest.SecretKey, ""),
			HTTPClient:  &http.Client{Transport: simulation.Transport()},
		})
		start := func(token, prefix string) (string, error) {
			out, err := client.ExportTableToPointInTime(t.Context(), &dynamodb.ExportTableToPointInTimeInput{
				TableArn: aws.String(dynamodbtest.TableARN), S3Bucket: aws.String("b"), S3Prefix: &prefix, ClientToken: &token,
				ExportFormat: types.ExportFormatDynamodbJson,
			})
			if err != nil {
				return "", err
			}
			return aws.ToString(out.ExportDescription.ExportArn), nil
		}
		must := func(arn string, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return arn
		}
		first := must(start("a", "p"))
		if other := must(start("b", "p")); other == first {
			t.Error("two tokens mean one export")
		}
		time.Sleep(7 * time.Hour)
		if again := must(start("a", "p")); again != first {
			t.Error("a token means two exports")
		}
		_, err := start("a", "q")
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "ExportConflictException" {
			t.Errorf("other parameters: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if late := must(start("a", "p")); late == first {
			t.Error("a token is remembered too long")
		}
		if n := len(simulation.Exports()); n != 3 {
			t.Errorf("%d exports", n)
		}
	})
}
