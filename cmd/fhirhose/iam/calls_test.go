package iam_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/iam"
)

const servicePath = "github.com/aws/aws-sdk-go-v2/service/"

// clients are those of the services that the code may call.
var clients = map[string]reflect.Type{
	"dynamodb": reflect.TypeFor[*dynamodb.Client](), "healthlake": reflect.TypeFor[*healthlake.Client](),
	"s3": reflect.TypeFor[*s3.Client](), "sts": reflect.TypeFor[*sts.Client](),
}

// actions are what each call of a service needs, by the Service Authorization
// Reference; calls that it does not list need the action of their own name.
var actions = map[string][]string{
	"sts:GetCallerIdentity": {}, // needs none

	"s3:HeadBucket": {"s3:ListBucket"}, "s3:ListObjectsV2": {"s3:ListBucket"}, "s3:ListObjectVersions": {"s3:ListBucketVersions"},
	"s3:ListMultipartUploads": {"s3:ListBucketMultipartUploads"}, "s3:HeadObject": {"s3:GetObject"},
	"s3:GetObject": {"s3:GetObject", "s3:GetObjectVersion"}, "s3:CreateMultipartUpload": {"s3:PutObject"}, "s3:UploadPart": {"s3:PutObject"},
	"s3:CompleteMultipartUpload": {"s3:PutObject"}, "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
	"s3:GetBucketLifecycleConfiguration": {"s3:GetLifecycleConfiguration"}, "s3:GetBucketEncryption": {"s3:GetEncryptionConfiguration"},
	"s3:GetObjectLockConfiguration": {"s3:GetBucketObjectLockConfiguration"}, "s3:GetPublicAccessBlock": {"s3:GetBucketPublicAccessBlock"},

	// HealthLake's REST API, by what sinks/healthlake says that it does.
	"read a resource of data store": {"healthlake:ReadResource"}, "read a history of data store": {"healthlake:GetHistoryByResourceId"},
	"count the resources of data store": {"healthlake:SearchWithGet"}, "read the capabilities of data store": {"healthlake:GetCapabilities"},
	"send a batch to data store":      {"healthlake:ProcessBundle", "healthlake:ReadResource", "healthlake:UpdateResource", "healthlake:DeleteResource"},
	"look at resources of data store": {"healthlake:ProcessBundle", "healthlake:ReadResource"},
	"delete resources of data store":  {"healthlake:ProcessBundle", "healthlake:ReadResource", "healthlake:DeleteResource"},
	"find the region of data store":   {}, // in the settings
}

// TestEveryCallIsAllowed: whoever adds a call of AWS must say which action it needs,
// and in which policy that stands.
func TestEveryCallIsAllowed(t *testing.T) {
	p := iam.For(load(t, everything, nil), "")
	calls := sdkCalls(t)
	rest := restCalls(t)
	if len(calls) < 25 || len(rest) < 5 {
		t.Fatalf("only %d and %d calls were found", len(calls), len(rest))
	}
	for _, call := range slices.Concat(calls, rest) {
		needed, listed := actions[call]
		service, _, isCall := strings.Cut(call, ":")
		switch {
		case !listed && isCall && clients[service] != nil:
			needed = []string{call}
		case !listed:
			t.Errorf("%q is called: say here which action it needs", call)
		}
		for _, action := range needed {
			if !allows(p.Operator, action) && !allows(p.Clean, action) {
				t.Errorf("%s is called, but %s is allowed by no policy", call, action)
			}
		}
	}
}

// product calls f for each file of the product.
func product(t *testing.T, f func(path string, file *ast.File)) {
	t.Helper()
	const root = "../../.."
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bench" || strings.HasSuffix(name, "test") || name == "testdata" || strings.HasPrefix(name, ".") && len(name) > 2):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			f(path, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sdkCalls finds service:Operation: any call, in a file that imports a service, of
// a method of the name of one of its client's.
func sdkCalls(t *testing.T) []string {
	found := map[string]bool{}
	product(t, func(path string, file *ast.File) {
		var services []string
		for _, spec := range file.Imports {
			if service, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), servicePath); ok && !strings.Contains(service, "/") {
				if clients[service] == nil {
					t.Errorf("%s calls %s, which no policy knows", path, service)
				}
				services = append(services, service)
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			selected, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			// A method, or the input of one that a paginator calls.
			op := strings.TrimSuffix(selected.Sel.Name, "Input")
			for _, service := range services {
				if isOperation(service, op) {
					found[service+":"+op] = true
				}
			}
			return true
		})
	})
	return slices.Sorted(maps.Keys(found))
}

// isOperation tells whether a client has a method of an operation: one that takes a
// context, an input, and options.
func isOperation(service, op string) bool {
	client := clients[service]
	if client == nil {
		return false
	}
	method, ok := client.MethodByName(op)
	return ok && method.Type.NumIn() == 4 && strings.HasSuffix(method.Type.In(2).String(), "."+op+"Input")
}

var restCall = regexp.MustCompile(`^[a-z ]+ (of|to) data store$`)

// restCalls finds what sinks/healthlake says that it asks of a data store: the
// operations in its errors.
func restCalls(t *testing.T) []string {
	found := map[string]bool{}
	product(t, func(path string, file *ast.File) {
		if !strings.Contains(filepath.ToSlash(path), "sinks/healthlake/") {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if text, ok := node.(*ast.BasicLit); ok && text.Kind == token.STRING && restCall.MatchString(strings.Trim(text.Value, `"`)) {
				found[strings.Trim(text.Value, `"`)] = true
			}
			return true
		})
	})
	return slices.Sorted(maps.Keys(found))
}
